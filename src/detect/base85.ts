/** Text in base 85: Ascii85, Z85, and the alphabet of RFC 1924, which Python and git write; and uuencoded lines. */
import { areOfText, DIGITS, isText, LOWER, textEnd, UPPER, valuesOf } from "./_text.ts";
import type { Draft } from "./draft.ts";

const LEAST_RUN = 20;
const SPACE = 0x20;
const ASCII85 = valuesOf(Array.from({ length: 85 }, (_, i) => String.fromCharCode(33 + i)).join(""));
const Z85 = valuesOf(`${DIGITS}${LOWER}${UPPER}.-:+=^!/*?&<>()[]{}@%$#`);
const RFC1924 = valuesOf(`${DIGITS}${UPPER}${LOWER}!#$%&()*+-;<=>?@^_\`{|}~`);
const ALPHABETS = [ASCII85, RFC1924, Z85];
const TILDE = 0x7e;

/** Where an encoded text begins, if not behind a space. */
const OPENS = new Uint8Array(256);
for (const mark of [0x22, 0x27, 0x60, 0x3a, 0x3d, 0x28, 0x2c, 0x3c]) OPENS[mark] = 1;
const MAX_OPENINGS = 4;
/** Three groups of five: less comes to nothing. */
const LEAST_DIGITS = 15;

const BASE = 85;
/** Values of the first two characters → 1 when what they stand for can be the beginning of a text. */
const BEGINS = new Uint8Array(BASE * BASE);
for (let pair = 0; pair < BEGINS.length; pair++) {
  const least = pair * BASE ** 3;
  const most = Math.min(least + BASE ** 3 - 1, 0xffffffff);
  if (least <= 0xffffffff && mayBegin(least, most)) BEGINS[pair] = 1;
}

/** Whether four bytes, as a number from `least` to `most`, can begin a text: with a character, and another behind it. */
function mayBegin(least: number, most: number): boolean {
  const first = least >>> 24;
  if (first !== most >>> 24) return true;
  if (!opensCharacter(first, first)) return false;
  return first >= 0x80 || opensCharacter((least >>> 16) & 0xff, (most >>> 16) & 0xff);
}

function opensCharacter(least: number, most: number): boolean {
  return (least <= 0x0d && most >= 0x09) || (least < 0x7f && most >= 0x20) || (least <= 0xf4 && most >= 0xc2);
}

const out = new Uint8Array(64 * 1024);
let written = 0;
let behind = 0;

/** Undoes every run of ASCII `text` that stands for text. Linear: a few openings a run, and noise ends within a group. */
export function undoBase85(text: Uint8Array, draft: Draft): void {
  const { length } = text;
  for (let start = 0; start + LEAST_RUN <= length; ) {
    let i = start + LEAST_RUN - 1;
    while (i >= start && (text[i] as number) > SPACE) i -= 1;
    if (i >= start) {
      start = i + 1;
      continue;
    }
    start = undoRun(text, start, draft);
  }
}

/** Returns where to go on. */
function undoRun(text: Uint8Array, start: number, draft: Draft): number {
  let openings = 0;
  let at = start;
  for (; at < text.length && (text[at] as number) > SPACE && openings < MAX_OPENINGS; at++) {
    if (at > start && OPENS[text[at - 1] as number] === 0) continue;
    openings += 1;
    const from = text[at] === 0x3c && text[at + 1] === TILDE ? at + 2 : at;
    for (let n = 0; n < ALPHABETS.length; n++) {
      const alphabet = ALPHABETS[n] as Uint8Array;
      if (!begins(text, from, alphabet) || !decode(text, from, alphabet)) continue;
      draft.undo(from, behind, "base85");
      draft.putAll(out.subarray(0, written));
      return behind;
    }
  }
  while (at < text.length && (text[at] as number) > SPACE) at += 1;
  return at;
}

