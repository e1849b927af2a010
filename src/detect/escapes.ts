/**
 * Characters as bytes spell them: UTF-8, JSON and percent escapes. Each reader answers `length << LENGTH_SHIFT | code
 * point`: one number, so that the loop over a body allocates nothing. What is malformed is a space of length one.
 */

export const LENGTH_SHIFT = 21;
export const CODE_MASK = (1 << LENGTH_SHIFT) - 1;
const MAX_BACKSLASHES = 64;
const SPACE = 0x20;
/** What is no UTF-8. */
export const BAD = packed(1, SPACE);

function packed(length: number, code: number): number {
  return (length << LENGTH_SHIFT) | code;
}

/** 0 past the end. Typed arrays read past their end make every loop they are in slow. */
export function byteAt(bytes: Uint8Array, at: number): number {
  return at < bytes.length ? (bytes[at] as number) : 0;
}

/** The character of UTF-8 whose lead byte (0xC2 to 0xF4) is at `at`. */
export function utf8At(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  const second = byteAt(bytes, at + 1) ^ 0x80;
  if (second > 0x3f) return BAD;
  if (lead < 0xe0) return packed(2, ((lead & 0x1f) << 6) | second);
  const third = byteAt(bytes, at + 2) ^ 0x80;
  if (third > 0x3f) return BAD;
  if (lead < 0xf0) return scalar(3, ((lead & 0x0f) << 12) | (second << 6) | third, 0x800);
  const fourth = byteAt(bytes, at + 3) ^ 0x80;
  if (fourth > 0x3f) return BAD;
  return scalar(4, ((lead & 0x07) << 18) | (second << 12) | (third << 6) | fourth, 0x10000);
}

function scalar(length: number, code: number, least: number): number {
  return code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? BAD : packed(length, code);
}

/** `%41`, or UTF-8 in percent escapes; 0 when this is a plain percent sign. */
export function percentAt(bytes: Uint8Array, at: number): number {
  const first = percentByte(bytes, at);
  if (first < 0) return 0;
  if (first < 0x80) return packed(3, first);
  const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
  let code = first & (0x3f >> more);
  for (let i = 1; i <= more; i++) {
    const next = percentByte(bytes, at + 3 * i) ^ 0x80;
    if (next < 0 || next > 0x3f) return packed(3, SPACE);
    code = (code << 6) | next;
  }
  return more === 0 || code > 0x10ffff ? packed(3, SPACE) : packed(3 + 3 * more, code);
}

function percentByte(bytes: Uint8Array, at: number): number {
  if (byteAt(bytes, at) !== 0x25) return -1;
  const high = hexValue(byteAt(bytes, at + 1));
  const low = hexValue(byteAt(bytes, at + 2));
  return high < 0 || low < 0 ? -1 : (high << 4) | low;
}

/** Where a run of backslashes ends: escapes inside escaped text begin with many. */
export function afterBackslashes(bytes: Uint8Array, at: number): number {
  let next = at + 1;
  while (byteAt(bytes, next) === 0x5c && next - at < MAX_BACKSLASHES) next += 1;
  return next;
}

/** What backslashes and what follows them stand for; never 0. */
export function backslashAt(bytes: Uint8Array, at: number): number {
  const next = afterBackslashes(bytes, at);
  const length = next - at;
  switch (byteAt(bytes, next)) {
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
    case 0x62: // b
    case 0x66: // f
      return packed(length + 1, SPACE);
    case 0x75: // u
      return unicodeAt(bytes, next, length);
    case 0x78: {
      const code = hexDigits(bytes, next + 1, 2);
      return code < 0 ? packed(length, SPACE) : packed(length + 3, code);
    }
    case 0x22:
      return packed(length + 1, 0x22);
    default:
      return packed(length, SPACE);
  }
}

/** `at` is the `u` behind `length` backslashes. A pair of surrogates is one character. */
function unicodeAt(bytes: Uint8Array, at: number, length: number): number {
  const unit = hexDigits(bytes, at + 1, 4);
  if (unit < 0) return packed(length, SPACE);
  if (unit < 0xd800 || unit >= 0xe000) return packed(length + 5, unit);
  if (unit < 0xdc00 && byteAt(bytes, at + 5) === 0x5c) {
    const next = afterBackslashes(bytes, at + 5);
    const low = byteAt(bytes, next) === 0x75 ? hexDigits(bytes, next + 1, 4) : -1;
    if (low >= 0xdc00 && low < 0xe000) {
      return packed(length + next - at + 5, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    }
  }
  return packed(length + 5, SPACE);
}

function hexDigits(bytes: Uint8Array, at: number, digits: 2 | 4): number {
  if (at + digits > bytes.length) return -1;
  const high = (hexValue(bytes[at] as number) << 4) | hexValue(bytes[at + 1] as number);
  return digits === 2 || high < 0
    ? high
    : (high << 8) | (hexValue(bytes[at + 2] as number) << 4) | hexValue(bytes[at + 3] as number);
}

const HEX = hexValues();

function hexValues(): Int8Array {
  const table = new Int8Array(256).fill(-1);
  for (let i = 0; i < 16; i++)
    for (const digit of [i.toString(16), i.toString(16).toUpperCase()]) table[digit.charCodeAt(0)] = i;
  return table;
}

function hexValue(code: number): number {
  return HEX[code] as number;
}
