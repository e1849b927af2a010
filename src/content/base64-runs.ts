/**
 * Long runs of base64 in a text, however it is wrapped: in lines, in a string of JSON with its slashes escaped, in a form, in
 * a data URL. A look at every 48th byte finds them, so a text without any costs next to nothing.
 */

const INVALID = 255;
/** What stands between two characters of base64 and is none. */
const BREAK = 254;
const VALUES = new Uint8Array(256).fill(INVALID);
for (const [i, letter] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries()) {
  VALUES[letter.charCodeAt(0)] = i;
}
VALUES[0x2d] = 62;
VALUES[0x5f] = 63;

/** A run of `LEAST_RUN`, or a line of one, has a place in it that is looked at, with all of `DENSE` before it. */
const STRIDE = 48;
const DENSE = 16;
const LEAST_LINE = 32;
/** Characters of a run that is looked at. What is shorter, detectors read where it stands. */
export const LEAST_RUN = 64;
/** What a run is told by. */
const SAMPLE = 48;
const SLICE = 64 * 1024;

const head = new Uint8Array(SAMPLE);

/** A run, as places in the text that was searched. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/** Whether the first bytes (up to 36) say that it is worth undoing. */
export type Worth = (head: Uint8Array) => boolean;

/** Where the last step went on to. */
let next = 0;
/** And the value it read: of base64, `BREAK`, or `INVALID`. */
function readAt(text: Uint8Array, at: number): number {
  const byte = text[at] as number;
  const value = VALUES[byte] as number;
  next = at + 1;
  if (value !== INVALID) return value;
  if (byte === 0x0a || byte === 0x0d) return BREAK;
  if (byte === 0x25) return escaped(text, at + 1, at + 3);
  if (byte !== 0x5c) return INVALID;
  const mark = text[at + 1];
  next = at + 2;
  if (mark === 0x2f) return 63;
  if (mark === 0x6e || mark === 0x72) return BREAK;
  if (mark === 0x75 && text[at + 2] === 0x30 && text[at + 3] === 0x30) return escaped(text, at + 4, at + 6);
  return INVALID;
}

/** Two digits of hex at `at`. */
function escaped(text: Uint8Array, at: number, after: number): number {
  const code = (HEX[text[at] ?? 0] as number) * 16 + (HEX[text[at + 1] ?? 0] as number);
  next = after;
  if (code > 127) return INVALID;
  return code === 0x0a || code === 0x0d ? BREAK : (VALUES[code] as number);
}

const HEX = new Uint8Array(256).fill(INVALID);
for (let i = 0; i < 10; i++) HEX[0x30 + i] = i;
for (let i = 0; i < 6; i++) HEX[0x41 + i] = HEX[0x61 + i] = 10 + i;

/** The next run from `from` on whose first bytes are worth it. Null: there is none. Hands back every 64 KiB or so. */
export function* nextRun(text: Uint8Array, from: number, worth: Worth): Generator<void, Run | null> {
  let turn = from;
  for (let at = nextDense(text, from, SLICE); at < text.length; at = nextDense(text, at, SLICE)) {
    if (isDense(text, at)) {
      const start = lineStart(text, at, from);
      const first = wrappedStart(text, start, from);
      const end = yield* runEnd(text, start);
      if (first !== start && end - first >= LEAST_RUN && worth(sample(text, first))) return { start: first, end };
      if (end - start >= LEAST_RUN && worth(sample(text, start))) return { start, end };
      at = Math.max(at, end);
    }
    if (at - turn < SLICE) continue;
    turn = at;
    yield;
  }
  return null;
}

/** False: a text in which there is no run. A look at every 48th byte. */
export function mayHaveRun(text: Uint8Array): boolean {
  return nextDense(text, 0, text.length) < text.length;
}

/** The next place behind `from` where a run may be, or where the search had to end: so many bytes on, or behind the text. */
function nextDense(text: Uint8Array, from: number, most: number): number {
  const end = Math.min(text.length, from + most);
  let at = from + STRIDE - 1;
  for (; at < end; at += STRIDE) if (isDense(text, at)) return at;
  return at;
}

/** Bytes before `at` that are all of base64: hardly any word is as long, so that a blank is soon met. */
function isDense(text: Uint8Array, at: number): boolean {
  for (let back = 0; back < DENSE; back++) if ((VALUES[text[at - back] as number] as number) > 63) return false;
  return true;
}

