/**
 * A linear judge of letters, learned from examples. Every letter adds the weights of the two runs of letters that end with it
 * and pays a toll; the sum never falls below nothing, so it is the sum over the worst stretch that ends here, and neither a
 * long innocent text before an attack nor one behind it makes a difference. A stretch above the threshold is a match.
 *
 * A sum of integers from a table: linear, without memory, the same on every runtime.
 */
import { BUCKETS, EARLIER, LAST, SHIFT } from "./buckets.ts";
import { THRESHOLD, TOLL, WEIGHTS } from "./weights.ts";

/** A stretch of letters, end exclusive. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

let table: Int8Array | null = null;

/** Makes the table, about a millisecond's work; the first judgement makes it otherwise. */
export function prepareWeights(): Int8Array {
  if (table !== null) return table;
  const weights = new Int8Array(BUCKETS);
  const bytes = atob(WEIGHTS);
  for (let i = 0; i < BUCKETS; i++) weights[i] = (bytes.charCodeAt(i) << 24) >> 24;
  table = weights;
  return weights;
}

/** The first stretch of letters in [from, to) that is like an attack, or null. */
export function findLearned(letters: Uint8Array, from: number, to: number): Stretch | null {
  const end = firstAbove(table ?? prepareWeights(), letters, from, to);
  return end === -1 ? null : { start: startOf(letters, from, end), end };
}

function firstAbove(weights: Int8Array, letters: Uint8Array, from: number, to: number): number {
  let four = 0;
  let sum = 0;
  // Products of the four letters that ended one to four letters ago.
  let one = 0;
  let two = 0;
  let three = 0;
  let before = 0;
  for (let i = from; i < to; i++) {
    four = (four << 8) | (letters[i] as number);
    const last = Math.imul(four, LAST);
    sum += (weights[(last + one) >>> SHIFT] as number) + (weights[(last + before) >>> SHIFT] as number) - TOLL;
    if (sum < 0) sum = 0;
    if (sum > THRESHOLD) return i + 1;
    before = three;
    three = two;
    two = one;
    one = Math.imul(four, EARLIER);
  }
  return -1;
}

/** Where the sum that ends at `end` last rose from nothing. */
function startOf(letters: Uint8Array, from: number, end: number): number {
  const weights = prepareWeights();
  let start = from;
  let sum = 0;
  let four = 0;
  const ends = [0, 0, 0, 0];
  for (let i = from; i < end; i++) {
    four = (four << 8) | (letters[i] as number);
    const last = Math.imul(four, LAST);
    sum += (weights[(last + (ends[3] as number)) >>> SHIFT] as number) - TOLL;
    sum += weights[(last + (ends[0] as number)) >>> SHIFT] as number;
    ends.shift();
    ends.push(Math.imul(four, EARLIER));
    if (sum > 0) continue;
    sum = 0;
    start = i + 1;
  }
  return start;
}
