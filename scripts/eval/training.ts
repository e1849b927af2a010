/**
 * Makes the weights of the linear judge: logistic regression on the worst stretch of every text, by stochastic gradients
 * (AdaGrad), averaged over the later rounds, rounded to bytes. A text is guilty by its worst stretch alone, so the gradient
 * goes to the runs of that stretch and its length and surroundings teach nothing; for innocent texts that is at once a search
 * through all their stretches for the one most like an attack. Long innocent texts are learned from piece by piece.
 *
 * Few runs are kept. First those that tell guilty from innocent texts at all, and that stand in attacks of more than one kind;
 * then, of a first model, the heaviest; the model that is shipped is learned anew with these alone.
 */
import { APART, LEAST_PLACES, LEAST_STRETCH } from "../../src/detect/classifier.ts";
import { gramsOf, RUN } from "../../src/detect/grams.ts";
import { isJson, readLeaves } from "../../src/detect/leaves.ts";
import { MAX_INSPECTED, readLetters } from "../../src/detect/letters.ts";
import { chanceFrom, hashOf, shuffled } from "./grammar.ts";

export interface Example {
  readonly id: string;
  readonly source: string;
  readonly letters: Uint8Array;
  readonly guilty: boolean;
  readonly weight: number;
  /** Near copies are of one group; a run that one group alone has is not learned. */
  group: number;
  /** The runs of the vocabulary in it, once `prepare` has been there. */
  events: Events;
}

/** Runs in the order of their ends. */
export interface Events {
  readonly ids: Int32Array;
  readonly at: Int32Array;
}

/** What `src/detect/classifier.ts` reads, besides the threshold. */
export interface Model {
  /** By the numbers of the vocabulary. */
  readonly weights: Int8Array;
  readonly toll: number;
}

/** Rounds over the examples, and how far each goes; found by leaving sources out. */
const FIRST_ROUNDS = 4;
const ROUNDS = 10;
const RATE = 0.05;
/** Of a text's toll a letter, before rounding. */
const TOLL = 0.004;
/** No run weighs more, so that no few of them are enough. */
const MOST = 0.03;
/** The sum at which a stretch is as likely guilty as not, before rounding. */
const EVEN = 1;
const STEEP = 8;
/** All guilty examples together weigh so much of what the innocent ones weigh. */
const BALANCE = 0.3;
const SEED = 128;
/** A weight of 1 before rounding. */
export const UNIT = 3000;
/** Runs a first model is made with, and those that are kept. */
const CANDIDATES = 200_000;
export const KEPT = 34_000;
/** Texts a run must stand in to be looked at: guilty ones, or innocent ones. */
const LEAST_GUILTY = 3;
const LEAST_INNOCENT = 12;
/** Letters of a piece of a long innocent text. */
const PIECE = 3000;

const encoder = new TextEncoder();
const leaves = new Uint8Array(MAX_INSPECTED + 64);
const NO_EVENTS: Events = { ids: new Int32Array(0), at: new Int32Array(0) };

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
  return { id, source, letters, guilty, weight, group: hashOf(id), events: NO_EVENTS };
}

/** Vocabulary number → number of the run. */
let vocabulary = new Int32Array(0);
let seen = new Int32Array(0);
let stamp = 0;

export function runNumber(id: number): number {
  return vocabulary[id] as number;
}

/** Whether the n-th number of `gramsOf` is of a whole run. */
function isWhole(n: number): boolean {
  return n + 1 >= RUN;
}

const TABLE_BITS = 25;
const TABLE = 1 << TABLE_BITS;