/** Back to where characters of base64 begin; escaped ones are passed over. */
function lineStart(text: Uint8Array, at: number, from: number): number {
  let start = at;
  for (;;) {
    while (start > from && (VALUES[text[start - 1] as number] as number) <= 63) start -= 1;
    if (start > from && text[start - 1] === 0x5c && text[start] === 0x2f) start -= 1;
    else if (start > from && text[start - 1] === 0x25 && isEscape(text, start)) start -= 1;
    else if (start > from && text[start - 1] === 0x5c && text[start] === 0x75 && readEscape(text, start - 1))
      start -= 1;
    else return unbroken(text, start);
  }
}

/** `%2B`, `%2F`. */
function isEscape(text: Uint8Array, at: number): boolean {
  return text[at] === 0x32 && ((text[at + 1] as number) | 0x20) !== 0x20 && readAt(text, at - 1) <= 63;
}

function readEscape(text: Uint8Array, at: number): boolean {
  return readAt(text, at) <= 63;
}

/** Behind what is left of an escape that is no base64: `\\n`, `\\t`, `\\u000a`, `%0A`, `%3A`. */
function unbroken(text: Uint8Array, start: number): number {
  if (start === 0) return start;
  const before = text[start - 1];
  if (before === 0x5c) return start + (text[start] === 0x75 ? 5 : 1);
  return before === 0x25 ? start + 2 : start;
}

/** Where the first of the lines begins that this one is wrapped from. */
function wrappedStart(text: Uint8Array, start: number, from: number): number {
  let first = start;
  for (;;) {
    let at = first;
    if (at > from && text[at - 1] === 0x0a) {
      at -= at - 1 > from && text[at - 2] === 0x0d ? 2 : 1;
    } else if (at - 1 > from && text[at - 2] === 0x5c && text[at - 1] === 0x6e) {
      at -= at - 3 > from && text[at - 4] === 0x5c && text[at - 3] === 0x72 ? 4 : 2;
    } else return first;
    // A line of another length, such as a word, begins no base64.
    if (at - 1 <= from || (VALUES[text[at - 1] as number] as number) > 63) return first;
    const line = lineStart(text, at - 1, from);
    if (at - line < LEAST_LINE) return first;
    first = line;
  }
}

function* runEnd(text: Uint8Array, start: number): Generator<void, number> {
  let turn = start;
  let end = start;
  for (let at = start; at < text.length; at = next) {
    const value = readAt(text, at);
    if (value === INVALID) break;
    if (value !== BREAK) end = next;
    if (at - turn < SLICE) continue;
    turn = at;
    const after = next;
    yield;
    next = after;
  }
  return end;
}

function sample(text: Uint8Array, start: number): Uint8Array {
  return head.subarray(0, decodeInto(text, { start, end: Math.min(text.length, start + 2 * SAMPLE) }, head, 36));
}

/** The bytes that a run says; yields every 64 KiB or so. */
export function* decodeRun(text: Uint8Array, { start, end }: Run): Generator<void, Uint8Array> {
  const out = new Uint8Array(Math.ceil(((end - start) * 3) / 4) + 3);
  let count = 0;
  let group = 0;
  let held = 0;
  let turn = start;
  for (let at = start; at < end; at = next) {
    const value = readAt(text, at);
    if (value > 63) continue;
    group = ((group << 6) | value) & 0xffffff;
    if (++held === 4) {
      out[count++] = group >> 16;
      out[count++] = group >> 8;
      out[count++] = group;
      held = 0;
    }
    if (at - turn < SLICE) continue;
    turn = at;
    const after = next;
    yield;
    next = after;
  }
  if (held >= 2) out[count++] = group >> (held === 2 ? 4 : 10);
  if (held === 3) out[count++] = group >> 2;
  return out.subarray(0, count);
}

function decodeInto(text: Uint8Array, { start, end }: Run, out: Uint8Array, most: number): number {
  let count = 0;
  let group = 0;
  let bits = 0;
  for (let at = start; at < end && count < most; at = next) {
    const value = readAt(text, at);
    if (value === INVALID) break;
    if (value === BREAK) continue;
    group = ((group << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[count++] = (group >> bits) & 0xff;
  }
  return count;
}
