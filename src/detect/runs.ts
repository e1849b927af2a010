/**
 * Text written in another alphabet of digits: base16, 32, 58, 64 and 85, and bits. Runs of such characters are found by
 * leaps, a few of their characters are undone, and only what turns out to be text is undone whole.
 */
import { DIGITS, HEX, isText, LOWER, setOf, textEnd, UPPER, valuesOf } from "./_text.ts";
import type { Draft } from "./draft.ts";
import { inflated, isBomb, packCost } from "./inflate.ts";

const LEAST_RUN = 8;
const LONG_RUN = 24;
/** Beside a run that was undone, base64 of a short word is told by its neighbour. */
const SHORTEST = 3;
const SAMPLE = 16;
/** Base64 of less than `SURE` bytes. */
const FEW_DIGITS = 22;
const LONGEST_58 = 1024;
const WRAPPED_LINE = 48;

const ALPHABET_64 = `${UPPER}${LOWER}${DIGITS}+/`;
const TOKEN = setOf(`${ALPHABET_64}-_`);
const VALUE_64 = valuesOf(ALPHABET_64);
VALUE_64[0x2d] = 62;
VALUE_64[0x5f] = 63;
const VALUE_32 = valuesOf(`${UPPER}234567`);
for (let i = 0; i < 26; i++) VALUE_32[0x61 + i] = i;
const VALUE_58 = valuesOf("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");
const EQUALS = 0x3d;

/** Kinds of characters in a run, as bits. */
const NOT_HEX = 1;
const NOT_32 = 2;
const NOT_58 = 4;
const NOT_BIT = 8;
const IS_LOWER = 16;
const IS_UPPER = 32;
const IS_DIGIT = 64;
const NOT_DIGIT = 128;
const ABOUT = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const digit = byte >= 0x30 && byte <= 0x39;
  ABOUT[byte] =
    (HEX[byte] === 255 ? NOT_HEX : 0) |
    (VALUE_32[byte] === 255 ? NOT_32 : 0) |
    (VALUE_58[byte] === 255 ? NOT_58 : 0) |
    (byte === 0x30 || byte === 0x31 ? 0 : NOT_BIT) |
    (byte >= 0x61 && byte <= 0x7a ? IS_LOWER : 0) |
    (byte >= 0x41 && byte <= 0x5a ? IS_UPPER : 0) |
    (digit ? IS_DIGIT : NOT_DIGIT);
}

/** Whatever one run may come to. */
const out = new Uint8Array(96 * 1024);

/** Undoes every run of ASCII `text` that stands for text. Linear. */
export function undoRuns(text: Uint8Array, draft: Draft): void {
  for (let at = 0; at !== -1; ) at = undoSomeRuns(text, draft, at);
}

/** What packs may cost until others have their turn. */
const MOST_COST = 1024;

/** Those from `from` on, until what is packed in them has cost enough. Where to go on, with the same draft, or -1. */
export function undoSomeRuns(text: Uint8Array, draft: Draft, from: number): number {
  const { length } = text;
  packs = draft.packs;
  unpackedBytes = draft.unpacked;
  cutShort = false;
  cost = 0;
  let start = from;
  while (start + LEAST_RUN <= length && cost < MOST_COST) {
    // From the back: the first character that is none of a run's lets all before it be passed over unread.
    let i = start + LEAST_RUN - 1;
    while (i >= start && TOKEN[text[i] as number] === 1) i -= 1;
    if (i >= start) {
      start = i + 1;
      continue;
    }
    let end = start + LEAST_RUN;
    while (end < length && TOKEN[text[end] as number] === 1) end += 1;
    start = undoRun(text, start, wrapped(text, start, end), draft);
  }
  if (cutShort) draft.full = true;
  draft.packs = packs;
  draft.unpacked = unpackedBytes;
  return start + LEAST_RUN <= length ? start : -1;
}

