/**
 * Text reduced to its Latin letters, the form Pillar 128 reads. JSON and percent escapes are seen through, look-alikes
 * and decorated letters are the letters they look like, everything else is gone.
 */
import { afterBackslashes, BAD, backslashAt, byteAt, CODE_MASK, LENGTH_SHIFT, percentAt, utf8At } from "./escapes.ts";
import { isTurned, mayHide } from "./hidden.ts";
import { expansionOf, FOREIGN, likenessOf } from "./look-alikes.ts";

/** Classes of bytes that are no letters; `DROP` is nothing, the others are above every Latin letter. */
const DROP = 0;
const QUOTE = 0x80;
const DOUBLE_QUOTE = 0x81;
const BACKSLASH = 0x82;
const PERCENT = 0x83;
const LEAD = 0x84;

/** Byte → lower-case letter, or one of the classes above. */
const CLASS = byteClasses();

function byteClasses(): Uint8Array {
  const table = new Uint8Array(256).fill(DROP);
  for (let i = 0x61; i <= 0x7a; i++) {
    table[i] = i;
    table[i - 0x20] = i;
  }
  table[0x5c] = BACKSLASH;
  table[0x25] = PERCENT;
  for (const quote of [0x27, 0x60]) table[quote] = QUOTE;
  table[0x22] = DOUBLE_QUOTE;
  table.fill(LEAD, 0xc2, 0xf5);
  // Lead bytes of private use and empty planes: nothing there is a letter, so nothing is decoded.
  for (const lead of [0xee, 0xf1, 0xf2, 0xf4]) table[lead] = DROP;
  return table;
}

/** Longest text that is inspected at a time; callers slice. */
export const MAX_INSPECTED = 64 * 1024;
/** Longest input of `readLetters`: a character may stand for more letters than it has bytes, never for over twice as many. */
export const MAX_LETTERS_INPUT = 2 * MAX_INSPECTED;
/** The shortest phrase has as many letters; fewer are never read at all. */
export const MIN_LETTERS = 16;
const scratch = new Uint8Array(2 * MAX_LETTERS_INPUT + 64);
/** A small integer, so that the loop compares integers. */
const EVERYTHING = 0x3fffffff;

export interface Letters {
  /** Valid until the next call. */
  readonly letters: Uint8Array;
  readonly count: number;
  /** Quote characters that a string of JSON may hold. */
  readonly quotes: number;
  /** Double quotes as they are: JSON's own, or any other text's. */
  readonly doubles: number;
  /** True: characters beyond ASCII stand for ASCII ones, which `asciiOf` shows. */
  readonly foreign: boolean;
  /** True: backslashes or percent signs in disguise, so that `asciiOf` has to be read instead. */
  readonly masked: boolean;
  /** Bytes that are no UTF-8, as far as they were looked at. */
  readonly bad: number;
  /** Invisible characters that may spell something, and letters on their head. */
  readonly invisible: number;
  readonly turned: number;
  /** Bytes that were read: all of them, or up to the last of `limit` letters. */
  readonly end: number;
}

/** Linear; reads at most `MAX_LETTERS_INPUT` bytes, and stops as soon as there are `limit` letters. */
export function readLetters(bytes: Uint8Array, limit = EVERYTHING): Letters {
  const length = Math.min(bytes.length, MAX_LETTERS_INPUT);
  let count = 0;
  let quotes = 0;
  let doubles = 0;
  let foreign = false;
  let masked = false;
  let bad = 0;
  let invisible = 0;
  let turned = 0;
  let i = 0;
  const most = Math.min(length, limit) - 4;
  for (; i < length && count < limit; i++) {
    const found = CLASS[bytes[i] as number] as number;
    // Without a branch: whether a byte is a letter is more than a processor can guess.
    scratch[count] = found;
    count += (found >> 6) & 1;
    if (found < QUOTE) {
      // Four bytes a turn as long as none of them has to be looked at: most are letters and what stands between them.
      while (i < most && count <= most) {
        const a = CLASS[bytes[i + 1] as number] as number;
        const b = CLASS[bytes[i + 2] as number] as number;
        const c = CLASS[bytes[i + 3] as number] as number;
        const d = CLASS[bytes[i + 4] as number] as number;
        if ((a | b | c | d) >= QUOTE) break;
        scratch[count] = a;
        count += a >> 6;
        scratch[count] = b;
        count += b >> 6;
        scratch[count] = c;
        count += c >> 6;
        scratch[count] = d;
        count += d >> 6;
        i += 4;
      }
      continue;
    }
    if (found === QUOTE) {
      quotes += 1;
    } else if (found === DOUBLE_QUOTE) {
      doubles += 1;
    } else {
      const read = found === LEAD ? utf8At(bytes, i) : found === PERCENT ? percentAt(bytes, i) : backslashAt(bytes, i);
      if (read === 0) continue;
      if (read === BAD && found === LEAD) {
        bad += 1;
        continue;
      }
      i += (read >> LENGTH_SHIFT) - 1;
      const code = read & CODE_MASK;
      const like = code < 0x80 ? code : likenessOf(code);
      if (code >= 0x1dd) {
        if (mayHide(code)) invisible += 1;
        else if (isTurned(code)) turned += 1;
      }
      if (like >= FOREIGN) {
        foreign = true;
        scratch[count] = like & 0xff;
        count += 1;
      } else if (like >= 0x80) {
        foreign = true;
        count = spell(expansionOf(like), count);
      } else if (like !== 0x20) {
        const kind = CLASS[like] as number;
        scratch[count] = kind;
        count += (kind >> 6) & 1;
        if (kind === QUOTE || kind === DOUBLE_QUOTE) quotes += 1;
        if (code >= 0x80) {
          foreign = true;
          if (kind === BACKSLASH || kind === PERCENT) masked = true;
        }
      }
    }
  }
  return {
    letters: scratch,
    count,
    quotes,
    doubles,
    foreign,
    masked,
    bad,
    invisible,
    turned,
    end: Math.min(i, length),
  };
}

