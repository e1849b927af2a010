/**
 * Characters given by their numbers: `105 103 110`, `0x69, 0x67`, `\\151\\147`, `chr(105)+chr(103)`, `[char]105+[char]103`,
 * `69:67:6e`, `01101001 01100111`, `9-7-14`. What stands between the numbers does not matter as long as it is always the same.
 */
import { HEX, isText } from "./_text.ts";
import type { Draft } from "./draft.ts";

const LEAST_DECIMAL = 6;
const LEAST_POSITIONS = 12;
const LEAST_HEX = 6;
const LEAST_BINARY = 4;
/** Of one number: a byte in bits. */
const MOST_DIGITS = 8;
const MAX_GAP = 24;
const MAX_HEX_GAP = 6;
const MAX_NUMBERS = 16 * 1024;

const IS_DIGIT = new Uint8Array(256).fill(1, 0x30, 0x3a);
/** Neither a letter nor a digit. */
const IS_MARK = new Uint8Array(256).fill(1, 0, 0x80);
for (let byte = 0; byte < 0x80; byte++) if (/[0-9A-Za-z]/.test(String.fromCharCode(byte))) IS_MARK[byte] = 0;

/** 1: a number may begin behind it: the x of 0x and \\x, and what is no letter or digit; 2: it may be the first digit of one. */
const BEGINS = new Uint8Array(256);
for (let byte = 0; byte < 0x80; byte++) {
  BEGINS[byte] = (IS_MARK[byte] === 1 || (byte | 0x20) === 0x78 ? 1 : 0) | (HEX[byte] === 255 ? 0 : 2);
}

const values = new Int32Array(MAX_NUMBERS);
const out = new Uint8Array(MAX_NUMBERS);
let written = 0;
let behind = 0;

/**
 * Undoes every list of numbers in ASCII `text` that stands for text and begins in [from, to); returns where the last one ends.
 * Linear: no place is tried twice in one base.
 */
export function undoNumbers(text: Uint8Array, draft: Draft, from: number, to: number): number {
  const { length } = text;
  let decimalFrom = 0;
  let hexFrom = 0;
  let i = from;
  let now = i > 0 ? (BEGINS[text[i - 1] as number] as number) : 1;
  for (; i < to; i++) {
    const byte = text[i] as number;
    const before = now;
    now = BEGINS[byte] as number;
    if ((((before & 1) << 1) & now) === 0) continue;
    let kind: string | null = null;
    if (IS_DIGIT[byte] === 1 && i >= decimalFrom) {
      kind = decimals(text, i);
      decimalFrom = behind;
    }
    if (
      kind === null &&
      i >= hexFrom &&
      i + 2 < length &&
      HEX[text[i + 1] as number] !== 255 &&
      IS_MARK[text[i + 2] as number] === 1
    ) {
      kind = hexes(text, i);
      hexFrom = Math.max(behind, i + 1);
    }
    if (kind === null) continue;
    draft.undo(i, behind, kind);
    draft.putAll(out.subarray(0, written));
    i = behind - 1;
    now = BEGINS[text[i] as number] as number;
    decimalFrom = hexFrom = behind;
  }
  return i;
}

/** Reads a list of decimal, octal or binary numbers; `behind` is where it ends. */
function decimals(text: Uint8Array, from: number): string | null {
  const { length } = text;
  let count = 0;
  let gapFrom = -1;
  let gapLength = 0;
  let i = from;
  let least = 1 << 30;
  let most = 0;
  let octal = true;
  let binary = true;
  behind = from + 1;
  if (from + MOST_DIGITS < length && areDigits(text, from)) return null;
  while (count < MAX_NUMBERS) {
    let digits = 0;
    let value = 0;
    while (i < length && IS_DIGIT[text[i] as number] === 1 && digits <= MOST_DIGITS) {
      const digit = (text[i] as number) - 0x30;
      if (digit > 1) binary = false;
      if (digit > 7) octal = false;
      value = value * 10 + digit;
      digits += 1;
      i += 1;
    }
    if (digits !== 8 && digits !== 7) binary = false;
    if (digits === 0 || digits > MOST_DIGITS || (!binary && value > 255)) break;
    values[count++] = value;
    if (value < least) least = value;
    if (value > most) most = value;
    behind = i;
    const gap = i;
    while (i < length && i - gap < MAX_GAP && IS_DIGIT[text[i] as number] === 0) i += 1;
    if (i >= length || i === gap || IS_DIGIT[text[i] as number] === 0) break;
    if (gapFrom === -1) {
      gapFrom = gap;
      gapLength = i - gap;
    } else if (!sameGap(text, gapFrom, gapLength, gap, i - gap)) {
      break;
    }
  }
  return count < LEAST_BINARY ? null : inText(count, { least, most, octal, binary });
}

