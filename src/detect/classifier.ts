/**
 * A linear judge of letters, learned from examples. Every letter adds the weights of the two runs of letters that end with it
 * and pays a toll; the sum never falls below nothing, so it is the sum over the worst stretch that ends here, and neither a
 * long innocent text before an attack nor one behind it makes a difference. A stretch above the threshold is a match.
 *
 * A sum of integers from a table: linear, without memory, the same on every runtime.
 */
import { BUCKETS, bucketsOf, EARLIER, LAST, LEAST_STRETCH, SHIFT, STRIDE } from "./buckets.ts";
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
  for (let i = 0; i < BUCKETS; i++) weights[i] = bytes.charCodeAt(i);
  table = weights;
  return weights;
}

/** A stretch of letters in [from, to) that is like an attack, the first that is found, or null. */
export function findLearned(letters: Uint8Array, from: number, to: number): Stretch | null {
  const end = firstAbove(table ?? prepareWeights(), letters, from, to);
  return end === -1 ? null : { start: startOf(letters, from, end), end };
}

/**
 * Four letters a turn, so that the products of the last four need not change places; no branch but the loop's, for whether
 * a sum falls below nothing is more than a processor can guess.
 */
function firstAbove(weights: Int8Array, letters: Uint8Array, from: number, to: number): number {
  let four = 0;
  let sum = 0;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = from;
  let start = from;
  for (const end = to - STRIDE; i <= end; i += STRIDE) {
    four = (four << 8) | (letters[i] as number);
    let last = Math.imul(four, LAST);
    sum = above(sum + (weights[(last ^ d) >>> SHIFT] as number) + (weights[(last ^ a) >>> SHIFT] as number));
    a = Math.imul(four, EARLIER);
    four = (four << 8) | (letters[i + 1] as number);
    last = Math.imul(four, LAST);
    sum = above(sum + (weights[(last ^ a) >>> SHIFT] as number) + (weights[(last ^ b) >>> SHIFT] as number));
    b = Math.imul(four, EARLIER);
    four = (four << 8) | (letters[i + 2] as number);
    last = Math.imul(four, LAST);
    sum = above(sum + (weights[(last ^ b) >>> SHIFT] as number) + (weights[(last ^ c) >>> SHIFT] as number));
    c = Math.imul(four, EARLIER);
    four = (four << 8) | (letters[i + 3] as number);
    last = Math.imul(four, LAST);
    sum = above(sum + (weights[(last ^ c) >>> SHIFT] as number) + (weights[(last ^ d) >>> SHIFT] as number));
    d = Math.imul(four, EARLIER);
    if (sum === 0) start = i + STRIDE;
    if (sum > THRESHOLD && i + STRIDE - start >= LEAST_STRETCH) return i + STRIDE;
  }
  for (; i < to; i++) {
    four = (four << 8) | (letters[i] as number);
    const last = Math.imul(four, LAST);
    sum = above(sum + (weights[(last ^ d) >>> SHIFT] as number) + (weights[(last ^ a) >>> SHIFT] as number));
    a = b;
    b = c;
    c = d;
    d = Math.imul(four, EARLIER);
  }
  return sum > THRESHOLD && to - start >= LEAST_STRETCH ? to : -1;
}

function above(sum: number): number {
  return Math.max(0, (sum - TOLL) | 0);
}

/** Where the sum that ends at `end` last rose from nothing. */
function startOf(letters: Uint8Array, from: number, end: number): number {
  const weights = prepareWeights();
  const buckets = bucketsOf(letters.subarray(from, end), end - from);
  let start = from;
  let sum = 0;
  for (let i = 0; i < buckets.length; i += 2) {
    sum += (weights[buckets[i] as number] as number) + (weights[buckets[i + 1] as number] as number) - TOLL;
    if (sum > 0) continue;
    sum = 0;
    start = from + i / 2 + 1;
  }
  return start;
}
