/**
 * Characters given by their numbers: `105 103 110`, `0x69, 0x67`, `\\151\\147`, `chr(105)+chr(103)`, `[char]105+[char]103`,
 * `69:67:6e`, `01101001 01100111`, `9-7-14`. What stands between the numbers does not matter as long as it is always the same.
 */
import { HEX, isText } from "./_text.ts";
import type { Draft } from "./draft.ts";
import { asked, beginLists, IS_DIGIT, listAt, MAX_NUMBERS } from "./number-list.ts";

const LEAST_HEX = 6;
const MAX_HEX_GAP = 6;

/** Neither a letter nor a digit. */
const IS_MARK = new Uint8Array(256).fill(1, 0, 0x80);
for (let byte = 0; byte < 0x80; byte++) if (/[0-9A-Za-z]/.test(String.fromCharCode(byte))) IS_MARK[byte] = 0;

/** 1: a number may begin behind it: the x of 0x and \\x, and what is no letter or digit; 2: it may be the first digit of one. */
const BEGINS = new Uint8Array(256);
for (let byte = 0; byte < 0x80; byte++) {
  BEGINS[byte] = (IS_MARK[byte] === 1 || (byte | 0x20) === 0x78 ? 1 : 0) | (HEX[byte] === 255 ? 0 : 2);
}

const out = new Uint8Array(MAX_NUMBERS);
let written = 0;
let behind = 0;

/** Before the first part of a text. */
export function beginNumbers(): void {
  beginLists();
}

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
      kind = listAt(text, i);
      if (kind === null) decimalFrom = asked.passed;
      else behind = asked.behind;
    }
    const isListed = kind !== null;
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
    draft.putAll(isListed ? asked.text : out.subarray(0, written));
    i = behind - 1;
    now = BEGINS[text[i] as number] as number;
    decimalFrom = hexFrom = behind;
  }
  return i;
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
