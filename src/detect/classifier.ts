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
import { EARLIER, LAST, RUN } from "./grams.ts";
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
  /** A number and its weight, side by side, as they are read together. Weight 0: nothing is there. */
  readonly known: Int32Array;
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
    known: new Int32Array(2 << SLOT_BITS),
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
    while (made.known[2 * slot + 1] !== 0) slot = (slot + 1) & LAST_SLOT;
    made.known[2 * slot] = number;
    made.known[2 * slot + 1] = (bytes.charCodeAt(at++) << 24) >> 24;
  }
  return made;
}

function slotOf({ known }: Runs, number: number): number {
  let slot = number >>> SLOT;
  while (known[2 * slot + 1] !== 0) {
    if (known[2 * slot] === number) return slot;
    slot = (slot + 1) & LAST_SLOT;
  }
  return -1;
}

/** What a run of letters weighs; 0 for one that was not met. */
export function weightOf(number: number): number {
  const table = runs ?? prepareWeights();
  const slot = slotOf(table, number);
  return slot === -1 ? 0 : (table.known[2 * slot + 1] as number);
}

/** Letters whose runs are looked up together. */
const BATCH = 512;
/** Runs of a batch that may be known: their numbers, and where their last letters are. */
const mayBe = new Int32Array(BATCH + 1);
const lastAt = new Int32Array(BATCH + 1);

/** A stretch of letters in [from, to) that is like an attack, the first that is found, or null. */
export function findLearned(letters: Uint8Array, from: number, to: number): Stretch | null {
  const table = runs ?? prepareWeights();
  const { known, counted } = table;
  /** The sum over the stretch that is being read, where it began, and what it has met. */
  let sum = 0;
  let start = from;
  let paid = from;
  let places = 0;
  let place = -APART;
  for (let batch = from; batch < to; batch += BATCH) {
    const found = lookUp(table.map, letters, from, batch, Math.min(to, batch + BATCH));
    for (let n = 0; n < found; n++) {
      const slot = slotOf(table, mayBe[n] as number);
      if (slot === -1) continue;
      const weight = known[2 * slot + 1] as number;
      const at = lastAt[n] as number;
      sum = (sum - Math.imul(TOLL, at - paid)) | 0;
      paid = at;
      if (sum <= 0) {
        sum = 0;
        // What speaks against a stretch begins none.
        if (weight < 0) continue;
        start = at + 1 - RUN;
        places = 0;
        place = -APART;
        stretch = stretch === 0x7fffffff ? 1 : stretch + 1;
      }
      if (counted[slot] === stretch) continue;
      counted[slot] = stretch;
      sum = (sum + weight) | 0;
      if (weight > 0 && at - place >= APART) {
        places += 1;
        place = at;
      }
      if (sum <= THRESHOLD || places < LEAST_PLACES) continue;
      if (sum - TOLL * Math.max(0, LEAST_STRETCH - (at + 1 - start)) <= THRESHOLD) continue;
      return { start: Math.max(from, start), end: at + 1 };
    }
  }
  return null;
}

/**
 * Puts the runs that end in [at, end) and may be known into `mayBe`; returns how many. Hardly a branch: whether a run is known
 * is more than a processor can guess. Nothing before `from` is read.
 */
function lookUp(map: Int32Array, letters: Uint8Array, from: number, at: number, end: number): number {
  let last = 0;
  let earlier = 0;
  for (let i = Math.max(from, at - RUN + 1); i < at; i++) {
    earlier = (earlier << 8) | (last >>> 24);
    last = (last << 8) | (letters[i] as number);
  }
  let count = 0;
  let i = at;
  for (; i + 1 < end; i += 2) {
    const letter = letters[i] as number;
    const next = letters[i + 1] as number;
    // The four letters up to this one and the three before them, and the same of the one behind it.
    const four = (last << 8) | letter;
    const before = (earlier << 8) | (last >>> 24);
    const number = Math.imul(four, LAST) ^ Math.imul(before << 8, EARLIER);
    last = (four << 8) | next;
    earlier = (before << 8) | (four >>> 24);
    const behind = Math.imul(last, LAST) ^ Math.imul(earlier << 8, EARLIER);
    mayBe[count] = number;
    lastAt[count] = i;
    count += ((map[number >>> WORD] as number) >>> (number >>> BIT)) & 1;
    mayBe[count] = behind;
    lastAt[count] = i + 1;
    count += ((map[behind >>> WORD] as number) >>> (behind >>> BIT)) & 1;
  }
  for (; i < end; i++) {
    earlier = (earlier << 8) | (last >>> 24);
    last = (last << 8) | (letters[i] as number);
    const number = Math.imul(last, LAST) ^ Math.imul(earlier << 8, EARLIER);
    mayBe[count] = number;
    lastAt[count] = i;
    count += ((map[number >>> WORD] as number) >>> (number >>> BIT)) & 1;
  }
  return count;
}
