/** Finds personal data where numbers stand. */
import { Automaton } from "./automaton.ts";
import { ALNUM, ascii, DIGIT, KIND, LETTER, latin1 } from "./bytes.ts";
import { mod97 } from "./checks.ts";
import { IDENTIFIERS, type Identifier } from "./identifiers.ts";
import { IBAN_LENGTHS, IBAN_RULE, LETTERED, type LetteredIdentifier } from "./lettered-identifiers.ts";
import type { Rule } from "./rule.ts";
import type { PlaceDetector } from "./scanner.ts";
import type { Sink } from "./sink.ts";

/** Bytes before and behind in which a word tells what a number is. */
const NEAR_BEFORE = 48;
const NEAR_BEHIND = 32;
const MAX_SPAN = 44;

const PHONE: Rule = {
  name: "phone-number",
  class: "personal",
  severity: "low",
  issuer: null,
  reason: "a telephone number",
};
const PHONE_WORDS = /phone|\btel\b|\btel[.:]|mobile|\bfax|whatsapp|handynummer|t[ée]l[ée]phone|\bsms\b/i;
const IP: Rule = {
  name: "ip-address",
  class: "personal",
  severity: "low",
  issuer: null,
  reason: "a public IP address",
};

/** Groups packed five bits each → who is written so. */
const byGroups = new Map<number, Identifier[]>();
for (const identifier of IDENTIFIERS) {
  for (const groups of identifier.groups) {
    const key = groups.split("-").reduce((sum, length) => sum * 32 + Number(length), 0);
    const list = byGroups.get(key);
    if (list === undefined) byGroups.set(key, [identifier]);
    else list.push(identifier);
  }
}
/** No identifier has more. */
const MAX_GROUPS = 7;
const MIN_LETTERED = 8;
const MAX_LETTERED = 16;
/** Length without separators, and digits among them → who is so. */
const byMix: LetteredIdentifier[][] = [];
for (let length = 0; length <= MAX_LETTERED; length++) {
  for (let digits = 0; digits < 32; digits++) {
    byMix[length * 32 + digits] = LETTERED.filter(
      (one) =>
        length >= one.lengths[0] && length <= one.lengths[1] && digits >= one.digits[0] && digits <= one.digits[1],
    );
  }
}
/** What every word that tells what a number is has in it: the longest run of letters of each. */
const words = new Automaton(
  [
    ...new Set(
      [...IDENTIFIERS, ...LETTERED]
        .flatMap(({ near }) => near.source.split("|"))
        .concat(PHONE_WORDS.source.split("|"))
        .map(core),
    ),
  ]
    .filter((word) => word.length >= 2)
    .map(ascii),
  { anyDigit: false },
);

function core(alternative: string): string {
  const runs = alternative.replace(/\\[bws]|\(\?:|\[[^\]]*\]\??|.\?/g, "|").match(/[A-Za-z]+/g) ?? [];
  return runs.reduce((longest, run) => (run.length > longest.length ? run : longest), "").toLowerCase();
}

function hasWord(bytes: Uint8Array, start: number, end: number): boolean {
  const { next, columns, shift, firstTelling } = words;
  let state = 0;
  for (let i = start; i < end; i++) {
    state = next[(state << shift) | (columns[bytes[i] as number] as number)] as number;
    if (state >= firstTelling) return true;
  }
  return false;
}

/** Looked at in one go for such a word. */
const WINDOW = 512;

const lengths = new Uint8Array(12);

