/** What kinds of characters stand beside each other, told block by block: which disguises a text can have, and where. */
import type { Draft } from "./draft.ts";

const SPACE = 1;
const LETTER = 2;
const DIGIT = 3;
const DOT = 4;
const DASH = 5;
const PERCENT = 6;
const AMPERSAND = 7;
const BACKSLASH = 8;
const EQUALS = 9;
const SIGN = 10;
const LINE = 11;
const COLON = 12;
const HASH = 13;
const PLUS = 14;
const BRACE = 15;
/** a to f: as much digit as letter. */
const HEX_LETTER = 16;
/** x and u, with which escapes begin. */
const ESCAPES_WITH = 17;
const KINDS = 32;
const ROW = 5;

/** Every byte's kind, in both places of a pair. */
const KIND = new Uint8Array(256);
for (let byte = 0x30; byte <= 0x39; byte++) KIND[byte] = DIGIT;
for (let byte = 0x61; byte <= 0x7a; byte++) KIND[byte] = KIND[byte - 0x20] = byte <= 0x66 ? HEX_LETTER : LETTER;
for (const [marks, kind] of [
  [" \t,", SPACE],
  ["\n\r", LINE],
  [".", DOT],
  ["-_", DASH],
  ["%", PERCENT],
  ["&", AMPERSAND],
  ["\\", BACKSLASH],
  ["=", EQUALS],
  ["@$!|", SIGN],
  [":", COLON],
  ["#", HASH],
  ["+", PLUS],
  ["{", BRACE],
  ["xXuU", ESCAPES_WITH],
] as const) {
  for (let i = 0; i < marks.length; i++) KIND[marks.charCodeAt(i)] = kind;
}

/** Which views a text can have, and of the first four in which blocks. */
export const NUMBERS = 1;
export const MORSE = 2;
export const ESCAPES = 4;
export const LEET = 8;
/** `::`, as in a slice. */
export const COLONS = 16;
/** `{0`, as in a format. */
export const FORMATS = 32;

/** Counted a pair, a byte each: digits, letters beside digits or marks, dots and dashes beside each other, and beside spaces. */
const COUNTED = new Int32Array(KINDS * KINDS);
const COUNT_LEET = 1 << 8;
const COUNT_DOTS = 1 << 16;
const COUNT_DOUBLED = 1 << 24;
/** What one pair tells. */
const TOLD = new Uint8Array(KINDS * KINDS);

const LETTERS = [LETTER, HEX_LETTER, ESCAPES_WITH];
const SPACES = [SPACE, LINE];

function pairs(
  first: readonly number[],
  second: readonly number[],
  table: Int32Array | Uint8Array,
  what: number,
): void {
  for (const a of first) {
    for (const b of second) table[(a << ROW) | b] = (table[(a << ROW) | b] as number) + what;
  }
}

pairs(
  [DIGIT],
  Array.from({ length: KINDS }, (_, kind) => kind),
  COUNTED,
  1,
);
pairs([DIGIT, SIGN], LETTERS, COUNTED, COUNT_LEET);
pairs(LETTERS, [DIGIT, SIGN, PLUS], COUNTED, COUNT_LEET);
pairs([DOT, DASH], [DOT, DASH], COUNTED, COUNT_DOTS);
pairs([DASH], SPACES, COUNTED, COUNT_DOTS);
pairs(SPACES, [DASH], COUNTED, COUNT_DOTS);
pairs([DOT], SPACES, COUNTED, COUNT_DOUBLED);
pairs(SPACES, [DOT], COUNTED, COUNT_DOUBLED);
pairs([PERCENT], [DIGIT, HEX_LETTER, ESCAPES_WITH], TOLD, ESCAPES);
pairs([AMPERSAND], [HASH, ...LETTERS], TOLD, ESCAPES);
pairs([BACKSLASH], [DIGIT, HEX_LETTER, ESCAPES_WITH], TOLD, ESCAPES);
pairs([EQUALS], [DIGIT, HEX_LETTER, LINE], TOLD, ESCAPES);
pairs([PLUS], [DIGIT], TOLD, ESCAPES);
pairs([COLON], [COLON], TOLD, COLONS);
pairs([BRACE], [DIGIT], TOLD, FORMATS);

/** Pairs of a block: no count of it comes to more than a byte holds. */
const BLOCK_PAIRS = 128;
/** In a text longer than this every other pair is looked at. */
const WHOLE = 2048;
/** A list of numbers has so many digits in a block, or twice as many when every pair counts. */
const MANY_DIGITS = 6;
const LEAST_DOTS = 3;
const LEAST_SIGNS = 6;

/** Bytes of a block of a text of so many. */
function blockBytes(length: number): number {
  return length > WHOLE ? 2 * BLOCK_PAIRS : BLOCK_PAIRS;
}

/** Of ASCII text: the bits of all blocks in one, each block's own in `blocks`, which has room for them. Linear, hardly a branch. */
export function signalsOf(text: Uint8Array, blocks: Uint8Array): number {
  const last = text.length - 1;
  const bytes = blockBytes(text.length);
  const step = bytes / BLOCK_PAIRS;
  let all = 0;
  let block = 0;
  for (let at = 0; at <= last; at += bytes) {
    let counted = 0;
    let told = 0;
    const end = Math.min(last, at + bytes);
    let i = at;
    // Two pairs a turn, or the turns would cost as much as the looks.
    for (const most = end - step; i < most; i += 2 * step) {
      const one = ((KIND[text[i] as number] as number) << ROW) | (KIND[text[i + 1] as number] as number);
      const two = ((KIND[text[i + step] as number] as number) << ROW) | (KIND[text[i + step + 1] as number] as number);
      counted = (counted + (COUNTED[one] as number) + (COUNTED[two] as number)) | 0;
      told |= (TOLD[one] as number) | (TOLD[two] as number);
    }
    for (; i < end; i += step) {
      const pair = ((KIND[text[i] as number] as number) << ROW) | (KIND[text[i + 1] as number] as number);
      counted = (counted + (COUNTED[pair] as number)) | 0;
      told |= TOLD[pair] as number;
    }
    if ((counted & 0xff) >= MANY_DIGITS) told |= NUMBERS;
    if (((counted >>> 8) & 0xff) > 0) told |= LEET;
    const dots = (counted >>> 16) & 0xff;
    if (dots >= LEAST_DOTS && dots + (counted >>> 24) >= LEAST_SIGNS) told |= MORSE;
    blocks[block++] = told;
    all |= told;
  }
  blocks[block] = 0;
  return all;
}

/** Undoes what begins in [from, to) of ASCII text; returns where it went on from there. */
export type Regional = (text: Uint8Array, draft: Draft, from: number, to: number) => number;

/** Has a view undo what it can in the blocks that have `bit`, and in those beside them. */
export function inBlocks(text: Uint8Array, draft: Draft, blocks: Uint8Array, { bit, view }: InBlocks): void {
  const bytes = blockBytes(text.length);
  const count = Math.ceil(text.length / bytes);
  let reached = 0;
  for (let block = 0; block < count; block++) {
    if (((blocks[block] as number) & bit) === 0) continue;
    let last = block;
    while (last + 1 < count && ((blocks[last + 1] as number) & bit) !== 0) last += 1;
    const from = Math.max(reached, (block - 1) * bytes);
    const to = Math.min(text.length, (last + 2) * bytes);
    if (from < to) reached = Math.max(to, view(text, draft, from, to));
    block = last;
  }
}

interface InBlocks {
  readonly bit: number;
  readonly view: Regional;
}