const encoder = new TextEncoder();

/** A text of the program's own, such as a phrase to look for, as letters; a copy. */
export function lettersOf(text: string): Uint8Array {
  const { letters, count } = readLetters(encoder.encode(text));
  return letters.slice(0, count);
}

function spell(text: string, from: number): number {
  let count = from;
  for (let i = 0; i < text.length; i++) {
    const found = CLASS[text.charCodeAt(i)] as number;
    scratch[count] = found;
    count += (found >> 6) & 1;
  }
  return count;
}

/** Writes the letters of ASCII text, escapes and all, from `start` to `end` into `out`; returns where they end. */
export function putLetters(text: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let count = at;
  for (let i = start; i < end; i++) {
    const found = CLASS[text[i] as number] as number;
    out[count] = found;
    count += (found >> 6) & 1;
  }
  return count;
}

const BLOCK = 256;
/** Control characters, and bytes that no UTF-8 has; not NUL, of which UTF-16 is full. */
const BINARY = new Uint8Array(256).fill(1, 0x01, 0x20).fill(1, 0xf5);
for (const byte of [0x7f, 0xc0, 0xc1]) BINARY[byte] = 1;
for (const byte of [0x09, 0x0a, 0x0d]) BINARY[byte] = 0;

/** What a body that is hardly text has of text: blocks full of binary are left out, a newline stands for each. */
export function textualPart(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  let count = 0;
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const end = Math.min(at + BLOCK, bytes.length);
    let binary = 0;
    for (let i = at; i < end; i++) binary += BINARY[bytes[i] as number] as number;
    if (binary > BLOCK / 16) {
      out[count++] = 0x0a;
    } else {
      out.set(bytes.subarray(at, end), count);
      count += end - at;
    }
  }
  return out.subarray(0, count);
}

/** 1: `asciiOf` copies it. */
const STAYS = new Uint8Array(256).fill(1, 0, 0x80);
STAYS[0x5c] = 0;

/** Room `asciiOf` needs beyond twice its input. */
export const ASCII_ROOM = 64;

/**
 * The text as ASCII in `out`, which has room for twice as much: characters beyond ASCII are what they look like or a
 * space, and so are `\u` escapes. Returns the length. What delimits in JSON stays as it was: text never turns into structure.
 */
export function asciiOf(bytes: Uint8Array, out: Uint8Array, limit = EVERYTHING): number {
  const { length } = bytes;
  let count = 0;
  let i = 0;
  while (i < length && count < limit) {
    // Four a turn as long as they are copied as they stand.
    for (const most = Math.min(length - 4, i + limit - count - 4); i <= most; i += 4) {
      const a = bytes[i] as number;
      const b = bytes[i + 1] as number;
      const c = bytes[i + 2] as number;
      const d = bytes[i + 3] as number;
      if (((STAYS[a] as number) & (STAYS[b] as number) & (STAYS[c] as number) & (STAYS[d] as number)) === 0) break;
      out[count] = a;
      out[count + 1] = b;
      out[count + 2] = c;
      out[count + 3] = d;
      count += 4;
    }
    if (i === length || count === limit) break;
    let byte = bytes[i] as number;
    while (byte < 0x80 && byte !== 0x5c) {
      out[count++] = byte;
      i += 1;
      if (i === length || count === limit) break;
      byte = bytes[i] as number;
    }
    if (i === length || count >= limit) break;
    if (byte === 0x5c) {
      const next = afterBackslashes(bytes, i);
      const read = byteAt(bytes, next) === 0x75 ? backslashAt(bytes, i) : 0;
      const length = read >> LENGTH_SHIFT;
      if (length <= next - i) {
        // No `\u`: backslashes and what they escape are copied.
        const end = Math.min(next + 1, bytes.length);
        while (i < end) out[count++] = bytes[i++] as number;
      } else {
        const code = read & CODE_MASK;
        count = code === 0x22 || code === 0x5c ? space(out, count) : putLikeness(code, out, count);
        i += length;
      }
    } else if (CLASS[byte] === LEAD) {
      const read = utf8At(bytes, i);
      count = putLikeness(read & CODE_MASK, out, count);
      i += read >> LENGTH_SHIFT;
    } else {
      if (byte >= 0xc0) count = space(out, count);
      i += 1;
    }
  }
  asciiEnd = i;
  return count;
}

let asciiEnd = 0;

/** Where in `bytes` the character behind the one that `asciiOf` puts at `at` begins. */
export function asciiOrigin(bytes: Uint8Array, out: Uint8Array, at: number): number {
  asciiOf(bytes, out, at + 1);
  return asciiEnd;
}

const SPACE = 0x20;

function space(out: Uint8Array, at: number): number {
  out[at] = SPACE;
  return at + 1;
}

function putLikeness(code: number, out: Uint8Array, at: number): number {
  const like = code < 0x80 ? code : likenessOf(code);
  if (like < 0x80 || like >= FOREIGN) {
    out[at] = like < 0x80 ? like : SPACE;
    return at + 1;
  }
  let count = at;
  const text = expansionOf(like);
  for (let i = 0; i < text.length; i++) out[count++] = text.charCodeAt(i);
  return count;
}
