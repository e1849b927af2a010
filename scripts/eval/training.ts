/**
 * Makes the weights of the linear judge: logistic regression on the worst stretch of every text, by stochastic gradients
 * (AdaGrad), averaged over the later rounds, rounded to bytes. A text is guilty by its worst stretch alone, so the gradient
 * goes to the runs of that stretch and its length and surroundings teach nothing.
 */
import { BUCKETS, bucketsOf, LEAST_STRETCH, STRIDE } from "../../src/detect/buckets.ts";
import { isJson, readLeaves } from "../../src/detect/leaves.ts";
import { MAX_INSPECTED, readLetters } from "../../src/detect/letters.ts";
import { chanceFrom, shuffled } from "./grammar.ts";

export interface Example {
  readonly id: string;
  readonly source: string;
  /** Two a letter. */
  readonly buckets: Uint16Array;
  readonly guilty: boolean;
  readonly weight: number;
}

/** What `src/detect/classifier.ts` reads, besides the threshold. */
export interface Model {
  readonly weights: Int8Array;
  readonly toll: number;
}

/** Rounds over the examples, and how far each goes; found by leaving sources out. */
const ROUNDS = 10;
const RATE = 0.05;
/** Of a text's toll a letter, before rounding. */
const TOLL = 0.004;
/** No run weighs more, so that no few of them are enough. */
const MOST = 0.025;
/** The sum at which a stretch is as likely guilty as not, before rounding. */
const EVEN = 1;
const STEEP = 8;
/** All guilty examples together weigh so much of what the innocent ones weigh. */
const BALANCE = 0.3;
const SEED = 128;
/** A weight of 1 before rounding. */
export const UNIT = 5000;
/** Letters of a text that are learned from; what is longer says nothing new. */
const LONGEST = 24_000;

const encoder = new TextEncoder();
const leaves = new Uint8Array(MAX_INSPECTED + 64);

/** Letters of a text as the engine reads it plainly: of JSON its strings, of long bodies the first slice. */
export function lettersFor(text: string): Uint8Array {
  const bytes = encoder.encode(text).subarray(0, MAX_INSPECTED);
  const { letters, count } = readLetters(isJson(bytes) ? leaves.subarray(0, readLeaves(bytes, false, leaves)) : bytes);
  return letters.slice(0, count);
}

/** Letters of everything, keys and punctuation of JSON too. */
export function allLettersFor(text: string): Uint8Array {
  const { letters, count } = readLetters(encoder.encode(text).subarray(0, MAX_INSPECTED));
  return letters.slice(0, count);
}

export function exampleOf(id: string, source: string, text: string, guilty: boolean, weight = 1): Example {
  return exampleOfLetters(id, source, lettersFor(text), guilty, weight);
}

export function exampleOfLetters(
  id: string,
  source: string,
  letters: Uint8Array,
  guilty: boolean,
  weight: number,
): Example {
  return { id, source, buckets: bucketsOf(letters, Math.min(letters.length, LONGEST)), guilty, weight };
}

let worstFrom = 0;
let worstTo = 0;

function worst(weights: Float32Array, buckets: Uint16Array): number {
  let sum = 0;
  let most = 0;
  let start = 0;
  worstFrom = 0;
  worstTo = 0;
  for (let i = 0; i < buckets.length; i += 2) {
    sum += (weights[buckets[i] as number] as number) + (weights[buckets[i + 1] as number] as number) - TOLL;
    if (sum <= 0) {
      sum = 0;
      start = i + 2;
    } else if (sum > most) {
      most = sum;
      worstFrom = start;
      worstTo = i + 2;
    }
  }
  return most;
}

