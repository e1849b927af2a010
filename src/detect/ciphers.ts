/** Rotated, mirrored and reversed letters: found by how unlike language they are, undone as is most like it. */
import type { Draft } from "./draft.ts";
import { BLOCK, LETTER_INDEX, likeness, likenessOfPieces, oddBlocks } from "./language.ts";
import { MAX_LETTERS_INPUT, putLetters } from "./letters.ts";

/** Letters of a region that are weighed. */
const SAMPLE = 192;
/** Blocks that may be like language between two that are not. */
const GAP = 3;
/** In a text of so few letters one odd block is enough. */
const SHORT = 64;
const LEAST = 12;
const LEAST_LETTERS = 7;
/** Quarters of a bit a pair. */
const LIKE_LANGUAGE = 3.2;
const GAIN = 2.5;

/** Share of each letter in English, in thousandths. */
const FREQUENCY = [82, 15, 28, 43, 127, 22, 20, 61, 70, 2, 8, 40, 24, 67, 75, 19, 1, 60, 63, 91, 28, 10, 24, 2, 20, 1];
const WEIGHT = Float64Array.from(FREQUENCY, (share) => Math.log2((share + 0.5) / 38));
const MIRROR = 26;
const KEYS = 27;
/** Bits a letter. */
const MARGIN = 0.15;
const CANDIDATES = 6;
/** Key and letter → the weight of what the letter is once it is turned. */
const TURNED_WEIGHT = Float64Array.from(
  { length: KEYS * 26 },
  (_, n) => WEIGHT[turned(n % 26, Math.floor(n / 26))] ?? 0,
);
/** Letters of a text in which every key is tried. */
const FEW = 160;

/** Letters before every so many bytes. */
const STEP = 256;
const lettersAt = new Int32Array(MAX_LETTERS_INPUT / STEP + 2);
const letters = new Uint8Array(MAX_LETTERS_INPUT + 16);
const odd = new Uint8Array(MAX_LETTERS_INPUT / BLOCK + 2);
const counts = new Int32Array(26);
const sample = new Uint8Array(SAMPLE);
const tried = new Uint8Array(SAMPLE);
const scores = new Float64Array(KEYS);
const PIECE = 8;
const PIECES = Math.ceil(SAMPLE / PIECE);
/** How like language the pieces of the sample are as they stand, and from the last letter to the first. */
const plainly = new Float64Array(PIECES);
const plainlyBack = new Float64Array(PIECES);
/** The same once a key has turned them. */
const turnedOnly = new Float64Array(PIECES);
const turnedBack = new Float64Array(PIECES);

/** What the last look found to be backwards, as letters from and to and a key; none of it is looked for twice. */
const MAX_TURNED = MAX_LETTERS_INPUT / BLOCK / (GAP + 1) + 2;
const turnedAt = new Int32Array(3 * MAX_TURNED);
let turnedParts = 0;

/** Whether there is anything to look at, told from letters alone. */
export function mayBeCipher(text: Uint8Array, count: number): boolean {
  if (count < LEAST) return false;
  if (oddBlocks(text, count, odd) > 0) return true;
  // In few letters the odd ones may fall on two blocks, half and half with plain ones.
  return count <= SHORT && likeness(text, 0, count) < LIKE_LANGUAGE;
}

/** Undoes ciphers in ASCII `text`; `inPlace`: what reads backwards, word for word, in the text just looked at. Linear. */
export function undoCiphers(text: Uint8Array, draft: Draft, inPlace: boolean): void {
  // Below a cipher no other is looked for, so what was found is still of the text that was last asked for.
  if (inPlace) {
    for (let part = 0; part < turnedParts; part++) {
      const from = turnedAt[3 * part] as number;
      const to = turnedAt[3 * part + 1] as number;
      const key = turnedAt[3 * part + 2] as number;
      putRegion(text, { from, to, key, backwards: true, inPlace }, draft);
    }
    return;
  }
  const count = readAll(text);
  turnedParts = 0;
  if (count < LEAST) return;
  if (count <= SHORT) {
    // Whole, and what is odd in it: the one or the other is not diluted.
    const whole = oddBlocks(letters, count, odd) === 0 || count <= 3 * BLOCK;
    undoRegion(text, 0, count, { draft, whole, few: true });
    return;
  }
  oddBlocks(letters, count, odd);
  const blocks = Math.floor((count - 1) / BLOCK);
  for (let block = 0; block < blocks; block++) {
    if (odd[block] === 0) continue;
    let last = block;
    for (let next = block + 1; next < blocks && next - last <= GAP; next++) if (odd[next] === 1) last = next;
    // The last letters may be too few for a block of their own.
    const to = last + 3 >= blocks ? count : (last + 2) * BLOCK;
    undoRegion(text, Math.max(0, block - 1) * BLOCK, to, { draft, whole: false, few: count <= FEW });
    block = last;
  }
}

function readAll(text: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < text.length; at += STEP) {
    lettersAt[at / STEP] = count;
    count = putLetters(text, at, Math.min(at + STEP, text.length), letters, count);
  }
  return count;
}

interface Manner {
  readonly draft: Draft;
  /** False: only odd blocks are weighed. */
  readonly whole: boolean;
  /** True: every key is tried. */
  readonly few: boolean;
}

