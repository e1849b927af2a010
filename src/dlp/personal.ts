/** Finds personal data where numbers stand. */
import { ALNUM, DIGIT, KIND, LETTER, latin1, SMALL } from "./bytes.ts";
import { mod97 } from "./checks.ts";
import { IBAN_LENGTHS, IBAN_RULE } from "./lettered-identifiers.ts";
import {
  groupKey,
  LAYOUTS,
  LONE_LAYOUTS,
  MAX_GROUPS,
  MAX_LETTERED,
  mayGoOn,
  NUMBERS,
  nearTable,
  PHONE_BIT,
} from "./recognizers.ts";
import type { Rule } from "./rule.ts";
import type { PlaceDetector } from "./scanner.ts";
import type { Sink } from "./sink.ts";

const MAX_SPAN = 44;
/** Letters and digits apart: so many words, and bytes, of one identifier. */
const MAX_WORDS = 5;
const MAX_JOINED = 20;
const MIN_LETTERED = 8;
/** Digits in a row. */
const MAX_RUN = 20;

const PHONE: Rule = {
  name: "phone-number",
  class: "personal",
  severity: "low",
  issuer: null,
  reason: "a telephone number",
};
const IP: Rule = {
  name: "ip-address",
  class: "personal",
  severity: "low",
  issuer: null,
  reason: "a public IP address",
};

/** Of the number that is being looked at: how long its groups are, and its digits. */
const lengths = new Uint8Array(12);
const digits = new Uint8Array(64);
/** Of the token that is being looked at: its letters and digits, separators gone, in capitals. */
const token = new Uint8Array(64);

/** A number begins at `at`, and no digit stands before. */
export const numberAt: PlaceDetector = (bytes, at, sink) => {
  const before = at === 0 ? 0 : (bytes[at - 1] as number);
  if (((KIND[before] as number) & LETTER) !== 0) return letteredAt(bytes, at, sink);
  if (bytes[at + 1] === 0x2e) {
    const end = fractionEnd(bytes, at + 2);
    if (end !== -1) return end;
  }
  let groups = 0;
  let total = 0;
  let end = at;
  let separator = 0;
  let i = at;
  // Groups of digits with one and the same separator between them.
  while (groups < lengths.length) {
    const from = i;
    while (i < bytes.length && ((KIND[bytes[i] as number] as number) & DIGIT) !== 0 && i - from <= MAX_RUN) {
      digits[total + i - from] = (bytes[i] as number) - 48;
      i++;
    }
    // No identifier is so long, and none begins within it.
    if (i - from > MAX_RUN && groups === 0) return runEnd(bytes, i);
    if (i === from || i - from > MAX_RUN) break;
    lengths[groups++] = i - from;
    total += i - from;
    end = i;
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x2d && byte !== 0x2e && byte !== 0x2f) break;
    if (separator !== 0 && byte !== separator && (separator === 0x2d || separator === 0x20 || byte === 0x2e)) break;
    if (total >= 19 || groups > MAX_GROUPS) break;
    separator = byte;
    i++;
  }
  if (groups > MAX_GROUPS) return end;
  if (before === 0x20 && lengths[0] === 2 && groups >= 3 && ((KIND[bytes[at - 2] ?? 0] as number) & LETTER) !== 0)
    letteredAt(bytes, at, sink);
  const next = bytes[end];
  if (before !== 0x2e && mayBeDecimal(bytes, end, { groups, separator })) {
    const decimal = decimalAt(bytes, at, sink);
    if (decimal !== -1) return decimal;
  }
  if (next !== undefined && ((KIND[next] as number) & LETTER) !== 0) {
    return end - at <= 8 || separator !== 0 ? letteredAt(bytes, at, sink) : runEnd(bytes, end);
  }
  if (total < 6) {
    // "AB 12 34 56 C" has its letters apart; "1EG4-…" begins with one digit.
    return groups === 1 && end - at <= 2 && before === 0x20 ? letteredAt(bytes, at, sink) : end;
  }
  if (before === 0x2e && groups === 1) return runEnd(bytes, end);
  if (separator === 0x2e && groups === 4 && total <= 12 && ipv4(at, end, sink)) return end;
  if (separator === 0x2e && groups === 2) return end;
  let found = tryGroups(at, end, groups, sink);
  if (found === -1 && groups > 1) {
    // A number of its own before or among others: "4012888888881881 4012-…", "12 3456789012".
    const alone = at + (lengths[0] as number);
    if ((lengths[0] as number) >= 9) {
      lengths[0] = alone - at;
      found = tryGroups(at, alone, 1, sink);
      if (found !== -1) return found;
    }
  }
  if (found !== -1) return found;
  if (before === 0x2b || (total >= 7 && total <= 15 && groups >= 1)) phone(bytes, at, end, total, sink);
  // Further groups may be of another number.
  return groups > 1 ? at + (lengths[0] as number) : end;
};