/** The end of a run that goes on over lines of one length. */
function wrapped(text: Uint8Array, start: number, end: number): number {
  if (end - start < WRAPPED_LINE) return end;
  const line = end - start;
  let last = end;
  for (;;) {
    let next = last;
    while (
      next < text.length &&
      next - last < 3 &&
      ((text[next] as number) === 0x0a || (text[next] as number) === 0x0d)
    ) {
      next += 1;
    }
    if (next === last) return last;
    let stop = next;
    while (stop < text.length && stop - next <= line && TOKEN[text[stop] as number] === 1) stop += 1;
    // A shorter line is the last one; a word of prose is none.
    if (stop - next === line) last = stop;
    else
      return stop - next < line && stop - next >= 2 && (stop === text.length || ends(text[stop] as number))
        ? stop
        : last;
  }
}

function ends(byte: number): boolean {
  return byte === EQUALS || byte === 0x0a || byte === 0x0d || byte === 0x22;
}

/** Returns where to go on. */
function undoRun(text: Uint8Array, start: number, end: number, draft: Draft): number {
  let about = 0;
  const known = Math.min(end, start + 512);
  for (let i = start + 1; i < known; i++) about |= ABOUT[text[i] as number] as number;
  // A word, as most of what is so long.
  if ((about & (IS_UPPER | IS_DIGIT)) === 0 && end - start < LONG_RUN) return end;
  about |= ABOUT[text[start] as number] as number;
  let after = end;
  while (after < text.length && text[after] === EQUALS && after - end < 8) after += 1;
  if ((about & NOT_BIT) === 0) {
    if (bits(text, start, end)) return take(draft, start, end, "binary");
    return after;
  }
  // A long run may have been cut, and begin inside of a group.
  const cut = end - start >= LONG_RUN;
  if ((about & NOT_HEX) === 0 && end - start >= 2 * LEAST_BYTES) {
    for (let shift = 0; shift < 2; shift++) if (hex(text, start + shift, end)) return take(draft, start, end, "base16");
  }
  // In every other alphabet digits come to bytes above ASCII first: of so few nothing is kept.
  if ((about & NOT_DIGIT) === 0 && end - start < FEW_DIGITS) return after;
  if ((about & NOT_32) === 0 && (about & (IS_LOWER | IS_UPPER)) !== (IS_LOWER | IS_UPPER)) {
    for (let shift = 0; shift < (cut ? 8 : 1); shift++) {
      if (based(text, start + shift, end, VALUE_32, 5)) return take(draft, start, after, "base32");
    }
  }
  for (let shift = 0; shift < (cut ? 4 : 1); shift++) {
    if (!mayBe64(text, start + shift, VALUE_64) || !based(text, start + shift, end, VALUE_64, 6)) continue;
    return neighbours(text, take(draft, start, after, zipped ? "gzip" : "base64"), draft);
  }
  const otherwise = cut ? turnedRun(text, start, end) : null;
  if (otherwise !== null) return take(draft, start, after, otherwise);
  const mixed = IS_LOWER | IS_UPPER | IS_DIGIT;
  if ((about & NOT_58) === 0 && (about & mixed) === mixed && end - start <= LONGEST_58 && base58(text, start, end)) {
    return take(draft, start, end, "base58");
  }
  return after;
}

/** Undoes the words behind one that was base64: each may be too short to be told alone. */
function neighbours(text: Uint8Array, from: number, draft: Draft): number {
  let end = from;
  for (;;) {
    let next = end;
    while (next < text.length && next - end < 2 && TOKEN[text[next] as number] === 0) next += 1;
    let stop = next;
    while (stop < text.length && stop - next < LEAST_RUN * 4 && TOKEN[text[stop] as number] === 1) stop += 1;
    let after = stop;
    while (after < text.length && text[after] === EQUALS && after - stop < 3) after += 1;
    if (next === end || stop - next < SHORTEST || (after - next) % 4 !== 0) return end;
    decodeShort(text, next, stop);
    if (written < 1 || !isText(out, 0, written) || marksIn(out, written) * 2 > written) return end;
    end = take(draft, next, after, "base64");
  }
}

