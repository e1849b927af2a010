/**
 * A linear judge of letters, learned from examples. It knows some ten thousands of runs of letters, each with a weight, and
 * nothing else adds anything: text of a kind that was never met counts for nothing, however long it is. A known run adds its
 * weight once, every letter costs a toll, and the sum never falls below nothing; so it is the sum over the worst stretch that
 * ends here, and neither a long innocent text before an attack nor one behind it makes a difference. A stretch is a match
 * when its sum is above the threshold and what speaks against it stands in several places; a short one pays for
 * `LEAST_STRETCH` letters, so that a few rare words are not enough.
 *
 * A sum of integers from a table: linear, the same on every runtime.
 */
import { EARLIER, FIRST, LAST, LONG_RUN, MIDDLE, SHORT_RUN } from "./grams.ts";
import { COUNT, RUNS, THRESHOLD, TOLL } from "./weights.ts";

/** A stretch of letters, end exclusive. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Letters that a stretch pays for at the least. */
export const LEAST_STRETCH = 160;
/** Guilty runs further apart than a word is long, which a match needs. */
export const LEAST_PLACES = 8;
export const APART = 12;

/** Known runs, looked up by their number: a bit in a map first, which hardly any unknown run has, then the number itself. */
interface Runs {
  readonly map: Int32Array;
  readonly numbers: Int32Array;
  /** 0: nothing is there. */
  readonly weights: Int8Array;
  /** The stretch in which a run was counted last. */
  readonly counted: Int32Array;
}

const MAP_BITS = 20;
const WORD = 32 - (MAP_BITS - 5);
const BIT = 32 - MAP_BITS;
const SLOT_BITS = 16;
const SLOT = 32 - SLOT_BITS;
const LAST_SLOT = (1 << SLOT_BITS) - 1;

let runs: Runs | null = null;
/** Stretches so far; no two have the same number while a table lives. */
let stretch = 0;

/** Makes the table, about a millisecond's work; the first judgement makes it otherwise. */
export function prepareWeights(): Runs {
  runs ??= readRuns();
  return runs;
}

/** Numbers in their order, each as the distance to the one before in groups of seven bits, and then its weight. */
function readRuns(): Runs {
  const bytes = atob(RUNS);
  const made: Runs = {
    map: new Int32Array(1 << (MAP_BITS - 5)),
    numbers: new Int32Array(1 << SLOT_BITS),
    weights: new Int8Array(1 << SLOT_BITS),
    counted: new Int32Array(1 << SLOT_BITS),
  };
  let number = 0;
  let at = 0;
  for (let n = 0; n < COUNT; n++) {
    let distance = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.charCodeAt(at++);
      distance |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    number = (number + distance) | 0;
    const word = number >>> WORD;
    made.map[word] = (made.map[word] as number) | (1 << (number >>> BIT));
    let slot = number >>> SLOT;
    while (made.weights[slot] !== 0) slot = (slot + 1) & LAST_SLOT;
    made.numbers[slot] = number;
    made.weights[slot] = bytes.charCodeAt(at++);
  }
  return made;
}

function isMapped(map: Int32Array, number: number): boolean {
  return (((map[number >>> WORD] as number) >>> (number >>> BIT)) & 1) === 1;
}

function slotOf({ numbers, weights }: Runs, number: number): number {
  let slot = number >>> SLOT;
  while (weights[slot] !== 0) {
    if (numbers[slot] === number) return slot;
    slot = (slot + 1) & LAST_SLOT;
  }
  return -1;
}

/** What a run of letters weighs; 0 for one that was not met. */
export function weightOf(number: number): number {
  const table = runs ?? prepareWeights();
  const slot = slotOf(table, number);
  return slot === -1 ? 0 : (table.weights[slot] as number);
}

/** The sum over the stretch that is being read, where it began, and what it has met: plain numbers, for the loop's sake. */
let sum = 0;
let start = 0;
let paid = 0;
let places = 0;
let place = 0;

function begin(from: number): void {
  sum = 0;
  start = from;
  places = 0;
  place = -APART;
  stretch = stretch === 0x7fffffff ? 1 : stretch + 1;
}

/** Counts the run that ends at `at`; true when the stretch up to it is a match. */
function counts(table: Runs, slot: number, at: number, length: number): boolean {
  sum = (sum - Math.imul(TOLL, at - paid)) | 0;
  paid = at;
  if (sum <= 0) begin(at + 1 - length);
  if (table.counted[slot] === stretch) return false;
  table.counted[slot] = stretch;
  const weight = table.weights[slot] as number;
  sum = (sum + weight) | 0;
  if (weight > 0 && at - place >= APART) {
    places += 1;
    place = at;
  }
  if (sum <= THRESHOLD || places < LEAST_PLACES) return false;
  return sum - TOLL * Math.max(0, LEAST_STRETCH - (at + 1 - start)) > THRESHOLD;
}

/** A stretch of letters in [from, to) that is like an attack, the first that is found, or null. */
export function findLearned(letters: Uint8Array, from: number, to: number): Stretch | null {
  const table = runs ?? prepareWeights();
  begin(from);
  paid = from;
  const end = firstAbove(table, letters, from, to);
  return end === -1 ? null : { start: Math.max(from, start), end };
}

/** Most letters end no known run, so the loop does nothing for them but look. */
function firstAbove(table: Runs, letters: Uint8Array, from: number, to: number): number {
  const { map } = table;
  let last = 0;
  let earlier = 0;
  let first = 0;
  for (let i = from; i < to; i++) {
    first = (first << 8) | (earlier >>> 24);
    earlier = (earlier << 8) | (last >>> 24);
    last = (last << 8) | (letters[i] as number);
    const tail = Math.imul(last, LAST);
    const short = tail ^ Math.imul((last >>> 16) | (earlier << 16), EARLIER);
    const long = tail ^ Math.imul(earlier, MIDDLE) ^ Math.imul((earlier >>> 16) | (first << 16), FIRST);
    const may =
      ((map[short >>> WORD] as number) >>> (short >>> BIT)) | ((map[long >>> WORD] as number) >>> (long >>> BIT));
    if ((may & 1) === 0) continue;
    const one = isMapped(map, short) ? slotOf(table, short) : -1;
    if (one !== -1 && counts(table, one, i, SHORT_RUN)) return i + 1;
    const other = isMapped(map, long) ? slotOf(table, long) : -1;
    if (other !== -1 && counts(table, other, i, LONG_RUN)) return i + 1;
  }
  return -1;
}
