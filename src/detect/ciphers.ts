/** Rotated, mirrored and reversed letters: found by how unlike language they are, undone as is most like it. */
import type { Draft } from "./draft.ts";
import { BLOCK, LETTER_INDEX, likeness, oddBlocks } from "./language.ts";
import { MAX_LETTERS_INPUT } from "./letters.ts";

/** Letters of a region that are weighed. */
const SAMPLE = 192;
/** Blocks that may be like language between two that are not. */
const GAP = 3;
/** In a text of so few letters one odd block is enough. */
const SHORT = 64;
const LEAST = 12;
/** Quarters of a bit a pair. */
const LIKE_LANGUAGE = 3.2;
const GAIN = 2.5;

/** Share of each letter in English, in thousandths. */
const FREQUENCY = [82, 15, 28, 43, 127, 22, 20, 61, 70, 2, 8, 40, 24, 67, 75, 19, 1, 60, 63, 91, 28, 10, 24, 2, 20, 1];
const WEIGHT = Float64Array.from(FREQUENCY, (share) => Math.log2((share + 0.5) / 38));
const MIRROR = 26;
const CANDIDATES = 4;

const letterAt = new Int32Array(MAX_LETTERS_INPUT + 1);
const letters = new Uint8Array(MAX_LETTERS_INPUT + 1);
const odd = new Uint8Array(MAX_LETTERS_INPUT / BLOCK + 2);
const counts = new Int32Array(26);
const sample = new Uint8Array(SAMPLE);
const tried = new Uint8Array(SAMPLE);
const scores = new Float64Array(27);

/** Whether there is anything to look at, told from letters alone. */
export function mayBeCipher(text: Uint8Array, count: number): boolean {
  if (count < LEAST) return false;
  const few = count <= SHORT;
  if (count <= 2 * BLOCK) return likeness(text, 0, count) < LIKE_LANGUAGE || oddBlocks(text, count, odd) > 0;
  const found = oddBlocks(text, count, odd);
  if (found < 2) return few && found > 0;
  const blocks = Math.floor((count - 1) / BLOCK);
  let last = -9;
  for (let block = 0; block < blocks; block++) {
    if (odd[block] === 0) continue;
    if (block - last <= 2) return true;
    last = block;
  }
  return few;
}

/** Undoes ciphers in ASCII `text`; `reversed`: what reads backwards, word for word in place. Linear. */
export function undoCiphers(text: Uint8Array, draft: Draft, inPlace: boolean): void {
  let count = 0;
  for (let i = 0; i < text.length && count < MAX_LETTERS_INPUT; i++) {
    const index = LETTER_INDEX[text[i] as number] as number;
    letters[count] = 0x61 + index;
    letterAt[count] = i;
    count += index < 26 ? 1 : 0;
  }
  if (count < LEAST) return;
  if (count <= 3 * BLOCK) {
    undoRegion(text, 0, count, { draft, inPlace, whole: true });
    return;
  }
  oddBlocks(letters, count, odd);
  const blocks = Math.floor((count - 1) / BLOCK);
  for (let block = 0; block < blocks; block++) {
    if (odd[block] === 0) continue;
    let last = block;
    let found = 1;
    for (let next = block + 1; next < blocks && next - last <= GAP; next++) {
      if (odd[next] === 0) continue;
      last = next;
      found += 1;
    }
    if (found > 1 || count <= SHORT) {
      // The last letters may be too few for a block of their own.
      const to = last + 3 >= blocks ? count : (last + 2) * BLOCK;
      undoRegion(text, Math.max(0, block - 1) * BLOCK, to, { draft, inPlace, whole: false });
    }
    block = last;
  }
}

interface Manner {
  readonly draft: Draft;
  readonly inPlace: boolean;
  /** False: only odd blocks are weighed. */
  readonly whole: boolean;
}

function undoRegion(text: Uint8Array, from: number, to: number, { draft, inPlace, whole }: Manner): void {
  const size = whole ? sampled(from, to, 0) : oddSample(from, to);
  counts.fill(0);
  for (let i = 0; i < size; i++) {
    const index = (sample[i] as number) - 0x61;
    counts[index] = (counts[index] as number) + 1;
  }
  weigh();
  const plain = likeness(sample, 0, size);
  let best = -1;
  let backwards = false;
  let most = Math.max(LIKE_LANGUAGE, plain + GAIN);
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    let key = 0;
    for (let other = 1; other < 27; other++) if ((scores[other] as number) > (scores[key] as number)) key = other;
    scores[key] = -1e9;
    for (let i = 0; i < size; i++) tried[i] = 0x61 + turned((sample[i] as number) - 0x61, key);
    const forth = likeness(tried, 0, size);
    if (forth > most && key !== 0) {
      most = forth;
      best = key;
      backwards = false;
    }
    tried.subarray(0, size).reverse();
    const back = likeness(tried, 0, size);
    if (back > most) {
      most = back;
      best = key;
      backwards = true;
    }
  }
  if (best === -1 || (inPlace && !backwards)) return;
  const first = from === 0 ? 0 : (letterAt[from] as number);
  const end = (letterAt[to - 1] as number) + 1;
  draft.undo(first, end, nameOf(best, backwards));
  if (inPlace) putWordsTurned(text, first, end, draft, best);
  else if (backwards) for (let i = end - 1; i >= first; i--) draft.put(undone(text[i] as number, best));
  else for (let i = first; i < end; i++) draft.put(undone(text[i] as number, best));
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
  for (let key = 0; key < 27; key++) {
    let sum = 0;
    for (let letter = 0; letter < 26; letter++) {
      sum += (counts[letter] as number) * (WEIGHT[turned(letter, key)] as number);
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