function undoRegion(text: Uint8Array, from: number, to: number, { draft, whole, few }: Manner): void {
  const odds = whole ? sampled(from, to, 0) : oddSample(from, to);
  counts.fill(0);
  for (let i = 0; i < odds; i++) {
    const index = (sample[i] as number) - 0x61;
    counts[index] = (counts[index] as number) + 1;
  }
  // A few letters again and again are like anything.
  let kinds = 0;
  for (let letter = 0; letter < 26; letter++) if ((counts[letter] as number) > 0) kinds += 1;
  if (kinds < LEAST_LETTERS) return;
  weigh();
  const size = sampled(from, to, 0);
  let compared = false;
  const candidates = few ? KEYS : CANDIDATES;
  // Names and foreign words are odd, but made of the usual letters: nothing else is tried on them.
  const least = few ? -1e8 : (scores[0] as number) - MARGIN * odds;
  let best = -1;
  let backwards = false;
  let most = 0;
  for (let candidate = 0; candidate < candidates; candidate++) {
    let key = 0;
    for (let other = 1; other < KEYS; other++) if ((scores[other] as number) > (scores[key] as number)) key = other;
    if ((scores[key] as number) < least) break;
    scores[key] = -1e9;
    if (!compared) likenessOfPieces(sample, size, PIECE, { forward: plainly, back: plainlyBack });
    compared = true;
    if (key !== 0) {
      for (let i = 0; i < size; i++) tried[i] = 0x61 + turned((sample[i] as number) - 0x61, key);
      likenessOfPieces(tried, size, PIECE, { forward: turnedOnly, back: turnedBack });
    }
    for (const back of [false, true]) {
      if (key === 0 && !back) continue;
      // Two disguises at once are believed less easily.
      const gain =
        key === 0 ? gainOf(size, plainlyBack) : back ? gainOf(size, turnedBack) * 0.7 : gainOf(size, turnedOnly);
      if (gain < LEAST_GAIN) continue;
      if (gain <= most) continue;
      most = gain;
      best = key;
      backwards = back;
    }
  }
  if (best === -1) return;
  if (backwards) turnedAt.set([from, to, best], 3 * turnedParts++);
  putRegion(text, { from, to, key: best, backwards, inPlace: false }, draft);
}

/** Letters from and to, and how they are undone. */
interface Region {
  readonly from: number;
  readonly to: number;
  readonly key: number;
  readonly backwards: boolean;
  readonly inPlace: boolean;
}

function putRegion(text: Uint8Array, { from, to, key, backwards, inPlace }: Region, draft: Draft): void {
  const first = from === 0 ? 0 : placeOf(text, from);
  const end = placeOf(text, to - 1) + 1;
  draft.undo(first, end, nameOf(key, backwards));
  if (inPlace) putWordsTurned(text, first, end, draft, key);
  else if (backwards) for (let i = end - 1; i >= first; i--) draft.put(undone(text[i] as number, key));
  else for (let i = first; i < end; i++) draft.put(undone(text[i] as number, key));
}

const LEAST_GAIN = 56;

/** By how much the pieces of the sample that are more like language once they are `undone` are so; 0 when that is not like language at all. */
function gainOf(size: number, undone: Float64Array): number {
  let gain = 0;
  let like = 0;
  let letters = 0;
  for (let at = 0; at < size; at += PIECE) {
    const end = Math.min(size, at + PIECE);
    const plain = plainly[at / PIECE] as number;
    const made = undone[at / PIECE] as number;
    if (made <= plain) continue;
    gain += (made - plain) * (end - at);
    like += made * (end - at);
    letters += end - at;
  }
  return letters < LEAST || gain < GAIN * letters || like < LIKE_LANGUAGE * letters ? 0 : gain;
}

/** Where in the text a letter is. */
function placeOf(text: Uint8Array, letter: number): number {
  let step = 0;
  let beyond = Math.ceil(text.length / STEP);
  while (beyond - step > 1) {
    const middle = (step + beyond) >> 1;
    if ((lettersAt[middle] as number) <= letter) step = middle;
    else beyond = middle;
  }
  let count = lettersAt[step] as number;
  for (let i = step * STEP; i < text.length; i++) {
    if (LETTER_INDEX[text[i] as number] !== 26 && count++ === letter) return i;
  }
  return text.length - 1;
}

function sampled(from: number, to: number, at: number): number {
  const size = Math.min(to - from, SAMPLE - at);
  for (let i = 0; i < size; i++) sample[at + i] = letters[from + i] as number;
  return at + size;
}

/** The odd blocks of a region: what is beside them may be plain. */
function oddSample(from: number, to: number): number {
  let size = 0;
  for (let at = from; at + BLOCK <= to && size + BLOCK <= SAMPLE; at += BLOCK) {
    if (odd[at / BLOCK] === 1) size = sampled(at, at + BLOCK, size);
  }
  return size;
}

function weigh(): void {
  for (let key = 0; key < KEYS; key++) {
    let sum = 0;
    for (let letter = 0; letter < 26; letter++) {
      sum += (counts[letter] as number) * (TURNED_WEIGHT[key * 26 + letter] as number);
    }
    scores[key] = sum;
  }
}

function turned(index: number, key: number): number {
  if (key === MIRROR) return 25 - index;
  const back = index - key;
  return back < 0 ? back + 26 : back;
}

function undone(byte: number, key: number): number {
  const index = LETTER_INDEX[byte] as number;
  return index === 26 ? byte : (byte & 0x60) + 1 + turned(index, key);
}

function nameOf(key: number, backwards: boolean): string {
  const name = key === 0 ? "" : key === MIRROR ? "atbash" : `rot${key}`;
  if (!backwards) return name;
  return name === "" ? "reversed" : `reversed > ${name}`;
}

function putWordsTurned(text: Uint8Array, from: number, to: number, draft: Draft, key: number): void {
  for (let i = from; i < to; ) {
    let end = i;
    while (end < to && LETTER_INDEX[text[end] as number] !== 26) end += 1;
    for (let j = end - 1; j >= i; j--) draft.put(undone(text[j] as number, key));
    if (end < to) draft.put(text[end] as number);
    i = end + 1;
  }
}
