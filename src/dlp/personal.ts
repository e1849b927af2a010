/** Finds personal data where numbers and `@` stand. */
import { ALNUM, DIGIT, KIND, LETTER, latin1 } from "./bytes.ts";
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
const PHONE_WORDS = /phone|tel\b|tel[.:]|mobile|cell|fax|call|whatsapp|handy|t[ée]l|sms|contact/i;
const IP: Rule = {
  name: "ip-address",
  class: "personal",
  severity: "low",
  issuer: null,
  reason: "a public IP address",
};
const EMAIL: Rule = {
  name: "email-address",
  class: "personal",
  severity: "low",
  issuer: null,
  reason: "an e-mail address",
};

const byGroups = new Map<string, Identifier[]>();
for (const identifier of IDENTIFIERS) {
  for (const groups of identifier.groups) {
    const list = byGroups.get(groups);
    if (list === undefined) byGroups.set(groups, [identifier]);
    else list.push(identifier);
  }
}
/** Lengths and groupings that any identifier has, packed, so that most numbers are told apart by a look. */
const lettered: readonly LetteredIdentifier[] = LETTERED;

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
    if (separator !== 0 && byte !== separator) break;
    if (total >= 19) break;
    separator = byte;
    i++;
  }
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
  let key = `${lengths[0]}`;
  for (let g = 1; g < groups; g++) key += `-${lengths[g]}`;
  const candidates = byGroups.get(key);
  if (candidates === undefined) return -1;
  const text = latin1(bytes, at, end);
  const digits = groups === 1 ? text : text.replace(/\D/g, "");
  let around: string | null = null;
  let best = -1;
  for (const { rule, check, near, alone } of candidates) {
    if (!check(digits)) continue;
    around ??= aroundOf(bytes, at, end);
    const named = near.test(around);
    if (!named && alone === null) continue;
    sink.add(
      rule,
      at,
      end,
      named
        ? "high"
        : alone === null
          ? "low"
          : groups > 1 && alone === "low" && rule.name === "us-ssn"
            ? "medium"
            : alone,
    );
    best = end;
    if (named) break;
  }
  return best;
}

function aroundOf(bytes: Uint8Array, start: number, end: number): string {
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
  if (
    start === at &&
    at >= 3 &&
    bytes[at - 1] === 0x20 &&
    ((KIND[bytes[at - 2] as number] as number) & LETTER) !== 0 &&
    ((KIND[bytes[at - 3] as number] as number) & LETTER) !== 0 &&
    ((KIND[bytes[at - 4] ?? 0] as number) & ALNUM) === 0
  )
    start = at - 3;
  const first = bytes[start] as number;
  if (
    ((KIND[first] as number) & LETTER) !== 0 &&
    at - start === 2 &&
    ((KIND[bytes[at + 1] ?? 0] as number) & DIGIT) !== 0
  ) {
    const iban = ibanAt(bytes, start, sink);
    if (iban !== -1) return iban;
  }
  // Identifiers are eight characters or more: most tokens are told by their length.
  if (token - start >= 6 && token - start <= 16 && letteredToken(bytes, start, token, sink)) return token;
  let end = token;
  let joined = 0;
  while (
    end < bytes.length &&
    end - start < 20 &&
    (bytes[end] === 0x20 || bytes[end] === 0x2d || bytes[end] === 0x2e)
  ) {
    const next = runEnd(bytes, end + 1);
    if (next === end + 1 || next - end > 9 || next - start > 20) break;
    end = next;
    joined++;
    if (end - start >= 9 && letteredToken(bytes, start, end, sink)) return end;
  }
  return joined > 0 ? token : token;
}

function letteredToken(bytes: Uint8Array, start: number, end: number, sink: Sink): boolean {
  const text = latin1(bytes, start, end).replace(/[ .-]/g, "").toUpperCase();
  let around: string | null = null;
  for (const { rule, shape, check, near, alone } of lettered) {
    if (!shape.test(text) || !check(text)) continue;
    around ??= aroundOf(bytes, start, end);
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
  if (length === undefined) return -1;
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
  if (parts.some((part) => part > 255)) return false;
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
  const text = latin1(bytes, at, end);
  if (total < 7 || total > 12 || /^\d{4}-\d\d-\d\d|\//.test(text)) return;
  if (PHONE_WORDS.test(aroundOf(bytes, at, end))) sink.add(PHONE, bytes[at - 1] === 0x28 ? at - 1 : at, end, "medium");
}

const LOCAL = /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]/;
const isLocal = new Uint8Array(256).map((_, code) => (code < 128 && LOCAL.test(String.fromCharCode(code)) ? 1 : 0));

/** An `@`: the address around it. */
export const emailAt: PlaceDetector = (bytes, at, sink) => {
  let start = at;
  while (start > 0 && at - start < 64 && isLocal[bytes[start - 1] as number] === 1) start--;
  let end = at + 1;
  let dot = -1;
  for (; end < bytes.length && end - at < 255; end++) {
    const byte = bytes[end] as number;
    if (byte === 0x2e) dot = end;
    else if (((KIND[byte] as number) & ALNUM) === 0 && byte !== 0x2d) break;
  }
  if (dot === end - 1) {
    end--;
    dot = latin1(bytes, at, end).lastIndexOf(".") + at;
  }
  if (start === at || dot <= at + 1 || end - dot < 3 || ((KIND[bytes[dot + 1] as number] as number) & LETTER) === 0)
    return at + 1;
  const host = latin1(bytes, at + 1, end).toLowerCase();
  sink.add(
    EMAIL,
    start,
    end,
    /(?:^|\.)example\.|\.(?:test|invalid|local|png|jpe?g|gif|js|css)$/.test(host) ? "low" : "medium",
  );
  return end;
};
