/**
 * Text reduced to its Latin letters, the form Pillar 128 reads. JSON and percent escapes are seen through, look-alikes
 * and decorated letters are the letters they look like, everything else is gone.
 */

const DROP = 0;
const BACKSLASH = 1;
const PERCENT = 2;
const QUOTE = 3;
const DOUBLE_QUOTE = 4;
const HIGH = 5;

/** Byte → lower-case letter, or one of the classes above. */
const CLASS = byteClasses();

function byteClasses(): Uint8Array {
  const table = new Uint8Array(256);
  table.fill(HIGH, 0x80);
  for (let i = 0x61; i <= 0x7a; i++) {
    table[i] = i;
    table[i - 0x20] = i;
  }
  table[0x5c] = BACKSLASH;
  table[0x25] = PERCENT;
  for (const quote of [0x27, 0x60]) table[quote] = QUOTE;
  table[0x22] = DOUBLE_QUOTE;
  return table;
}

/** Longest input `readLetters` takes; callers slice. */
export const MAX_LETTERS_INPUT = 256 * 1024;
/** A small integer, so that the loop compares integers. */
const EVERYTHING = 0x3fffffff;
const scratch = new Uint8Array(MAX_LETTERS_INPUT);
const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8");
const encoder = new TextEncoder();

export interface Letters {
  readonly letters: string;
  /** What was read: the input, or its ASCII likeness when it had characters beyond ASCII. */
  readonly ascii: Uint8Array;
  /** Quote characters seen that are not JSON's own: what symbolic assembly cannot do without. */
  readonly quotes: number;
}

/** Linear; reads at most `MAX_LETTERS_INPUT` bytes of UTF-8. */
export function readLetters(bytes: Uint8Array): Letters {
  const input = bytes.length > MAX_LETTERS_INPUT ? bytes.subarray(0, MAX_LETTERS_INPUT) : bytes;
  let ascii = input;
  let found = scan(input, EVERYTHING);
  if (found.high) {
    ascii = asciiLikeness(utf8.decode(input));
    found = scan(ascii, EVERYTHING);
  }
  return {
    letters: latin1.decode(scratch.subarray(0, found.count)),
    ascii,
    quotes: found.quotes + (isJson(ascii) ? 0 : found.doubles),
  };
}

function isJson(ascii: Uint8Array): boolean {
  return ascii[0] === 0x7b || ascii[0] === 0x5b;
}

/** The letters of a latin1 text, lower case, and `kept` (one character) where it stands. What is over the limit is cut. */
export function lettersOf(text: string, kept: string): string {
  const length = Math.min(text.length, MAX_LETTERS_INPUT);
  const other = kept.charCodeAt(0);
  let count = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i) & 0xff;
    const found = CLASS[code] as number;
    if (found > HIGH) scratch[count++] = found;
    else if (code === other) scratch[count++] = code;
  }
  return latin1.decode(scratch.subarray(0, count));
}

/** The part of `ascii` that gave the letters from `start` to `end`. */
export function sourceOf(ascii: Uint8Array, start: number, end: number): string {
  const from = scan(ascii, start + 1).at - 1;
  return latin1.decode(ascii.subarray(from, scan(ascii, end).at));
}

export function asText(ascii: Uint8Array): string {
  return latin1.decode(ascii);
}

interface Scan {
  readonly count: number;
  readonly quotes: number;
  /** Double quotes without a backslash. */
  readonly doubles: number;
  /** True: stopped at something only `asciiLikeness` can read. */
  readonly high: boolean;
  readonly at: number;
}

