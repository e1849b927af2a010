/**
 * Characters given by their numbers: `105 103 110`, `0x69, 0x67`, `\\151\\147`, `chr(105)+chr(103)`, `[char]105+[char]103`,
 * `69:67:6e`, `01101001 01100111`, `9-7-14`. What stands between the numbers does not matter as long as it is always the same.
 */
import { HEX, isText, NEVER, noTextBefore } from "./_text.ts";
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
const LARGE_DIGITS = 4;
/** In a list of letters by their numbers; one more is a space. */
const LAST_LETTER = 27;
/** What is beyond may be octal. */
const LAST_ASCII = 126;
const BOTH = [8, 10] as const;
const DECIMAL = [10] as const;

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
/** Where each of them begins. */
const places = new Int32Array(MAX_NUMBERS);
const out = new Uint8Array(MAX_NUMBERS);
let written = 0;
let behind = 0;
/** Before it no list of decimal numbers begins that the one read last does not hold: it, or a number that is in none. */
let passed = 0;

/** Before the first part of a text. */
export function beginNumbers(): void {
  failed.end = 0;
}

/**
 * Undoes every list of numbers in ASCII `text` that stands for text and begins in [from, to); returns where the last one ends.
 * Linear: no place is tried twice in one base, nor is a list of which it is known that no part of it up to its end is text.
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
      if (i < failed.end && failsFrom(text, i)) decimalFrom = failed.passed;
      else {
        kind = decimals(text, i);
        decimalFrom = kind === null ? passed : behind;
      }
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
  let brokenBy = -1;
  behind = passed = from + 1;
  while (count < MAX_NUMBERS) {
    const start = i;
    // Most numbers are none of a list: told before they are read, as long as those before them are nothing by themselves.
    if (count < LEAST_BINARY && isLarge(text, i)) {
      passed = i + LARGE_DIGITS;
      failed.end = 0;
      return null;
    }
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
    if (digits === 0 || digits > MOST_DIGITS || (!binary && value > 255)) {
      // It may begin another list only if all of its digits are bits.
      if (digits > MOST_DIGITS || !areBits(text, start, i)) passed = i;
      brokenBy = start;
      break;
    }
    places[count] = start;
    values[count++] = value;
    if (value < least) least = value;
    if (value > most) most = value;
    behind = passed = i;
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
  failed.end = 0;
  if (count < LEAST_BINARY) return null;
  const kind = inText(count, { least, most, octal, binary });
  // What is longer than a list can be would be read on when it is begun further behind.
  if (kind !== null || count === MAX_NUMBERS) return kind;
  failed.count = count;
  failed.end = places[count - 1] as number;
  failed.passed = passed;
  failed.brokenBy = brokenBy;
  failed.known = false;
  return null;
}

/**
 * The list that was read last, if it stands for nothing. Where some of its numbers are another list of their own (in
 * hexadecimal), those behind them are looked at again: told from this, or every such list would have all the rest read.
 */
const failed = {
  count: 0,
  /** Where its last number begins: a list that begins there may go on otherwise. */
  end: 0,
  passed: 0,
  /** The number that ended it, as it is none of a list, or -1. */
  brokenBy: -1,
  /** What follows is found out, when it is asked for first. A list that begins in it up to these places is … */
  known: false,
  /** … read as this one was, … */
  asRead: 0,
  /** … and in decimal no text, … */
  noDecimal: 0,
  /** … no numbers of letters, … */
  noLetters: 0,
  /** … and in octal no text; nor is one octal that begins behind the other place. */
  noOctal: 0,
  lastOctal: 0,
};

/** Whether the list that begins at a number of `failed` is nothing either. */
function failsFrom(text: Uint8Array, at: number): boolean {
  if (!failed.known) learn(text);
  const { asRead, noDecimal, noLetters, noOctal, lastOctal } = failed;
  return at <= asRead && at <= noDecimal && at <= noLetters && (at <= noOctal || at > lastOctal);
}

function learn(text: Uint8Array): void {
  const { count } = failed;
  failed.known = true;
  let plain = count - 1;
  while (plain >= 0 && areBits(text, places[plain] as number, text.length)) plain -= 1;
  failed.asRead = placeOf(plain);
  const control = lastOf(count, (value) => NEVER[value & 0xff] === 1);
  failed.noDecimal = placeOf(lastBeforeText(control + 1, count, 10));
  failed.noLetters = placeOf(lastOf(count, (value) => value > LAST_LETTER));
  // The digits of the number that ends a list count, too.
  const ends = failed.brokenBy !== -1 && !areOctal(text, failed.brokenBy);
  const other = ends ? count - 1 : lastOf(count, (value) => !isOctal(value));
  failed.noOctal = placeOf(lastBeforeText(other + 1, count, 8));
  failed.lastOctal = placeOf(lastOf(count, (value) => value > LAST_ASCII));
}

function placeOf(index: number): number {
  return index < 0 ? -1 : (places[index] as number);
}

function lastOf(count: number, is: (value: number) => boolean): number {
  let i = count - 1;
  while (i >= 0 && !is(values[i] as number)) i -= 1;
  return i;
}

/** The last number with which no text begins that goes on to the end, or the one before `from`. */
function lastBeforeText(from: number, count: number, base: 8 | 10): number {
  for (let i = from; i < count; i++) out[i] = characterOf(values[i] as number, base);
  return noTextBefore(out, from, count) - 1;
}

function isOctal(value: number): boolean {
  for (let rest = value; rest > 0; rest = Math.floor(rest / 10)) if (rest % 10 > 7) return false;
  return true;
}

/** Whether the number's first four digits are too much for a character, and no bits. */
function isLarge(text: Uint8Array, at: number): boolean {
  const a = (text[at] as number) - 0x30;
  const b = (text[at + 1] ?? 0) - 0x30;
  const c = (text[at + 2] ?? 0) - 0x30;
  const d = (text[at + 3] ?? 0) - 0x30;
  if (b < 0 || c < 0 || d < 0 || b > 9 || c > 9 || d > 9) return false;
  return (a | b | c | d) > 1 && 1000 * a + 100 * b + 10 * c + d > 255;
}

function areOctal(text: Uint8Array, from: number): boolean {
  for (let i = from; i <= from + MOST_DIGITS && IS_DIGIT[text[i] ?? 0] === 1; i++)
    if ((text[i] as number) > 0x37) return false;
  return true;
}

/** Whether the number at `from` is a character in bits. */
function areBits(text: Uint8Array, from: number, to: number): boolean {
  let i = from;
  for (; i < to && IS_DIGIT[text[i] as number] === 1; i++) if ((text[i] as number) > 0x31) return false;
  return i - from === 7 || i - from === 8;
}

/** Line ends may stand where a space does. */
function sameGap(text: Uint8Array, first: number, firstLength: number, gap: number, length: number): boolean {
  const a = text[first] as number;
  const b = text[gap] as number;
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
  if (most <= LAST_LETTER && least >= 0 && count >= LEAST_POSITIONS) {
    written = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      out[written++] = value >= 1 && value <= 26 ? 0x60 + value : 0x20;
    }
    return "letter numbers";
  }
  for (const base of octal && most > LAST_ASCII ? BOTH : DECIMAL) {
    written = 0;
    for (let i = 0; i < count; i++) out[written++] = characterOf(values[i] as number, base);
    if (isText(out, 0, written)) return base === 10 ? "decimal" : "octal";
  }
  return null;
}

function characterOf(value: number, base: 8 | 10): number {
  return base === 10 ? value : 64 * Math.floor(value / 100) + 8 * (Math.floor(value / 10) % 10) + (value % 10);
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
