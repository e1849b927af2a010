/**
 * Invisible characters as the digits of a text. Which digits, how many to a character and which of them comes first is for
 * whoever hides the text to choose: every way is tried on a sample, and what reads most like language is it.
 */
import { isText } from "./_text.ts";
import { FOLLOWS, LETTER_INDEX } from "./language.ts";

/** Characters nobody sees, and spaces nobody tells apart; in the order of code points, for so they are counted. */
const INVISIBLE = [
  0x34f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180c, 0x180d, 0x180e, 0x180f, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004,
  0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c,
  0x202d, 0x202e, 0x202f, 0x205f, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0x2065, 0x2066, 0x2067, 0x2068, 0x2069,
  0x206a, 0x206b, 0x206c, 0x206d, 0x206e, 0x206f, 0x3164, 0xfeff, 0xffa0,
];
const PLACE = new Map(INVISIBLE.map((code, place) => [code, place]));

export const MAX_DIGITS = 32 * 1024;
export const LEAST_DIGITS = 28;
/** Digits on which a way of reading is tried. */
const SAMPLE = 512;
const MOST_KINDS = 8;
const NONE = 26;
/** Of a space or a mark between letters, of what is neither, and of what no text has. */
const EDGE = -2;
const MARK = -10;
const WRONG = -60;
/** The mean a character must come to: English has about 7, code and base64 less than nothing. */
const LEAST_LIKE = -40;
/** The same where every number is a letter, so that noise is one too. */
const LEAST_LIKE_LETTERS = 3;
const LETTER_BITS = 5;

/** Its place among invisible characters, or -1. */
export function invisiblePlace(code: number): number {
  return PLACE.get(code) ?? -1;
}

const digits = new Int8Array(MAX_DIGITS);
const out = new Uint8Array(MAX_DIGITS);
let written = 0;

/** How digits are read: so many kinds of them, so many to a character (0: binary without leading zeros). */
interface Way {
  /** Five bits: the number of a letter. */
  readonly letters: boolean;
  readonly order: readonly number[];
  readonly width: number;
  readonly lowFirst: boolean;
}

/** The text that `count` places of invisible characters stand for, or null. Valid until the next call. */
export function readDigits(places: Uint8Array, count: number): Uint8Array | null {
  let best: Way | null = null;
  let most = Number.NEGATIVE_INFINITY;
  const sample = Math.min(count, SAMPLE);
  for (const way of waysOf(places, count)) {
    write(places, sample, way);
    const like = likenessOf(way.letters);
    if (like <= most) continue;
    most = like;
    best = way;
  }
  if (best === null || most < (best.letters ? LEAST_LIKE_LETTERS : LEAST_LIKE)) return null;
  write(places, count, best);
  return written >= 4 ? out.subarray(0, written) : null;
}

function* waysOf(places: Uint8Array, count: number): Generator<Way> {
  const seen = new Int32Array(INVISIBLE.length);
  for (let i = 0; i < count; i++) seen[places[i] as number] = (seen[places[i] as number] as number) + 1;
  const often = [...seen.keys()].filter((place) => seen[place] !== 0).sort((a, b) => (seen[b] ?? 0) - (seen[a] ?? 0));
  const kinds = new Set(
    [2, often.length - 1, often.length].filter((n) => n >= 2 && n <= Math.min(MOST_KINDS, often.length)),
  );
  for (const kind of kinds) {
    const rising = often.slice(0, kind).sort((a, b) => a - b);
    for (const order of [rising, rising.toReversed()]) {
      if (kind === 2) yield { order, width: 0, lowFirst: false, letters: false };
      for (const width of widthsOf(kind)) {
        const letters = kind === 2 && width === LETTER_BITS;
        yield { order, width, lowFirst: false, letters };
        yield { order, width, lowFirst: true, letters };
      }
    }
  }
}

function widthsOf(kinds: number): readonly number[] {
  if (kinds === 2) return [8, 7, 16, LETTER_BITS];
  const needed = (values: number): number => Math.ceil(Math.log(values) / Math.log(kinds) - 1e-9);
  return [...new Set([needed(128), needed(256), needed(65_536)])];
}

/** What is no digit ends a character; one more, or one behind a whole number of characters, is a space. */
function write(places: Uint8Array, count: number, { order, width, lowFirst, letters }: Way): void {
  let longest = 0;
  let length = 0;
  for (let i = 0; i < count; i++) {
    const digit = order.indexOf(places[i] as number);
    digits[i] = digit;
    length = digit === -1 ? 0 : length + 1;
    longest = Math.max(longest, length);
  }
  written = 0;
  if (width === 0) {
    for (let from = 0; from < count; ) {
      let to = from;
      while (to < count && digits[to] !== -1) to += 1;
      if (to === from) out[written++] = 0x20;
      else if (longest <= 8) out[written++] = numberOf(from, to, 2, false);
      else unpadded(from, to);
      if (longest > 8 && to > from && to < count) out[written++] = 0x20;
      from = Math.max(to, from) + 1;
    }
    return;
  }
  let have = 0;
  for (let i = 0; i < count; i++) {
    if (digits[i] === -1) {
      put(0x20, false);
      have = 0;
      continue;
    }
    have += 1;
    if (have < width) continue;
    put(numberOf(i + 1 - width, i + 1, order.length, lowFirst), letters);
    have = 0;
  }
}

