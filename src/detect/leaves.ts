/**
 * JSON as the text a reader of it sees: the strings in their order, escapes undone, a newline between them. Keys are left
 * out unless they are text themselves, and so are the words that say what kind of thing the next string is.
 */
import { backslashAt, byteAt, CODE_MASK, LENGTH_SHIFT } from "./escapes.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
/** A key with a space, or longer than this, is text. */
const LONG_KEY = 40;
/** A value of "role" and the like that is longer than this, or has a space, is text. */
const LONG_LABEL = 24;
const LABELS = ["role", "type", "model", "object", "id", "finish_reason", "mimeType", "media_type", "mime_type"];

const STRING_END = new Uint8Array(256);
STRING_END[QUOTE] = 1;
STRING_END[BACKSLASH] = 1;

/** `\\n`, `\\r` and `\\t` matter: a newline ends a statement. */
const WHITE = new Uint8Array(256);
WHITE[0x6e] = NEWLINE;
WHITE[0x72] = 0x0d;
WHITE[0x74] = 0x09;
WHITE[0x62] = 0x20;
WHITE[0x66] = 0x20;

/** Whether bytes begin like JSON that holds strings. */
export function isJson(bytes: Uint8Array): boolean {
  let i = 0;
  while (i < bytes.length && (bytes[i] as number) <= 0x20) i += 1;
  const first = byteAt(bytes, i);
  if (first !== 0x7b && first !== 0x5b) return false;
  do i += 1;
  while (i < bytes.length && (bytes[i] as number) <= 0x20);
  const second = byteAt(bytes, i);
  // A list of lists, an object's first key, a list of texts.
  return second === QUOTE || (first === 0x5b && (second === 0x7b || second === 0x5b));
}

/** Where the last `readLeaves` stopped in its source. */
let stopped = 0;
/** Strings that begin like JSON themselves, as places in the text: beyond so many the last goes on to the end. */
const MAX_NESTED = 2048;
const nestedFrom = new Int32Array(MAX_NESTED);
const nestedTo = new Int32Array(MAX_NESTED);
let nested = 0;

/** How many strings of the text just read begin like JSON themselves. */
export function nestedLeaves(): number {
  return nested;
}

/** One of them, as places in the text that was read. */
export function nestedLeaf(index: number): { readonly from: number; readonly to: number } {
  return { from: nestedFrom[index] as number, to: nestedTo[index] as number };
}

function note(from: number, to: number): void {
  if (nested < MAX_NESTED) nestedFrom[nested++] = from;
  nestedTo[nested - 1] = to;
}

/**
 * Writes the text of JSON into `out`, which is as long as the source or longer, and returns its length. `cut`: the source is
 * from the middle of a JSON text. Linear.
 */
export function readLeaves(source: Uint8Array, cut: boolean, out: Uint8Array, limit = out.length): number {
  let count = 0;
  let from = 0;
  let labelled = false;
  nested = 0;
  if (cut) {
    // The first quote ends a string when JSON goes on behind it, else it opens one.
    count = unescaped(source, 0, source.length, out, 0, out.length);
    const close = stopped;
    const next = nextMark(source, close + 1);
    if (next === 0 || next === 0x2c || next === 0x3a || next === 0x7d || next === 0x5d) {
      if (count >= limit) return unescaped(source, 0, close, out, 0, limit);
      out[count++] = NEWLINE;
      from = close + 1;
    } else {
      count = 0;
    }
  }
  /** The next backslash: a string that ends before it is as it stands. */
  let slash = nextSlash(source, from);
  for (let open = nextQuote(source, from); open !== -1; ) {
    const start = count;
    if (slash < open) slash = nextSlash(source, open);
    let close = nextQuote(source, open + 1);
    const plain = close !== -1 && close < slash;
    if (!plain) {
      count = unescaped(source, open + 1, source.length, out, count, out.length);
      close = stopped;
    }
    const length = close - open - 1;
    const key = length <= LONG_KEY && nextMark(source, close + 1) === 0x3a;
    if (key && !(plain ? spaced(source, open + 1, close) : spaced(out, start, count))) {
      labelled = isLabel(source, open + 1, close);
      count = start;
    } else {
      if (labelled && length <= LONG_LABEL && !(plain ? spaced(source, open + 1, close) : spaced(out, start, count))) {
        count = start;
      } else if (length > 0) {
        if ((plain ? start + length : count) >= limit) return unescaped(source, open + 1, close, out, start, limit);
        if (plain) count = copied(source, open + 1, close, out, start);
        const first = out[start];
        if (first === 0x7b || first === 0x5b) note(start, count);
        out[count++] = NEWLINE;
      }
      labelled = false;
    }
    open = close >= source.length ? -1 : nextQuote(source, close + 1);
  }
  stopped = source.length;
  return count;
}