/** Where a fraction behind one digit and a point ends when nothing follows that a number may go on with, or -1: nobody is written so. */
function fractionEnd(bytes: Uint8Array, from: number): number {
  let end = from;
  while (((KIND[bytes[end] ?? 0] as number) & DIGIT) !== 0 && end - from <= MAX_RUN) end++;
  if (end === from || end - from > MAX_RUN) return -1;
  const next = bytes[end] ?? 0;
  const on = ((KIND[next] as number) & ALNUM) !== 0 || next === 0x20 || (next >= 0x2d && next <= 0x2f);
  return on ? -1 : end;
}

const LONG = 13;
const MAX_DECIMAL = 64;

/** True when what ends at `end` may be a whole number that is written with a fraction or an exponent. */
function mayBeDecimal(bytes: Uint8Array, end: number, { groups, separator }: { groups: number; separator: number }) {
  const exponent = ((bytes[end] ?? 0) | 0x20) === 0x65;
  if (groups === 1) return exponent || (bytes[end] === 0x2e && isDigit(bytes[end + 1]));
  return separator === 0x2e && groups === 2 && (exponent || (lengths[0] as number) >= LONG);
}

/** `4111111111111111.0`, `4.111111111111111e15`: where it ends, or -1 when nobody is written so. */
function decimalAt(bytes: Uint8Array, at: number, sink: Sink): number {
  let total = 0;
  let point: number | null = null;
  let i = at;
  for (const most = at + MAX_DECIMAL; i < most; i++) {
    if (isDigit(bytes[i])) {
      // Zeros in front are no digits of it.
      if (total > 0 || bytes[i] !== 0x30) digits[total++] = (bytes[i] as number) - 48;
      else if (point !== null) point--;
    } else if (bytes[i] === 0x2e && point === null && isDigit(bytes[i + 1])) point = total;
    else break;
  }
  let whole = point ?? total;
  if (((bytes[i] ?? 0) | 0x20) === 0x65) {
    const sign = bytes[i + 1];
    let from = sign === 0x2b || sign === 0x2d ? i + 2 : i + 1;
    let exponent = 0;
    const first = from;
    while (isDigit(bytes[from]) && from - first < 4) exponent = exponent * 10 + (bytes[from++] as number) - 48;
    if (from === first) return -1;
    whole += sign === 0x2d ? -exponent : exponent;
    i = from;
  }
  if (whole < LONG || whole > 19 || ((KIND[bytes[i] ?? 0] as number) & ALNUM) !== 0) return -1;
  for (let n = whole; n < total; n++) if (digits[n] !== 0) return -1;
  for (let n = total; n < whole; n++) digits[n] = 0;
  lengths[0] = whole;
  return tryGroups(at, i, 1, sink);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function tryGroups(at: number, end: number, groups: number, sink: Sink): number {
  const candidates = NUMBERS.get(groupKey(lengths, groups));
  if (candidates === undefined) return -1;
  let total = 0;
  for (let g = 0; g < groups; g++) total += lengths[g] as number;
  sink.near.look(nearTable(), at, end, end);
  const { low, high } = sink.near;
  let best = -1;
  for (const { of, low: lowBit, high: highBit } of candidates) {
    const named = (low & lowBit) !== 0 || (high & highBit) !== 0;
    const { rule, alone, check } = of;
    if ((!named && alone === null) || !check(digits, total)) continue;
    sink.add(rule, at, end, named ? "high" : groups > 1 && rule.name === "us-ssn" ? "medium" : (alone ?? "low"));
    best = end;
    if (named) break;
  }
  return best;
}

function runEnd(bytes: Uint8Array, from: number): number {
  let end = from;
  while (end < bytes.length && ((KIND[bytes[end] as number] as number) & ALNUM) !== 0) end++;
  return end;
}

/** Letters and digits mixed: the token around `at`, and the same with blanks or dashes taken out. */
function letteredAt(bytes: Uint8Array, at: number, sink: Sink): number {
  let start = at;
  while (start > 0 && at - start < 8 && ((KIND[bytes[start - 1] as number] as number) & ALNUM) !== 0) start--;
  const last = runEnd(bytes, at);
  if (at - start >= 8 || last - start > 34) return last;
  // "AB 12 34 56 C": the letters stand apart.
  let apart = 0;
  if (
    start === at &&
    at >= 3 &&
    bytes[at - 1] === 0x20 &&
    ((KIND[bytes[at - 2] as number] as number) & LETTER) !== 0 &&
    ((KIND[bytes[at - 3] as number] as number) & LETTER) !== 0 &&
    ((KIND[bytes[at - 4] ?? 0] as number) & ALNUM) === 0
  ) {
    start = at - 3;
    apart = 1;
  }
  const first = bytes[start] as number;
  if (
    ((KIND[first] as number) & LETTER) !== 0 &&
    at - start === 2 &&
    ((KIND[bytes[at + 1] ?? 0] as number) & DIGIT) !== 0
  ) {
    const iban = ibanAt(bytes, start, sink);
    if (iban !== -1) return iban;
  }
  let length = last - start - apart;
  if (length > MAX_LETTERED) return last;
  length = gather(bytes, start, last, 0);
  spoken = null;
  if (length >= 3 && letteredToken(start, last, length, sink)) return last;
  let end = last;
  for (
    let words = 1;
    words < MAX_WORDS &&
    (mayGoOn(digitMask, length) || isSpoken(start, end, sink)) &&
    end < bytes.length &&
    end - start < MAX_JOINED &&
    (bytes[end] === 0x20 || bytes[end] === 0x2d || bytes[end] === 0x2e);
    words++
  ) {
    const next = wordEnd(bytes, end + 1, start + MAX_JOINED + 1);
    if (next === end + 1 || next - end > 9 || next - start > MAX_JOINED) break;
    length = gather(bytes, end + 1, next, length);
    end = next;
    if (length > MAX_LETTERED) break;
    if (length >= MIN_LETTERED && letteredToken(start, end, length, sink)) return end;
  }
  return last;
}

function wordEnd(bytes: Uint8Array, from: number, limit: number): number {
  const most = Math.min(bytes.length, limit);
  let end = from;
  while (end < most && ((KIND[bytes[end] as number] as number) & ALNUM) !== 0) end++;
  return end;
}

/** `length`: of the token without separators, whose letters and digits `gather` has put down. */
function letteredToken(start: number, end: number, length: number, sink: Sink): boolean {
  const candidates = (spoken === false ? LONE_LAYOUTS : LAYOUTS)[length];
  if (candidates === undefined || candidates.length === 0) return false;
  let text: string | null = null;
  let looked = false;
  for (const { recognizer, digitsAt, lettersAt } of candidates) {
    if ((digitMask & digitsAt) !== digitsAt || (digitMask & lettersAt) !== 0) continue;
    const { rule, shape, check, alone, capitals } = recognizer.of;
    if (capitals === true && hasSmall) continue;
    if (!looked) {
      const is = isSpoken(start, end, sink);
      sink.near.low = sink.near.high = 0;
      if (is) sink.near.look(nearTable(), start, end, end);
      looked = true;
    }
    const named = (sink.near.low & recognizer.low) !== 0 || (sink.near.high & recognizer.high) !== 0;
    if (!named && alone === null) continue;
    text ??= latin1(token, 0, length);
    if (!shape.test(text) || !check(text)) continue;
    sink.add(rule, start, end, named ? "high" : (alone ?? "low"));
    return true;
  }
  return false;
}

/** Whether any word at all stands near what may begin where the token does; null: nobody has looked. */
let spoken: boolean | null = null;
function isSpoken(start: number, end: number, sink: Sink): boolean {
  spoken ??= sink.near.look(nearTable(), start, start, Math.max(end, start + MAX_JOINED));
  return spoken;
}

/** Which of the first bytes of `token` are digits, a bit each. */
let digitMask = 0;
/** A letter of `token` was a small one. */
let hasSmall = false;

/** Puts letters and digits from `from` to before `end` behind the first `length` of `token`. Answers how many are there. */
function gather(bytes: Uint8Array, from: number, end: number, length: number): number {
  let to = length;
  if (to === 0) {
    digitMask = 0;
    hasSmall = false;
  }
  for (let i = from; i < end && to < token.length; i++) {
    const byte = bytes[i] as number;
    const kind = (KIND[byte] as number) & ALNUM;
    if (kind === 0) continue;
    if (kind === DIGIT) digitMask |= 1 << to;
    else if (kind === SMALL) hasSmall = true;
    token[to++] = kind === DIGIT ? byte : byte & 0xdf;
  }
  return to;
}

function ibanAt(bytes: Uint8Array, start: number, sink: Sink): number {
  const length = IBAN_LENGTHS[((bytes[start] as number) - 0x41) * 26 + (bytes[start + 1] as number) - 0x41] ?? 0;
  if (length === 0 || ((bytes[start] as number) | (bytes[start + 1] as number)) > 0x5f) return -1;
  let count = 0;
  let i = start;
  for (; i < bytes.length && count < length && i - start < MAX_SPAN; i++) {
    const byte = bytes[i] as number;
    const kind = (KIND[byte] as number) & ALNUM;
    if (kind !== 0) token[count++] = kind === DIGIT ? byte : byte & 0xdf;
    else if (byte !== 0x20 && byte !== 0x2d) break;
  }
  if (count !== length || (i < bytes.length && ((KIND[bytes[i] as number] as number) & ALNUM) !== 0)) return -1;
  if (mod97(token, length, 4) !== 1) return -1;
  sink.add(IBAN_RULE, start, i, "high");
  return i;
}

/** Four groups of digits with dots between. */
function ipv4(at: number, end: number, sink: Sink): boolean {
  let to = 0;
  for (let g = 0; g < 4; g++) {
    let value = 0;
    for (let n = 0; n < (lengths[g] as number); n++) value = value * 10 + (digits[to++] as number);
    if (value > 255) return false;
    parts[g] = value;
  }
  const [a = 0, b = 0] = parts;
  const inner =
    a === 10 ||
    a === 127 ||
    a === 0 ||
    a >= 224 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128);
  sink.add(IP, at, end, inner || a < 20 ? "low" : "medium");
  return true;
}

const parts = new Uint8Array(4);

function phone(bytes: Uint8Array, at: number, end: number, total: number, sink: Sink): void {
  if (bytes[at - 1] === 0x2b && total >= 8 && total <= 15) {
    sink.add(PHONE, at - 1, end, "medium");
    return;
  }
  if (total < 7 || total > 12) return;
  const first = lengths[0] as number;
  // Days: 2024-05-11, 20240511, 11/05/2024.
  if (first === 4 && lengths[1] === 2 && lengths[2] === 2 && bytes[at + 4] === 0x2d) return;
  if (
    end - at === 8 &&
    total === 8 &&
    (digits[0] as number) * 10 + (digits[1] as number) <= 20 &&
    (digits[0] as number) > 0
  )
    return;
  if (bytes[at + first] === 0x2f && end > at + first) return;
  if (!sink.near.look(nearTable(), at, end, end) || (sink.near.high & PHONE_BIT) === 0) return;
  sink.add(PHONE, bytes[at - 1] === 0x28 ? at - 1 : at, end, "medium");
}