function numberOf(from: number, to: number, base: number, lowFirst: boolean): number {
  let value = 0;
  for (let i = 0; i < to - from; i++) value = value * base + (digits[lowFirst ? to - 1 - i : from + i] as number);
  return value;
}

function put(value: number, letters: boolean): void {
  if (letters) out[written++] = value >= 1 && value <= 26 ? 0x60 + value : 0x20;
  else if (value < 0x100) out[written++] = value;
  else if (written + 3 <= out.length) {
    if (value < 0x800) out[written++] = 0xc0 | (value >> 6);
    else {
      out[written++] = 0xe0 | ((value >> 12) & 0xf);
      out[written++] = 0x80 | ((value >> 6) & 0x3f);
    }
    out[written++] = 0x80 | (value & 0x3f);
  }
}

/** Quarters of a bit a character; below anything when it is no text. */
function likenessOf(letters: boolean): number {
  // A last character that is cut off is let be.
  if (written < 4 || !isText(out, 0, written)) return WRONG;
  let sum = 0;
  let before = NONE;
  for (let i = 0; i < written; i++) {
    const byte = out[i] as number;
    const letter = LETTER_INDEX[byte] as number;
    if (letter !== NONE || before !== NONE) sum += FOLLOWS[before * 32 + letter] as number;
    else sum += EDGE;
    if (letter === NONE && byte !== 0x20) sum += MARK;
    before = letter;
  }
  // More digits to a character explain more: two bytes of which one is nothing are no text, but letters of five bits may be.
  return sum / written - (letters ? 2 : 0);
}

/** A character in ASCII without its leading zeros has six bits or seven, and begins with a one: the likeliest way to cut. */
const LEAST = -0x3fffffff;
const scores = new Int32Array(MAX_DIGITS + 8);
const lasts = new Uint8Array(MAX_DIGITS + 8);
const widths = new Uint8Array(MAX_DIGITS + 8);

function unpadded(from: number, to: number): void {
  scores.fill(LEAST, from, to + 8);
  scores[from] = 0;
  lasts[from] = 0x20;
  for (let at = from; at < to; at++) {
    const score = scores[at] as number;
    if (score === LEAST || digits[at] !== 1) continue;
    for (let width = 6; width <= 7 && at + width <= to; width++) {
      const byte = numberOf(at, at + width, 2, false);
      const next = score + worth(lasts[at] as number, byte);
      if (next <= (scores[at + width] as number)) continue;
      scores[at + width] = next;
      lasts[at + width] = byte;
      widths[at + width] = width;
    }
  }
  let end = to;
  while (end > from && scores[end] === LEAST) end -= 1;
  const start = written;
  for (let at = end; at > from; at -= widths[at] as number) out[written++] = lasts[at] as number;
  out.subarray(start, written).reverse();
  // What cannot be cut so is told as no text.
  if (to - end > 7) out[written++] = 0;
}

const LETTER = -19;
const SPACE = -10;
const DIGIT = -30;
const DIGIT_BEHIND_DIGIT = -14;
const DIGIT_BEHIND_PERCENT = -10;
const DIGIT_BEHIND_LETTER = -36;
const COMMON = -22;
const USUAL = -27;
const LESS_USUAL = -42;
const RARE = -46;
const CAPITAL = -11;
const CAPITAL_INSIDE = -18;
const CAPITAL_BEHIND_CAPITAL = -4;
const LEAST_FOLLOWS = -14;
const BEHIND_MARK = -3;
/** What a mark is worth. */
const MARKS = new Int8Array(128).fill(RARE);
for (const mark of `;'"()</-_[]\\%`) MARKS[mark.charCodeAt(0)] = USUAL;
for (const mark of "!?{}@#&+*$") MARKS[mark.charCodeAt(0)] = LESS_USUAL;
for (const mark of ".,:=>") MARKS[mark.charCodeAt(0)] = COMMON;

/** Quarters of a bit by which this byte stands behind that one. */
function worth(before: number, byte: number): number {
  const letter = LETTER_INDEX[byte] as number;
  const last = LETTER_INDEX[before] as number;
  if (letter !== NONE) {
    const inside = last !== NONE && (before & 0x20) !== 0;
    const behind = last === NONE ? CAPITAL : inside ? CAPITAL_INSIDE : CAPITAL_BEHIND_CAPITAL;
    const capital = (byte & 0x20) !== 0 ? 0 : behind;
    // Behind a mark begins what is no word as often as not.
    const follows = last === NONE && before !== 0x20 ? BEHIND_MARK : (FOLLOWS[last * 32 + letter] as number);
    return LETTER + Math.max(LEAST_FOLLOWS, follows) + capital;
  }
  if (byte < 0x20 || byte === 0x7f) return WRONG;
  const end = last === NONE ? 0 : (FOLLOWS[last * 32 + NONE] as number) >> 1;
  if (byte === 0x20) return SPACE + end;
  if (byte < 0x30 || byte > 0x39) return (MARKS[byte] as number) + end;
  if (before >= 0x30 && before <= 0x39) return DIGIT_BEHIND_DIGIT;
  if (before === 0x25) return DIGIT_BEHIND_PERCENT;
  return last === NONE ? DIGIT : DIGIT_BEHIND_LETTER;
}