/** Where in the source the character that ends up at `at` begins. */
export function leafOrigin(source: Uint8Array, cut: boolean, out: Uint8Array, at: number): number {
  readLeaves(source, cut, out, at + 1);
  return Math.max(0, Math.min(stopped, source.length) - 1);
}

/** Most are near, and to ask the runtime costs as much as some ten bytes here. */
const NEAR = 16;

function nextQuote(source: Uint8Array, from: number): number {
  const near = Math.min(source.length, from + NEAR);
  for (let i = from; i < near; i++) if (source[i] === QUOTE) return i;
  return source.indexOf(QUOTE, near);
}

function nextSlash(source: Uint8Array, from: number): number {
  const at = source.indexOf(BACKSLASH, from);
  return at === -1 ? source.length : at;
}

/** Of so many bytes a copy by the runtime costs less than one here. */
const LONG_COPY = 48;

/** Copies a string as it stands; returns where it ends. */
function copied(source: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  if (to - from >= LONG_COPY) out.set(source.subarray(from, to), at);
  else for (let i = from, n = at; i < to; i++) out[n++] = source[i] as number;
  return at + to - from;
}

function nextMark(source: Uint8Array, from: number): number {
  let i = from;
  while (i < source.length && (source[i] as number) <= 0x20) i += 1;
  return byteAt(source, i);
}

function spaced(text: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (text[i] === 0x20) return true;
  return false;
}

function isLabel(source: Uint8Array, from: number, to: number): boolean {
  for (const label of LABELS) {
    if (label.length !== to - from) continue;
    let i = 0;
    while (i < label.length && source[from + i] === label.charCodeAt(i)) i += 1;
    if (i === label.length) return true;
  }
  return false;
}

/** Copies a string until its closing quote, or `to`; leaves in `stopped` where that is. Never longer than it was. */
function unescaped(source: Uint8Array, from: number, to: number, out: Uint8Array, at: number, limit: number): number {
  let count = at;
  let i = from;
  const last = Math.min(to, source.length) - 4;
  while (i < to && count < limit) {
    while (i <= last && count + 4 <= limit) {
      const a = source[i] as number;
      const b = source[i + 1] as number;
      const c = source[i + 2] as number;
      const d = source[i + 3] as number;
      if (
        ((STRING_END[a] as number) |
          (STRING_END[b] as number) |
          (STRING_END[c] as number) |
          (STRING_END[d] as number)) !==
        0
      )
        break;
      out[count] = a;
      out[count + 1] = b;
      out[count + 2] = c;
      out[count + 3] = d;
      count += 4;
      i += 4;
    }
    if (i >= to || count >= limit) break;
    const byte = source[i] as number;
    out[count++] = byte;
    i += 1;
    if (STRING_END[byte] === 0) continue;
    count -= 1;
    if (byte === QUOTE) {
      i -= 1;
      break;
    }
    const escaped = byteAt(source, i);
    if (escaped === 0x75) {
      const read = backslashAt(source, i - 1);
      count = putUtf8(read & CODE_MASK, out, count);
      i += (read >> LENGTH_SHIFT) - 1;
    } else if (escaped === QUOTE || escaped === BACKSLASH || escaped === 0x2f || WHITE[escaped] !== 0) {
      out[count++] = WHITE[escaped] || escaped;
      i += 1;
    } else {
      // What JSON does not know stays as it is.
      out[count++] = BACKSLASH;
    }
  }
  stopped = i;
  return count;
}

/** Returns where it ends. */
export function putUtf8(code: number, out: Uint8Array, at: number): number {
  let count = at;
  if (code < 0x80) {
    out[count++] = code;
  } else if (code < 0x800) {
    out[count++] = 0xc0 | (code >> 6);
    out[count++] = 0x80 | (code & 0x3f);
  } else if (code < 0x10000) {
    out[count++] = 0xe0 | (code >> 12);
    out[count++] = 0x80 | ((code >> 6) & 0x3f);
    out[count++] = 0x80 | (code & 0x3f);
  } else {
    out[count++] = 0xf0 | (code >> 18);
    out[count++] = 0x80 | ((code >> 12) & 0x3f);
    out[count++] = 0x80 | ((code >> 6) & 0x3f);
    out[count++] = 0x80 | (code & 0x3f);
  }
  return count;
}