/** Numbers the runs that stand in enough texts, and notes for every example which of them it has. */
export function prepare(examples: readonly Example[]): void {
  const keys = new Int32Array(TABLE);
  const used = new Uint8Array(TABLE);
  const guiltyIn = new Uint8Array(TABLE);
  const innocentIn = new Uint8Array(TABLE);
  const lastText = new Int32Array(TABLE).fill(-1);
  const slotOf = (key: number): number => {
    let slot = (Math.imul(key, 0x9e3779b1) >>> (32 - TABLE_BITS)) & (TABLE - 1);
    while (used[slot] === 1 && keys[slot] !== key) slot = (slot + 1) & (TABLE - 1);
    return slot;
  };
  let filled = 0;
  // Guilty texts first: should there be no more room, it is runs of innocent texts alone that are not looked at.
  const ordered = [...examples].sort((a, b) => Number(b.guilty) - Number(a.guilty));
  ordered.forEach(({ letters, guilty }, text) => {
    const grams = gramsOf(letters, letters.length);
    for (let n = 0; n < grams.length; n++) {
      if (!isWhole(n)) continue;
      const slot = slotOf(grams[n] as number);
      if (used[slot] === 0) {
        if (filled > 0.8 * TABLE) continue;
        filled += 1;
        used[slot] = 1;
        keys[slot] = grams[n] as number;
      }
      if (lastText[slot] === text) continue;
      lastText[slot] = text;
      const counts = guilty ? guiltyIn : innocentIn;
      if ((counts[slot] as number) < 255) counts[slot] = (counts[slot] as number) + 1;
    }
  });
  const idOf = lastText.fill(-1);
  const numbers: number[] = [];
  for (let slot = 0; slot < TABLE; slot++) {
    if ((guiltyIn[slot] as number) < LEAST_GUILTY && (innocentIn[slot] as number) < LEAST_INNOCENT) continue;
    idOf[slot] = numbers.length;
    numbers.push(keys[slot] as number);
  }
  vocabulary = Int32Array.from(numbers);
  seen = new Int32Array(numbers.length);
  stamp = 0;
  for (const example of examples) {
    const grams = gramsOf(example.letters, example.letters.length);
    const ids = new Int32Array(grams.length);
    const at = new Int32Array(grams.length);
    let count = 0;
    for (let n = 0; n < grams.length; n++) {
      if (!isWhole(n)) continue;
      const slot = slotOf(grams[n] as number);
      const id = used[slot] === 1 ? (idOf[slot] as number) : -1;
      if (id === -1) continue;
      ids[count] = id;
      at[count++] = n;
    }
    example.events = { ids: ids.slice(0, count), at: at.slice(0, count) };
  }
}

let worstFrom = 0;
let worstTo = 0;

/** The sum of the worst stretch, by the rules of `classifier.ts`, and the events it is made of. */
function worst(weights: ArrayLike<number>, { ids, at }: Events, toll: number, places = LEAST_PLACES): number {
  let sum = 0;
  let most = 0;
  let paid = 0;
  let begin = 0;
  let start = 0;
  let met = 0;
  let place = -APART;
  worstFrom = 0;
  worstTo = 0;
  stamp += 1;
  for (let n = 0; n < ids.length; n++) {
    const id = ids[n] as number;
    const weight = weights[id] as number;
    if (weight === 0) continue;
    const where = at[n] as number;
    sum -= toll * (where - paid);
    paid = where;
    if (sum <= 0) {
      sum = 0;
      begin = n;
      start = where + 1 - RUN;
      met = 0;
      place = -APART;
      stamp += 1;
    }
    if (seen[id] === stamp) continue;
    seen[id] = stamp;
    sum += weight;
    if (weight > 0 && where - place >= APART) {
      met += 1;
      place = where;
    }
    const whole = sum - toll * Math.max(0, LEAST_STRETCH - (where + 1 - start));
    if (whole <= most || met < places) continue;
    most = whole;
    worstFrom = begin;
    worstTo = n + 1;
  }
  return most;
}

/** An example, or a piece of one, with the runs in it that are looked at. */
interface Lesson {
  readonly events: Events;
  readonly guilty: boolean;
  readonly worth: number;
}

function lessonsOf(examples: readonly Example[], kept: Uint8Array): Lesson[] {
  const lessons: Lesson[] = [];
  for (const { events, guilty, weight } of examples) {
    const ids: number[] = [];
    const at: number[] = [];
    const pieces: [number, number][] = [];
    let from = 0;
    let next = PIECE;
    for (let n = 0; n < events.ids.length; n++) {
      const id = events.ids[n] as number;
      const where = events.at[n] as number;
      if (!guilty && where >= next) {
        pieces.push([from, ids.length]);
        from = ids.length;
        next = where + PIECE;
      }
      if (kept[id] === 0) continue;
      ids.push(id);
      at.push(where);
    }
    pieces.push([from, ids.length]);
    const all = { ids: Int32Array.from(ids), at: Int32Array.from(at) };
    for (const [start, end] of pieces) {
      if (end === start) continue;
      lessons.push({
        events: { ids: all.ids.subarray(start, end), at: all.at.subarray(start, end) },
        guilty,
        worth: weight,
      });
    }
  }
  return lessons;
}

export function train(examples: readonly Example[], seed = SEED): Model {
  const { kept: candidates, guess, telling } = candidatesOf(examples);
  const first = learn(examples, candidates, guess, { seed, rounds: FIRST_ROUNDS });
  const kept = heaviest(
    first.map((weight, id) => Math.abs(weight) * Math.sqrt(telling[id] as number)),
    KEPT,
  );
  const weights = learn(examples, kept, first, { seed, rounds: ROUNDS });
  const rounded = new Int8Array(weights.length);
  for (let i = 0; i < weights.length; i++) {
    rounded[i] = Math.max(-127, Math.min(127, Math.round(UNIT * (weights[i] as number))));
  }
  return { weights: rounded, toll: Math.max(1, Math.round(TOLL * UNIT)) };
}