function decodeShort(text: Uint8Array, from: number, to: number): void {
  let held = 0;
  let count = 0;
  written = 0;
  for (let i = from; i < to; i++) {
    held = ((held << 6) | (VALUE_64[text[i] as number] as number)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out[written++] = (held >> count) & 0xff;
  }
}

const ROTATED_64 = VALUE_64.map((value) =>
  value < 26 ? (value + 13) % 26 : value < 52 ? 26 + ((value - 13) % 26) : value,
);
const LONGEST_TURNED = 16 * 1024;
const turned = new Uint8Array(LONGEST_TURNED);

/** Base64 from its last character to the first, or with its letters rotated by thirteen. */
function turnedRun(text: Uint8Array, start: number, end: number): string | null {
  const size = Math.min(end - start, LONGEST_TURNED);
  for (let shift = 0; shift < 4; shift++) {
    if (!mayBe64(text, start + shift, ROTATED_64)) continue;
    if (based(text, start + shift, end, ROTATED_64, 6)) return "rot13 > base64";
  }
  // A look at the last characters before all of them are turned.
  for (let shift = 0; shift < 4; shift++) {
    const sample = Math.min(24, size);
    if (shift === 0) for (let i = 0; i < sample; i++) turned[i] = text[end - 1 - i] as number;
    if (!mayBe64(turned, shift, VALUE_64) || !based(turned, shift, sample, VALUE_64, 6)) continue;
    for (let i = sample; i < size; i++) turned[i] = text[end - 1 - i] as number;
    if (based(turned, shift, size, VALUE_64, 6)) return "reversed > base64";
  }
  return null;
}

/** Packed runs of one text that are unpacked: each takes its time. */
const MAX_PACKS = 256;
/** What all of them may come to: a draft has room for it. What is beyond is not read. */
const MAX_UNPACKED = 96 * 1024;
let packs = 0;
let unpackedBytes = 0;
let cutShort = false;
let cost = 0;
let written = 0;
let zipped = false;

function take(draft: Draft, from: number, to: number, kind: string): number {
  if (kind === "gzip") draft.undo(from, to, "base64 > gzip");
  else draft.undo(from, to, kind);
  draft.putAll(out.subarray(0, written));
  return to;
}

function hex(text: Uint8Array, start: number, end: number): boolean {
  written = 0;
  for (let i = start; i + 1 < end; i += 2) {
    const value = ((HEX[text[i] as number] as number) << 4) | (HEX[text[i + 1] as number] as number);
    if (value > 255) break;
    out[written++] = value;
    if (written === SAMPLE >> 1 && !isText(out, 0, written)) return unpacked();
  }
  return kept();
}

function bits(text: Uint8Array, start: number, end: number): boolean {
  written = 0;
  for (const width of [8, 7]) {
    written = 0;
    for (let i = start; i + width <= end; i += width) {
      let value = 0;
      for (let bit = 0; bit < width; bit++) value = (value << 1) | ((text[i + bit] as number) & 1);
      out[written++] = value;
    }
    if (written >= 4 && isText(out, 0, written)) return true;
  }
  return false;
}

/** Whether a byte may be the first of a text or of something packed, or stand behind such a one. */
const MAY_BEGIN = new Uint8Array(256).fill(1, 0x20, 0x7f).fill(1, 0xc2, 0xf5);
const MAY_FOLLOW = new Uint8Array(256).fill(1, 0x20, 0x7f).fill(1, 0x80, 0xc0).fill(1, 0xc2, 0xf5);
for (const byte of [0x00, 0x09, 0x0a, 0x0d, 0x1f]) MAY_BEGIN[byte] = 1;
for (const byte of [0x00, 0x01, 0x09, 0x0a, 0x0d, 0x9c, 0xda, 0x5e, 0x8b]) MAY_FOLLOW[byte] = 1;

/** A look at three characters of base64, before anything is undone: nearly all runs are names and words, and end here. */
function mayBe64(text: Uint8Array, start: number, values: Uint8Array): boolean {
  const a = values[text[start] as number] as number;
  const b = values[text[start + 1] as number] as number;
  const c = values[text[start + 2] as number] as number;
  if ((a | b | c) === 255) return true;
  return MAY_BEGIN[((a << 2) | (b >> 4)) & 255] === 1 && MAY_FOLLOW[((b << 4) | (c >> 2)) & 255] === 1;
}

/** Base32 and base64, from any place where a group begins. */
function based(text: Uint8Array, start: number, end: number, values: Uint8Array, width: 5 | 6): boolean {
  let held = 0;
  let count = 0;
  written = 0;
  zipped = false;
  for (let i = start; i < end; i++) {
    const value = values[text[i] as number] as number;
    if (value === 255) continue;
    held = ((held << width) | value) & 0xffff;
    count += width;
    if (count < 8) continue;
    count -= 8;
    out[written++] = (held >> count) & 0xff;
    if (written === 4 && !isText(out, 0, 4) && !mayUnpack()) return false;
    if (written === SAMPLE && !isText(out, 0, SAMPLE) && !mayUnpack()) return false;
  }
  return mayUnpack() && !isText(out, 0, Math.min(written, SAMPLE)) ? unpacked() : kept();
}

/** gzip, zlib, or every other byte nothing, as in UTF-16. */
function mayUnpack(): boolean {
  const a = out[0] as number;
  const b = out[1] as number;
  const c = out[2] as number;
  const d = out[3] as number;
  if (a === 0x1f && b === 0x8b) return true;
  if (a === 0x78 && (b === 0x9c || b === 0xda || b === 0x01 || b === 0x5e)) return true;
  return (b === 0 && d === 0 && a !== 0 && c !== 0) || (a === 0 && c === 0 && b !== 0 && d !== 0);
}

function unpacked(): boolean {
  if (written < 8 || !mayUnpack()) return false;
  if (out[0] === 0x1f || (out[0] === 0x78 && out[1] !== 0)) {
    if (packs === MAX_PACKS || unpackedBytes >= MAX_UNPACKED) return false;
    packs += 1;
    const plain = inflated(out.subarray(0, written));
    cost += packCost();
    if (isBomb(written)) cutShort = true;
    if (plain === null) return false;
    written = Math.min(plain.length, MAX_UNPACKED - unpackedBytes);
    unpackedBytes += written;
    out.set(plain.subarray(0, written));
    zipped = true;
    return kept();
  }
  const odd = out[0] === 0 ? 1 : 0;
  let count = 0;
  for (let i = odd; i < written; i += 2) out[count++] = out[i] as number;
  written = count;
  return kept();
}

const LEAST_BYTES = 6;
const SURE = 16;

/** Letters, digits and spaces, but for a few: what a short run comes to by chance has marks in it. */
function isWords(bytes: Uint8Array, count: number): boolean {
  const others = marksIn(bytes, count);
  return count < SURE ? others === 0 : others * 4 <= count;
}

function marksIn(bytes: Uint8Array, count: number): number {
  let marks = 0;
  for (let i = 0; i < count; i++) {
    const byte = bytes[i] as number;
    if (byte !== 0x20 && TOKEN[byte] === 0) marks += 1;
  }
  return marks;
}

/** Whether enough of what was written is text; the rest is let go. */
function kept(): boolean {
  const all = written;
  if (all < LEAST_BYTES) return false;
  written = textEnd(out, 0, all);
  if (written < all && written < 12) return false;
  if (written < LEAST_BYTES || !isText(out, 0, Math.min(written, SAMPLE))) return false;
  return written >= SURE || isWords(out, written);
}

/** Digits to base 58 are one number: four of them at a time into limbs of 24 bits. */
const limbs = new Float64Array(LONGEST_58 / 4 + 2);

function base58(text: Uint8Array, start: number, end: number): boolean {
  let used = 1;
  limbs[0] = 0;
  for (let i = start; i < end; ) {
    let chunk = 0;
    let scale = 1;
    for (const stop = Math.min(i + 4, end); i < stop; i++) {
      chunk = chunk * 58 + (VALUE_58[text[i] as number] as number);
      scale *= 58;
    }
    for (let limb = 0; limb < used; limb++) {
      const value = (limbs[limb] as number) * scale + chunk;
      chunk = Math.floor(value / 0x1000000);
      limbs[limb] = value - chunk * 0x1000000;
    }
    if (chunk > 0) limbs[used++] = chunk;
  }
  written = 0;
  for (let limb = used - 1; limb >= 0; limb--) {
    const value = limbs[limb] as number;
    for (const shift of [16, 8, 0]) {
      const byte = (value >> shift) & 0xff;
      if (written > 0 || byte !== 0) out[written++] = byte;
    }
  }
  return written >= 8 && isText(out, 0, written);
}
