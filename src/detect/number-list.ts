/**
 * Lists of decimal, octal or binary numbers. Where some numbers of a list that is nothing are another one by themselves (in
 * hexadecimal), those behind them are looked at again, and so are parts of a list that is longer than what is undone at a
 * time: each list is read once, and whatever is asked of it later goes on from what was found out before.
 */
import { faultIn, isText, mayBegin } from "./_text.ts";
import { ASCII_ROOM, MAX_LETTERS_INPUT } from "./letters.ts";

const LEAST_DECIMAL = 6;
const LEAST_POSITIONS = 12;
const LEAST_BINARY = 4;
/** Of one number: a byte in bits. */
const MOST_DIGITS = 8;
const LARGE_DIGITS = 4;
const MAX_GAP = 24;
/** That are undone at a time. */
export const MAX_NUMBERS = 16 * 1024;
/** In a list of letters by their numbers; one more is a space. */
const LAST_LETTER = 27;
/** What is beyond may be octal. */
const LAST_ASCII = 126;

export const IS_DIGIT = new Uint8Array(256).fill(1, 0x30, 0x3a);

/** A digit each, and something between them. */
const MOST = (MAX_LETTERS_INPUT + ASCII_ROOM) / 2 + 1;
const places = new Int32Array(MOST);
/** The characters that each number stands for. */
const tens = new Uint8Array(MOST);
const eights = new Uint8Array(MOST);
const twos = new Uint8Array(MOST);
/** What is told of each. */
const told = new Uint8Array(MOST);
/** It is no character in bits. */
const PLAIN = 1;
const NO_LETTER = 2;
const NO_ASCII = 4;
const NO_OCTAL = 8;
const FLAGS = 16;

/** The list that was read last: its numbers, and the one that was asked for last. */
let count = 0;
let index = 0;
/** The last that is plain: a list that begins behind it may go on where this one ended. */
let lastPlain = -1;
/** A number that is none of the list ended it; whether its digits, which count, are octal. */
let isEnded = false;
let endsOctal = true;
let end = 0;
/** The next number for which each flag is set. */
const next = new Int32Array(FLAGS);
/** Up to `until` no number begins a text: that is clear at `fault`. Of eights, and of tens. */
const until = new Int32Array(2);
const fault = new Int32Array(2);

const out = new Uint8Array(MAX_NUMBERS);

/** What was asked for last. */
export const asked: { text: Uint8Array; behind: number; passed: number } = {
  /** What the list says, when it says something, and where it ends. */
  text: out,
  behind: 0,
  /** Before it no other list begins. */
  passed: 0,
};

/** Before the first part of a text. */
export function beginLists(): void {
  count = 0;
}

/** How the list is written that begins with the digit at `from` of ASCII `text`, or null when there is none; see `asked`. */
export function listAt(text: Uint8Array, from: number): string | null {
  if (count > 1 && from >= (places[index] as number) && from < (places[count - 1] as number)) {
    while ((places[index] as number) < from) index += 1;
    if (index <= lastPlain) return saidFrom(text, index);
  }
  read(text, from);
  return saidFrom(text, 0);
}

function read(text: Uint8Array, from: number): void {
  const { length } = text;
  let gapFrom = -1;
  let gapLength = 0;
  let bits = true;
  let i = from;
  count = index = 0;
  lastPlain = -1;
  isEnded = false;
  end = from + 1;
  while (count < MOST) {
    // Most numbers are none of a list: told before they are read, as long as those before them are nothing by themselves.
    if (count < LEAST_BINARY && isLarge(text, i)) {
      count = 0;
      end = i + LARGE_DIGITS;
      return;
    }
    const start = i;
    let digits = 0;
    let most = 0;
    let ten = 0;
    let eight = 0;
    let two = 0;
    while (i < length && IS_DIGIT[text[i] as number] === 1 && digits <= MOST_DIGITS) {
      const digit = (text[i] as number) - 0x30;
      if (digit > most) most = digit;
      ten = ten * 10 + digit;
      eight = (eight << 3) | digit;
      two = (two << 1) | digit;
      digits += 1;
      i += 1;
    }
    const inBits = most <= 1 && (digits === 7 || digits === 8);
    if (!inBits) bits = false;
    if (digits > MOST_DIGITS || (!bits && ten > 255)) {
      isEnded = true;
      endsOctal = most <= 7;
      // It may begin another list only if all of its digits are bits.
      if (!inBits) end = i;
      break;
    }
    if (!inBits) lastPlain = count;
    places[count] = start;
    tens[count] = ten;
    eights[count] = ten > 255 ? 64 * Math.floor(ten / 100) + 8 * (Math.floor(ten / 10) % 10) + (ten % 10) : eight;
    twos[count] = two;
    told[count++] =
      (inBits ? 0 : PLAIN) |
      (ten > LAST_LETTER ? NO_LETTER : 0) |
      (ten > LAST_ASCII ? NO_ASCII : 0) |
      (most > 7 ? NO_OCTAL : 0);
    end = i;
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
  next[PLAIN] = next[NO_LETTER] = next[NO_ASCII] = next[NO_OCTAL] = 0;
  until[0] = until[1] = -1;
}

/** What the numbers from `first` on say, as many as are undone at a time. */
function saidFrom(text: Uint8Array, first: number): string | null {
  const last = Math.min(count, first + MAX_NUMBERS);
  const whole = count - first < MAX_NUMBERS;
  asked.passed = end;
  if (last - first < LEAST_BINARY) return null;
  let behind = places[last - 1] as number;
  while (IS_DIGIT[text[behind] ?? 0] === 1) behind += 1;
  asked.behind = behind;
  if (!whole) asked.passed = behind;
  const ended = whole && isEnded;
  if (!ended && nextOf(PLAIN, first) >= last && isText(twos, first, last)) return says(twos, first, last, "binary");
  if (last - first < LEAST_DECIMAL) return null;
  if (last - first >= LEAST_POSITIONS && nextOf(NO_LETTER, first) >= last) {
    for (let i = first; i < last; i++) {
      const value = tens[i] as number;
      out[i - first] = value >= 1 && value <= 26 ? 0x60 + value : 0x20;
    }
    asked.text = out.subarray(0, last - first);
    return "letter numbers";
  }
  const octal = (!ended || endsOctal) && nextOf(NO_OCTAL, first) >= last && nextOf(NO_ASCII, first) < last;
  if (octal && areText(0, first, last)) return says(eights, first, last, "octal");
  return areText(1, first, last) ? says(tens, first, last, "decimal") : null;
}

function says(characters: Uint8Array, first: number, last: number, kind: string): string {
  asked.text = characters.subarray(first, last);
  return kind;
}

/** The first number from `first` on for which the flag is set. No number is asked for before one that was asked for before. */
function nextOf(flag: number, first: number): number {
  let at = Math.max(next[flag] as number, first);
  while (at < count && ((told[at] as number) & flag) === 0) at += 1;
  next[flag] = at;
  return at;
}

/** Whether eights (0) or tens (1) are text; where they cease to be is kept. */
function areText(which: 0 | 1, first: number, last: number): boolean {
  if (first <= (until[which] as number) && (fault[which] as number) < last) return false;
  const characters = which === 0 ? eights : tens;
  const at = faultIn(characters, first, last);
  if (at === last) return isText(characters, first, last);
  fault[which] = at;
  // What is within a character begins none.
  until[which] = mayBegin(characters[at] as number) ? at - 1 : at;
  return false;
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