/** So many of the largest, and those as large as the last of them. */
function heaviest(sizes: Float32Array, count: number): Uint8Array {
  const least = sizes.slice().sort()[Math.max(0, sizes.length - count)] ?? 0;
  return Uint8Array.from(sizes, (size) => (size > 0 && size >= least ? 1 : 0));
}

function learn(
  examples: readonly Example[],
  kept: Uint8Array,
  guess: Float32Array,
  { seed, rounds }: { seed: number; rounds: number },
): Float32Array {
  const chance = chanceFrom(seed);
  const lessons = lessonsOf(examples, kept);
  const weights = Float32Array.from(guess, (weight, id) => (kept[id] === 1 ? weight : 0));
  const steps = new Float32Array(weights.length).fill(1e-3);
  const total = new Float64Array(weights.length);
  const weigh = (guilty: boolean): number =>
    lessons.reduce((sum, lesson) => sum + (lesson.guilty === guilty ? lesson.worth : 0), 0);
  const balance = (BALANCE * weigh(false)) / weigh(true);
  let averaged = 0;
  for (let round = 0; round < rounds; round++) {
    learnRound(shuffled(lessons, chance), weights, steps, { balance, rate: RATE * (1 - (0.8 * round) / rounds) });
    if (round < rounds / 2) continue;
    averaged += 1;
    for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) + (weights[i] as number);
  }
  return Float32Array.from(total, (sum) => sum / averaged);
}

function learnRound(
  order: readonly Lesson[],
  weights: Float32Array,
  steps: Float32Array,
  { balance, rate }: { balance: number; rate: number },
): void {
  for (const { events, guilty, worth } of order) {
    const sum = worst(weights, events, TOLL, 1);
    const likely = 1 / (1 + Math.exp(-STEEP * (sum - EVEN)));
    const error = guilty ? (likely - 1) * balance * worth : likely * worth;
    if (Math.abs(error) < 1e-3) continue;
    if (worstTo <= worstFrom) {
      if (!guilty) continue;
      worstFrom = 0;
      worstTo = events.ids.length;
    }
    const slope = error / Math.sqrt((worstTo - worstFrom) / 2);
    const square = slope * slope;
    stamp += 1;
    for (let n = worstFrom; n < worstTo; n++) {
      const id = events.ids[n] as number;
      if (seen[id] === stamp) continue;
      seen[id] = stamp;
      const step = (steps[id] as number) + square;
      steps[id] = step;
      const weight = (weights[id] as number) - (rate * slope) / Math.sqrt(step);
      // Nothing must be 0 but what is not learned from, or it would never be looked at again.
      weights[id] = Math.max(-MOST, Math.min(MOST, weight)) || 1e-6;
    }
  }
}

/** The runs that tell most, with how much likelier each is in guilty texts: something to begin with. */
function candidatesOf(examples: readonly Example[]): { kept: Uint8Array; guess: Float32Array; telling: Float32Array } {
  const size = vocabulary.length;
  const counts = [new Float64Array(size), new Float64Array(size)] as const;
  const totals = [0, 0];
  const groups = [new Int32Array(size).fill(-1), new Uint8Array(size)] as const;
  for (const { events, guilty, weight, group } of examples) {
    const kind = guilty ? 1 : 0;
    totals[kind] = (totals[kind] as number) + weight;
    stamp += 1;
    for (const id of events.ids) {
      if (seen[id] === stamp) continue;
      seen[id] = stamp;
      counts[kind][id] = (counts[kind][id] as number) + weight;
      if (!guilty) continue;
      if (groups[0][id] === -1) groups[0][id] = group;
      else if (groups[0][id] !== group) groups[1][id] = 1;
    }
  }
  const guess = new Float32Array(size);
  const telling = new Float32Array(size);
  for (let id = 0; id < size; id++) {
    const innocent = counts[0][id] as number;
    const guilty = counts[1][id] as number;
    const odds =
      Math.log((guilty + 1) / ((totals[1] as number) + 2)) - Math.log((innocent + 3) / ((totals[0] as number) + 6));
    guess[id] = 0.02 * Math.max(-1.5, Math.min(1.5, odds)) * Math.min(1, (innocent + guilty) / 10) || 1e-6;
    // What stands in attacks of one kind alone is a text learned by heart.
    if (odds > 0 && groups[1][id] === 0) continue;
    telling[id] = Math.abs(odds) * Math.sqrt(innocent / 20 + guilty);
  }
  return { kept: heaviest(telling, CANDIDATES), guess, telling };
}

/** The sum of the worst stretch, in the units of the rounded weights, as the engine compares it with the threshold. */
export function scoreOf({ weights, toll }: Model, { events }: Example): number {
  return worst(weights, events, toll);
}
