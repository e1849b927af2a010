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
const SLOT_BITS = 17;
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

/** A sum over a stretch, and where it began. */
class Sum {
  sum = 0;
  start = 0;
  #paid = 0;
  #places = 0;
  #place = 0;

  open(from: number): void {
    this.sum = 0;
    this.start = from;
    this.#paid = from;
    this.#begin();
  }

  #begin(): void {
    stretch = stretch === 0x7fffffff ? 1 : stretch + 1;
    this.#places = 0;
    this.#place = -APART;
  }

  /** Counts the run that ends at `at`; true when the stretch up to it is a match. */
  counts(table: Runs, slot: number, at: number, length: number): boolean {
    this.sum -= TOLL * (at - this.#paid);
    this.#paid = at;
    if (this.sum <= 0) {
      this.sum = 0;
      this.start = at + 1 - length;
      this.#begin();
    }
    if (table.counted[slot] === stretch) return false;
    table.counted[slot] = stretch;
    const weight = table.weights[slot] as number;
    this.sum += weight;
    if (weight > 0 && at - this.#place >= APART) {
      this.#places += 1;
      this.#place = at;
    }
    if (this.sum <= THRESHOLD || this.#places < LEAST_PLACES) return false;
    return this.sum - TOLL * Math.max(0, LEAST_STRETCH - (at + 1 - this.start)) > THRESHOLD;
  }
}

const sum = new Sum();

/** A stretch of letters in [from, to) that is like an attack, the first that is found, or null. */
export function findLearned(letters: Uint8Array, from: number, to: number): Stretch | null {
  const table = runs ?? prepareWeights();
  sum.open(from);
  const end = firstAbove(table, letters, from, to);
  return end === -1 ? null : { start: Math.max(from, sum.start), end };
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
    const one = slotOf(table, short);
    if (one !== -1 && sum.counts(table, one, i, SHORT_RUN)) return i + 1;
    const other = slotOf(table, long);
    if (other !== -1 && sum.counts(table, other, i, LONG_RUN)) return i + 1;
  }
  return -1;
}