export function train(examples: readonly Example[], seed = SEED): Model {
  const chance = chanceFrom(seed);
  const weights = firstGuess(examples);
  const steps = new Float32Array(BUCKETS).fill(1e-3);
  const total = new Float64Array(BUCKETS);
  const weigh = (guilty: boolean): number =>
    examples.reduce((sum, example) => sum + (example.guilty === guilty ? example.weight : 0), 0);
  const balance = (BALANCE * weigh(false)) / weigh(true);
  let averaged = 0;
  for (let round = 0; round < ROUNDS; round++) {
    learnRound(shuffled(examples, chance), weights, steps, { balance, rate: RATE * (1 - (0.8 * round) / ROUNDS) });
    if (round < ROUNDS / 2) continue;
    averaged += 1;
    for (let i = 0; i < BUCKETS; i++) total[i] = (total[i] as number) + (weights[i] as number);
  }
  const rounded = new Int8Array(BUCKETS);
  for (let i = 0; i < BUCKETS; i++) {
    rounded[i] = Math.max(-127, Math.min(127, Math.round((UNIT * (total[i] as number)) / averaged)));
  }
  return { weights: rounded, toll: Math.max(1, Math.round(TOLL * UNIT)) };
}

function learnRound(
  order: readonly Example[],
  weights: Float32Array,
  steps: Float32Array,
  { balance, rate }: { balance: number; rate: number },
): void {
  for (const { buckets, guilty, weight: worth } of order) {
    const sum = worst(weights, buckets);
    const likely = 1 / (1 + Math.exp(-STEEP * (sum - EVEN)));
    const error = guilty ? (likely - 1) * balance * worth : likely * worth;
    if (Math.abs(error) < 1e-3) continue;
    if (worstTo <= worstFrom) {
      if (!guilty) continue;
      worstFrom = 0;
      worstTo = buckets.length;
    }
    const slope = error / Math.sqrt((worstTo - worstFrom) / 2);
    const square = slope * slope;
    for (let i = worstFrom; i < worstTo; i++) {
      const bucket = buckets[i] as number;
      const step = (steps[bucket] as number) + square;
      steps[bucket] = step;
      const weight = (weights[bucket] as number) - (rate * slope) / Math.sqrt(step);
      weights[bucket] = Math.max(-MOST, Math.min(MOST, weight));
    }
  }
}

/** How much likelier a run is in guilty texts than in innocent ones: something to begin with. */
function firstGuess(examples: readonly Example[]): Float32Array {
  const counts = [new Float64Array(BUCKETS), new Float64Array(BUCKETS)] as const;
  const totals = [0, 0];
  for (const { buckets, guilty, weight } of examples) {
    const kind = guilty ? 1 : 0;
    totals[kind] = (totals[kind] as number) + weight;
    for (const bucket of new Set(buckets)) counts[kind][bucket] = (counts[kind][bucket] as number) + weight;
  }
  const guess = new Float32Array(BUCKETS);
  for (let i = 0; i < BUCKETS; i++) {
    const innocent = counts[0][i] as number;
    const guilty = counts[1][i] as number;
    const odds =
      Math.log((guilty + 1) / ((totals[1] as number) + 2)) - Math.log((innocent + 3) / ((totals[0] as number) + 6));
    guess[i] = 0.02 * Math.max(-1.5, Math.min(1.5, odds)) * Math.min(1, (innocent + guilty) / 10);
  }
  return guess;
}

/** The sum of the worst stretch that is long enough, in the units of the rounded weights, looked at as the engine does. */
export function scoreOf({ weights, toll }: Model, buckets: Uint16Array): number {
  let sum = 0;
  let most = 0;
  let start = 0;
  const count = buckets.length / 2;
  for (let i = 0; i < count; i++) {
    sum += (weights[buckets[2 * i] as number] as number) + (weights[buckets[2 * i + 1] as number] as number) - toll;
    if (sum < 0) sum = 0;
    const whole = i % STRIDE === STRIDE - 1;
    if (whole && sum === 0) start = i + 1;
    if (sum > most && (whole || i === count - 1) && i + 1 - start >= LEAST_STRETCH) most = sum;
  }
  return most;
}