/** Whether a number has more digits than any in a list: told from its ends first, as most have fewer. */
function areDigits(text: Uint8Array, from: number): boolean {
  let i = from + MOST_DIGITS;
  while (i > from && IS_DIGIT[text[i] as number] === 1) i -= 1;
  return i === from;
}

/** Line ends may stand where a space does. */
function sameGap(text: Uint8Array, first: number, firstLength: number, gap: number, length: number): boolean {
  const [a, b] = [text[first] as number, text[gap] as number];
  // Most differ at once, or are one mark.
  if (a !== b && (a > 0x20 || b > 0x20)) return false;
  return (firstLength === 1 && length === 1) || sameMarks(text, first, firstLength, gap, length);
}

function sameMarks(text: Uint8Array, first: number, firstLength: number, gap: number, length: number): boolean {
  let i = 0;
  let j = 0;
  while (i < firstLength && j < length) {
    const a = text[first + i] as number;
    const b = text[gap + j] as number;
    if (a !== b && !(a <= 0x20 && b <= 0x20)) return false;
    i += 1;
    j += 1;
    if (a <= 0x20) {
      while (i < firstLength && (text[first + i] as number) <= 0x20) i += 1;
      while (j < length && (text[gap + j] as number) <= 0x20) j += 1;
    }
  }
  while (j < length && (text[gap + j] as number) <= 0x20) j += 1;
  while (i < firstLength && (text[first + i] as number) <= 0x20) i += 1;
  return i === firstLength && j === length;
}

interface Range {
  readonly least: number;
  readonly most: number;
  readonly octal: boolean;
  readonly binary: boolean;
}

function inText(count: number, { least, most, octal, binary }: Range): string | null {
  if (binary && count >= LEAST_BINARY) {
    written = 0;
    for (let i = 0; i < count; i++) out[written++] = Number.parseInt(String(values[i]), 2);
    if (isText(out, 0, written)) return "binary";
  }
  if (count < LEAST_DECIMAL) return null;
  if (most <= 27 && least >= 0 && count >= LEAST_POSITIONS) {
    written = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      out[written++] = value >= 1 && value <= 26 ? 0x60 + value : 0x20;
    }
    return "letter numbers";
  }
  for (const base of octal && most > 126 ? [8, 10] : [10]) {
    written = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      out[written++] =
        base === 10 ? value : 64 * Math.floor(value / 100) + 8 * (Math.floor(value / 10) % 10) + (value % 10);
    }
    if (isText(out, 0, written)) return base === 10 ? "decimal" : "octal";
  }
  return null;
}

/** Reads a list of hexadecimal numbers of two digits; `behind` is where it ends. */
function hexes(text: Uint8Array, from: number): string | null {
  behind = from + 1;
  const gap = hexGap(text, from);
  if (gap === 0) return null;
  written = 0;
  let i = from;
  while (written < MAX_NUMBERS) {
    const value = pairAt(text, i);
    if (value === -1) break;
    out[written++] = value;
    behind = i + 2;
    if (written === 4 && !isText(out, 0, 4)) return null;
    i += 2;
    let same = 0;
    while (same < gap && i + same < text.length && like(text[i + same] as number, text[from + 2 + same] as number))
      same += 1;
    if (same < gap) break;
    i += gap;
  }
  return written >= LEAST_HEX && isText(out, 0, written) ? "hex" : null;
}

function like(a: number, b: number): boolean {
  return a === b || (a <= 0x20 && b <= 0x20);
}

/** Bytes between the pair at `from` and the next two, all alike; 0 when there is no such list. */
function hexGap(text: Uint8Array, from: number): number {
  if (pairAt(text, from) === -1 || IS_MARK[text[from + 2] ?? 0x30] === 0) return 0;
  for (let gap = 1; gap <= MAX_HEX_GAP; gap++) {
    const second = from + 2 + gap;
    if (pairAt(text, second) === -1) continue;
    if (pairAt(text, second + 2 + gap) === -1) continue;
    let same = 0;
    while (same < gap && like(text[from + 2 + same] as number, text[second + 2 + same] as number)) same += 1;
    if (same === gap) return gap;
  }
  return 0;
}

function pairAt(text: Uint8Array, at: number): number {
  if (at + 2 > text.length) return -1;
  const high = HEX[text[at] as number] as number;
  const low = HEX[text[at + 1] as number] as number;
  return high === 255 || low === 255 ? -1 : (high << 4) | low;
}