/** Told from two characters, which most words do not pass, and then from the group they begin: four bytes of a text. */
function begins(text: Uint8Array, from: number, values: Uint8Array): boolean {
  // Nothing so near to the end comes to as much as counts.
  if (from + LEAST_DIGITS > text.length) return false;
  const a = values[text[from] as number] as number;
  const b = values[text[from + 1] as number] as number;
  if (a === 255) return (text[from] as number) <= SPACE;
  if (b === 255) return true;
  if (BEGINS[a * BASE + b] === 0) return false;
  const c = values[text[from + 2] as number] as number;
  const d = values[text[from + 3] as number] as number;
  const e = values[text[from + 4] as number] as number;
  if ((c | d | e) === 255) return true;
  const group = (((a * BASE + b) * BASE + c) * BASE + d) * BASE + e;
  if (group > 0xffffffff) return false;
  return areOfText(group | 0);
}

/** Until what comes out is no text. */
function decode(text: Uint8Array, from: number, values: Uint8Array): boolean {
  let group = 0;
  let digits = 0;
  /** The last space inside of a group: the text may have ended there. */
  let restAt = -1;
  let rest = 0;
  let restDigits = 0;
  written = 0;
  behind = from;
  let i = from;
  for (; i < text.length && written + 8 < out.length; i++) {
    const byte = text[i] as number;
    if (byte <= SPACE) {
      if (digits > 1) {
        restAt = i;
        rest = group;
        restDigits = digits;
      }
      continue;
    }
    const value = values[byte] as number;
    if (value === 255) {
      if (byte !== 0x7a || values !== ASCII85 || digits !== 0) break;
      return false;
    }
    group = group * 85 + value;
    digits += 1;
    if (digits < 5) continue;
    if (group > 0xffffffff) {
      digits = 0;
      break;
    }
    putGroup(group);
    // Four bytes, each of them of a text, or this is where it ends.
    if (textEnd(out, written - 4, written) < written) {
      written -= 4;
      digits = 0;
      break;
    }
    if (written === 16 && !isText(out, 0, 16)) return false;
    group = 0;
    digits = 0;
    restAt = -1;
    behind = i + 1;
  }
  if (written < 12) return false;
  if (restAt !== -1) putRest(rest, restDigits, restAt);
  else if (digits > 1) putRest(group, digits, i);
  return isText(out, 0, Math.min(16, written));
}

function putGroup(group: number): void {
  out[written] = group >>> 24;
  out[written + 1] = group >>> 16;
  out[written + 2] = group >>> 8;
  out[written + 3] = group;
  written += 4;
}

/** A last group is short: filled up, and as much less comes of it. */
function putRest(group: number, digits: number, end: number): void {
  let full = group;
  for (let i = digits; i < 5; i++) full = full * 85 + 84;
  if (full > 0xffffffff) return;
  const before = written;
  putGroup(full);
  written = textEnd(out, before, before + digits - 1);
  if (written > before) behind = end;
}

const LINE = 61;
const FULL = 0x4d;

/** Undoes lines as uuencode writes them: a length, then three bytes in every four characters from space to backquote. */
export function undoUu(text: Uint8Array, draft: Draft): void {
  for (let line = 0; line !== 0 || text.length > 0; ) {
    const found = text.indexOf(0x0a, line);
    const end = found === -1 ? text.length : found;
    const next = undoLine(text, line, end, draft);
    if (!next || found === -1) break;
    line = end + 1;
    if (line >= text.length) break;
  }
}

function undoLine(text: Uint8Array, from: number, end: number, draft: Draft): boolean {
  let to = end;
  if (to > from && text[to - 1] === 0x0d) to -= 1;
  const bytes = ((text[from] ?? SPACE) - SPACE) & 0x3f;
  const size = to - from;
  if (bytes < 4 || size < 9 || size > LINE + 2) return true;
  const needed = 1 + 4 * Math.ceil(bytes / 3);
  // Spaces at the end of a line get lost.
  if (size > needed + 1 || size < needed - 2 || (text[from] as number) > FULL) return true;
  written = 0;
  for (let i = from + 1; i < from + needed; i += 4) {
    let group = 0;
    for (let j = i; j < i + 4; j++) {
      const code = j < to ? (text[j] as number) : SPACE;
      if (code < SPACE || code > 0x60) return true;
      group = (group << 6) | ((code - SPACE) & 0x3f);
    }
    out[written] = group >> 16;
    out[written + 1] = group >> 8;
    out[written + 2] = group;
    written += 3;
  }
  written = Math.min(written, bytes);
  if (!isText(out, 0, written)) return true;
  draft.undo(from, to, "uuencode");
  draft.putAll(out.subarray(0, written));
  return true;
}