/** A number begins at `at`, and no digit stands before. */
export const numberAt: PlaceDetector = (bytes, at, sink) => {
  const before = at === 0 ? 0 : (bytes[at - 1] as number);
  if (((KIND[before] as number) & LETTER) !== 0) return letteredAt(bytes, at, sink);
  let groups = 0;
  let total = 0;
  let end = at;
  let separator = 0;
  let i = at;
  // Groups of digits with one and the same separator between them.
  while (groups < lengths.length) {
    const from = i;
    while (i < bytes.length && ((KIND[bytes[i] as number] as number) & DIGIT) !== 0) i++;
    if (i === from || i - from > 20) break;
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
  if (next !== undefined && ((KIND[next] as number) & LETTER) !== 0) {
    return end - at <= 8 || separator !== 0 ? letteredAt(bytes, at, sink) : runEnd(bytes, end);
  }
  if (total < 6) {
    // "AB 12 34 56 C" has its letters apart; "1EG4-…" begins with one digit.
    return groups === 1 && end - at <= 2 && before === 0x20 ? letteredAt(bytes, at, sink) : end;
  }
  if (before === 0x2e && groups === 1) return runEnd(bytes, end);
  if (separator === 0x2e && groups === 4 && total <= 12 && ipv4(bytes, at, end, sink)) return end;
  if (separator === 0x2e && groups === 2) return end;
  let found = tryGroups(bytes, at, end, groups, sink);
  if (found === -1 && groups > 1) {
    // A number of its own before or among others: "4012888888881881 4012-…", "12 3456789012".
    const alone = at + (lengths[0] as number);
    if ((lengths[0] as number) >= 9) {
      lengths[0] = alone - at;
      found = tryGroups(bytes, at, alone, 1, sink);
      if (found !== -1) return found;
    }
  }
  if (found !== -1) return found;
  if (before === 0x2b || (total >= 7 && total <= 15 && groups >= 1)) phone(bytes, at, end, total, sink);
  // Further groups may be of another number.
  return groups > 1 ? at + (lengths[0] as number) : end;
};

function tryGroups(bytes: Uint8Array, at: number, end: number, groups: number, sink: Sink): number {
  let key = 0;
  for (let g = 0; g < groups; g++) key = key * 32 + (lengths[g] as number);
  const candidates = byGroups.get(key);
  if (candidates === undefined) return -1;
  const silent = isSilent(bytes, at, sink);
  if (silent && candidates.every(({ alone }) => alone === null)) return -1;
  const text = latin1(bytes, at, end);
  const digits = groups === 1 ? text : text.replace(/\D/g, "");
  let around = silent ? "" : null;
  let best = -1;
  for (const { rule, check, near, alone } of candidates) {
    if ((silent && alone === null) || !check(digits)) continue;
    around ??= aroundOf(bytes, at, end, sink);
    const named = near.test(around);
    if (!named && alone === null) continue;
    sink.add(rule, at, end, named ? "high" : groups > 1 && rule.name === "us-ssn" ? "medium" : (alone ?? "low"));
    best = end;
    if (named) break;
  }
  return best;
}

/** True when no word stands near that tells what a number is; found out for many numbers at once. */
function isSilent(bytes: Uint8Array, at: number, sink: Sink): boolean {
  if (at < sink.silentUntil) return true;
  if (at < sink.spokenUntil) return false;
  if (sink.looks <= 0) return true;
  const end = Math.min(bytes.length, at + WINDOW);
  if (hasWord(bytes, Math.max(0, at - NEAR_BEFORE), end)) {
    sink.spokenUntil = at + WINDOW / 8;
    return false;
  }
  sink.silentUntil = end === bytes.length ? end : end - NEAR_BEHIND;
  return true;
}

function aroundOf(bytes: Uint8Array, start: number, end: number, sink: Sink): string {
  if (sink.looks <= 0) return "";
  sink.looks--;
  return `${latin1(bytes, Math.max(0, start - NEAR_BEFORE), start)}\n${latin1(bytes, end, Math.min(bytes.length, end + NEAR_BEHIND))}`;
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
  const token = runEnd(bytes, at);
  if (at - start >= 8 || token - start > 34) return token;
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
  const length = token - start - apart;
  if (length >= 3 && length <= MAX_LETTERED && letteredToken(bytes, start, token, length, sink)) return token;
  let end = token;
  let letters = length;
  while (
    end < bytes.length &&
    end - start < 20 &&
    (bytes[end] === 0x20 || bytes[end] === 0x2d || bytes[end] === 0x2e)
  ) {
    const next = runEnd(bytes, end + 1);
    if (next === end + 1 || next - end > 9 || next - start > 20) break;
    letters += next - end - 1;
    end = next;
    if (letters > MAX_LETTERED) break;
    if (letters >= MIN_LETTERED && letteredToken(bytes, start, end, letters, sink)) return end;
  }
  return token;
}

/** `length`: of the token without separators. */
function letteredToken(bytes: Uint8Array, start: number, end: number, length: number, sink: Sink): boolean {
  let digits = 0;
  for (let i = start; i < end; i++) if (((KIND[bytes[i] as number] as number) & DIGIT) !== 0) digits++;
  const candidates = byMix[length * 32 + digits];
  if (candidates === undefined || candidates.length === 0) return false;
  const silent = isSilent(bytes, start, sink);
  let text: string | null = null;
  let around = silent ? "" : null;
  for (const { rule, shape, check, near, alone } of candidates) {
    if (silent && alone === null) continue;
    text ??= latin1(bytes, start, end).replace(/[ .-]/g, "").toUpperCase();
    if (!shape.test(text) || !check(text)) continue;
    around ??= aroundOf(bytes, start, end, sink);
    const named = near.test(around);
    if (!named && alone === null) continue;
    sink.add(rule, start, end, named ? "high" : (alone ?? "low"));
    return true;
  }
  return false;
}

function ibanAt(bytes: Uint8Array, start: number, sink: Sink): number {
  const country = latin1(bytes, start, start + 2);
  const length = IBAN_LENGTHS[country];
  if (length === undefined || sink.looks <= 0) return -1;
  sink.looks--;
  let text = "";
  let i = start;
  for (; i < bytes.length && text.length < length && i - start < MAX_SPAN; i++) {
    const byte = bytes[i] as number;
    if (((KIND[byte] as number) & ALNUM) !== 0) text += String.fromCharCode(byte);
    else if (byte !== 0x20 && byte !== 0x2d) break;
  }
  if (text.length !== length || (i < bytes.length && ((KIND[bytes[i] as number] as number) & ALNUM) !== 0)) return -1;
  const capital = text.toUpperCase();
  if (mod97(capital.slice(4) + capital.slice(0, 4)) !== 1) return -1;
  sink.add(IBAN_RULE, start, i, "high");
  return i;
}

function ipv4(bytes: Uint8Array, at: number, end: number, sink: Sink): boolean {
  const parts = latin1(bytes, at, end).split(".").map(Number);
  const [a = 0, b = 0] = parts;
  if (parts.length !== 4 || parts.some((part) => !(part <= 255))) return false;
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

function phone(bytes: Uint8Array, at: number, end: number, total: number, sink: Sink): void {
  const plus = bytes[at - 1] === 0x2b;
  if (plus && total >= 8 && total <= 15) {
    sink.add(PHONE, at - 1, end, "medium");
    return;
  }
  if (total < 7 || total > 12 || isSilent(bytes, at, sink)) return;
  const text = latin1(bytes, at, end);
  if (/^\d{4}-\d\d-\d\d|\/|^(?:19|20)\d{6}$/.test(text)) return;
  if (!isSilent(bytes, at, sink) && PHONE_WORDS.test(aroundOf(bytes, at, end, sink)))
    sink.add(PHONE, bytes[at - 1] === 0x28 ? at - 1 : at, end, "medium");
}