/** Writes letters to `scratch` until there are `limit`. */
function scan(bytes: Uint8Array, limit: number): Scan {
  const length = bytes.length;
  let count = 0;
  let quotes = 0;
  let doubles = 0;
  let i = 0;
  for (; i < length && count < limit; i++) {
    const found = CLASS[bytes[i] as number] as number;
    if (found > HIGH) {
      scratch[count++] = found;
    } else if (found === QUOTE) {
      quotes += 1;
    } else if (found === DOUBLE_QUOTE) {
      doubles += 1;
    } else if (found === HIGH) {
      return { count, quotes, doubles, high: true, at: i };
    } else if (found !== DROP) {
      const escaped = found === PERCENT ? percentEscape(bytes, i) : backslashEscape(bytes, i);
      if (escaped === 0) continue;
      const code = escaped & 0xffff;
      if (code >= 0x80) return { count, quotes, doubles, high: true, at: i };
      const kind = CLASS[code] as number;
      if (kind > HIGH) scratch[count++] = kind;
      else if (kind === QUOTE || kind === DOUBLE_QUOTE) quotes += 1;
      i += (escaped >> 16) - 1;
    }
  }
  return { count, quotes, doubles, high: false, at: i };
}

/** Length << 16 | character, or 0 when this is a plain percent sign. */
function percentEscape(bytes: Uint8Array, at: number): number {
  const high = hexValue(bytes[at + 1]);
  const low = hexValue(bytes[at + 2]);
  return high < 0 || low < 0 ? 0 : (3 << 16) | (high << 4) | low;
}

/** As `percentEscape`. A run of backslashes counts as one: escapes inside escaped text. */
function backslashEscape(bytes: Uint8Array, at: number): number {
  let next = at + 1;
  while (bytes[next] === 0x5c && next - at < 64) next += 1;
  const length = next - at + 1;
  switch (bytes[next]) {
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
    case 0x62: // b
    case 0x66: // f
      return (length << 16) | 0x20;
    case 0x75: // u
      return hexEscape(bytes, next, 4, length);
    case 0x78: // x
      return hexEscape(bytes, next, 2, length);
    case 0x22:
      return (length << 16) | 0x22;
    default:
      return ((length - 1) << 16) | 0x20;
  }
}

function hexEscape(bytes: Uint8Array, at: number, digits: number, length: number): number {
  let code = 0;
  for (let i = 1; i <= digits; i++) {
    const digit = hexValue(bytes[at + i]);
    if (digit < 0) return ((length - 1) << 16) | 0x20;
    code = (code << 4) | digit;
  }
  return ((length + digits) << 16) | code;
}

function hexValue(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Greek and Cyrillic letters that pass for Latin ones; NFKD has already taken accents and styles away. */
const LOOK_ALIKE = lookAlikes(
  "АаВЕеЅѕІіЈјКкМНнОоРрСсТтУуХхԁԛԝһӏɡɩΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχ‘’‚‛“”„‟ʼ",
  "aabeessiijjkkmhhoopppccttyyxxdqwhlgiabezhikmnoptyxaeiknoptux''''\"\"\"\"'",
);

function lookAlikes(from: string, to: string): ReadonlyMap<number, number> {
  const table = new Map<number, number>();
  for (let i = 0; i < from.length; i++) table.set(from.charCodeAt(i), to.charCodeAt(i));
  return table;
}

/** The text as ASCII bytes: compatibility forms and look-alikes resolved, tag characters unmasked, the rest spaces. */
function asciiLikeness(text: string): Uint8Array {
  const plain = text.includes("\\") ? text.replace(/\\+u([0-9a-fA-F]{4})/g, unescapeUnit) : text;
  const folded = plain.normalize("NFKD");
  const out = new Uint8Array(Math.min(folded.length, MAX_LETTERS_INPUT));
  for (let i = 0; i < out.length; i++) {
    const code = folded.charCodeAt(i);
    if (code < 0x80) {
      out[i] = code;
    } else if (code === 0xdb40) {
      // Tag characters spell ASCII invisibly, as the low half of a pair.
      const tag = folded.charCodeAt(i + 1) - 0xdc00;
      out[i] = tag >= 0x20 && tag < 0x7f ? tag : 0x20;
    } else {
      out[i] = LOOK_ALIKE.get(code) ?? 0x20;
    }
  }
  return out;
}

function unescapeUnit(_all: string, hex: string): string {
  const unit = String.fromCharCode(Number.parseInt(hex, 16));
  // What delimits must stay escaped, or text would turn into structure.
  return unit === '"' || unit === "\\" ? " " : unit;
}

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}
