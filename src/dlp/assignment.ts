/** Secrets told by the name they are given: `api_key = "…"`, `"password": "…"`, `--token …`, `Authorization: Basic …`. */
import { ALNUM, ascii, CAPITAL, DIGIT, KIND, LETTER, latin1, SMALL, SPACE, TOKEN } from "./bytes.ts";
import { entropy, isPlaceholder } from "./placeholder.ts";
import { type Confidence, secretRule } from "./rule.ts";
import type { Sink } from "./sink.ts";
import type { Detector } from "./vendor-keys.ts";

const SECRET = secretRule("generic-secret", null, "a random value under a name that says it is secret");
const PASSWORD = secretRule("password", null, "a password under its name");
const AUTHORIZATION = secretRule("authorization", null, "credentials of an HTTP authorization");

const MAX_NAME = 48;
const MAX_GAP = 24;
const MAX_VALUE = 512;
const MIN_VALUE = 6;

/** 0: a token, judged by how random it is; 1: a password, which people may have made up; 2: a scheme of HTTP. */
type Sort = 0 | 1 | 2;

const KEYWORDS: readonly (readonly [string, Sort])[] = [
  ["token", 0],
  ["secret", 0],
  ["key", 0],
  ["cred", 0],
  ["auth", 0],
  ["passw", 1],
  ["passphrase", 1],
  ["pwd", 1],
  ["bearer ", 2],
  ["basic ", 2],
];

/** What may stand between keyword and sign without making it the name of something else. */
const NOT_SECRET =
  /name|count|limit|path|file|url|uri|type|size|length|expir|izer|usage|ttl|index|word|board|stone|note|frame|pair|space|code|policy|min|max|field|header|prefix|suffix|regex|pattern|hint|label|reset|forgot|format|version|public|or$|ority|ors|enticat|entit|enc$|endpoint|scope|method|required|enabled|error|ref|id$|ids$|ing$|down$|up$/i;
/** What stands before a keyword that is no secret of its own. */
const NO_SECRET_BEFORE =
  /public|pub|primary|foreign|sort|partition|cache|idempot|hot|mon|tur|don|object|index|map|dict|lookup|sha256|page|next|cursor|max_|min_|num_|prompt|completion|input|output|eos|bos|pad|mask|unk|special|cls|sep|csrf.*meta/i;

export function assignments(): Detector[] {
  return KEYWORDS.map(([word, sort]) => ({
    literal: ascii(word),
    fold: true,
    next: null,
    found: (bytes, at, sink) =>
      sort === 2 ? headerAt(bytes, at + word.length, word, sink) : assignedAt(bytes, at, word, sort, sink),
  }));
}

const DASH = 0x2d;

/** A keyword stands at `at`: finds the sign and the value behind the rest of its name. */
function assignedAt(bytes: Uint8Array, at: number, word: string, sort: Sort, sink: Sink): void {
  if (at < sink.judged) return;
  let end = at + word.length;
  const limit = Math.min(bytes.length, end + MAX_NAME);
  while (end < limit && isName(bytes[end] as number)) end++;
  if (end === limit && end < bytes.length) return;
  let i = end;
  // A closing quote, backslashes of an outer string, a bracket: `"token\":`, `['token'] =`.
  let closed = false;
  for (let n = 0; n < 6 && i < bytes.length; n++, i++) {
    const byte = bytes[i] as number;
    if (byte === 0x22 || byte === 0x27 || byte === 0x60) closed = true;
    else if (byte !== 0x5c && byte !== 0x5d) break;
  }
  const spaced = skipSpace(bytes, i, 8);
  let sign = signAt(bytes, spaced, closed);
  let flag = false;
  if (sign === spaced) {
    // `var token string = "…"`, and `--token value`.
    const typed = typedSign(bytes, spaced);
    if (typed !== -1) sign = typed;
    else if (spaced > i && isFlag(bytes, at)) flag = true;
    else return;
  }
  valueAt(bytes, flag ? spaced : skipSpace(bytes, sign, MAX_GAP), { at, end, word, sort }, sink);
}

interface Named {
  readonly at: number;
  readonly end: number;
  readonly word: string;
  readonly sort: Sort;
}

function valueAt(bytes: Uint8Array, from: number, named: Named, sink: Sink): void {
  let start = from;
  while (bytes[start] === 0x5c) start++;
  const quote = bytes[start] as number;
  const quoted = quote === 0x22 || quote === 0x27 || quote === 0x60;
  if (quoted) start++;
  start = behindScheme(bytes, start);
  let end = start;
  const limit = Math.min(bytes.length, start + MAX_VALUE + 1);
  let kinds = 0;
  while (end < limit) {
    const byte = bytes[end] as number;
    if (byte === 0x0a || byte === 0x0d || byte === 0x22 || byte === 0x5c) break;
    if (quoted ? byte === quote : ENDS[byte] === 1) break;
    kinds |= KIND[byte] as number;
    end++;
  }
  // Names within a value are no names of their own.
  sink.judged = end;
  if (end === limit && end < bytes.length) return;
  if (!quoted && (bytes[end] === 0x28 || bytes[end] === 0x5b)) return;
  // A sentence's full stop.
  if (!quoted && bytes[end - 1] === 0x2e) end--;
  if (end - start < MIN_VALUE) return;
  // Most values are words: told without making strings of them.
  if ((kinds & DIGIT) === 0 && (named.sort === 1 ? !quoted : end - start < 20 || (kinds & LETTER) !== LETTER)) return;
  if (sink.judgements-- <= 0) return;
  const value = latin1(bytes, start, end);
  const name = latin1(bytes, named.at + named.word.length, named.end);
  const before = latin1(bytes, Math.max(0, named.at - 16), named.at);
  const own = /[\w.-]*$/.exec(before)?.[0] ?? "";
  if (named.sort === 0) {
    if (NOT_SECRET.test(name) || NO_SECRET_BEFORE.test(own)) return;
    const confidence = randomness(value, quoted, named.word === "key" && own === "");
    if (confidence !== null) sink.add(SECRET, start, end, confidence);
    return;
  }
  if (NOT_SECRET.test(name.replace(/^ord|^hrase|^d/i, ""))) return;
  const confidence = passwordness(value, quoted);
  if (confidence !== null) sink.add(PASSWORD, start, end, confidence);
}

/** How sure a value is random; null when it is not. `weak`: the name alone says little. Every expression here is linear. */
function randomness(value: string, quoted: boolean, weak: boolean): Confidence | null {
  if (value.length < 10 || value.length > 400) return null;
  const { digits, letters, humps, islands } = featuresOf(value);
  if (digits === 0 && !(value.length >= 20 && humps >= 4)) return null;
  if (digits < 2 && value.length < 16) return null;
  if (/[\s(){}[\]$<>|]/.test(value)) return null;
  if (/^(?:https?|file|ftp|s3|gs|arn|urn|projects|data|sha\d{1,3}|git):?[:/-]/i.test(value) || /^[./~]/.test(value))
    return null;
  // Words with a number behind them, versions, dates, dotted names.
  if (digits < 5 && islands < 2 && /^[A-Za-z]+(?:[-_. ][A-Za-z]+)*[-_.]?\d{0,4}$/.test(value)) return null;
  if (letters < 3 && /^[\d.,:/T Z+-]+$/.test(value) && !/^\d{15,}$/.test(value)) return null;
  if (!quoted && /^[A-Za-z_]+(?:\.[A-Za-z_]\w*)+$/.test(value)) return null;
  const bits = entropy(value);
  const needed = /^[0-9a-f-]+$/i.test(value) ? 2.6 : value.length < 16 ? 2.9 : 3.1;
  if (bits < needed || isPlaceholder(value)) return null;
  if (weak) return bits > 3.5 && value.length >= 20 && letters > 0 && digits >= 3 ? "medium" : null;
  return value.length >= 16 && digits >= 2 && letters >= 2 ? "high" : "medium";
}

interface Features {
  readonly digits: number;
  readonly letters: number;
  /** Capitals behind small letters. */
  readonly humps: number;
  /** Runs of digits with a letter on either side. */
  readonly islands: number;
}

function featuresOf(value: string): Features {
  let digits = 0;
  let letters = 0;
  let humps = 0;
  let islands = 0;
  let before = 0;
  let wet = false;
  for (let i = 0; i < value.length; i++) {
    const kind = (KIND[value.charCodeAt(i) & 255] as number) & ALNUM;
    if (kind === DIGIT) {
      digits++;
      if (before !== DIGIT) wet = (before & LETTER) !== 0;
    } else if (kind !== 0) {
      letters++;
      if (before === DIGIT && wet) islands++;
      if (before === SMALL && kind === CAPITAL) humps++;
    }
    before = kind;
  }
  return { digits, letters, humps, islands };
}

function passwordness(value: string, quoted: boolean): Confidence | null {
  if (value.length < 6 || value.length > 128 || isPlaceholder(value)) return null;
  if (
    /[\s(){}[\]<>|;]/.test(value) ||
    /^(?:\$|%|@|process\.|os\.|env[.[]|self\.|this\.|req\.|data:|https?:)/.test(value)
  )
    return null;
  if (
    /^(?:pass(?:word|wd|phrase)?|secret|string|null|none|undefined|required|optional|true|false|hash\w*|text|input|hidden)\d{0,3}$/i.test(
      value,
    )
  )
    return null;
  if (!quoted && /^[a-zA-Z_]+(?:\.[a-zA-Z_]+)*$/.test(value)) return null;
  const digit = /\d/.test(value);
  const letter = /[A-Za-z]/.test(value);
  const special = /[^A-Za-z0-9_.-]/.test(value);
  if ((digit && letter && value.length >= 12 && entropy(value) >= 3) || (digit && letter && special)) return "medium";
  if (digit && letter) return "low";
  return quoted && (special || value.length >= 10) && letter ? "low" : null;
}

/** `Bearer x`, `Basic x`: what stands behind the scheme. */
function headerAt(bytes: Uint8Array, at: number, word: string, sink: Sink): void {
  let end = at;
  const limit = Math.min(bytes.length, at + MAX_VALUE);
  while (end < limit && ((KIND[bytes[end] as number] as number) & TOKEN) !== 0) end++;
  if (end - at < 12) return;
  const value = latin1(bytes, at, end);
  if (isPlaceholder(value)) return;
  if (word === "basic ") {
    const plain = fromBasic(value);
    if (plain === null) return;
    const password = plain.slice(plain.indexOf(":") + 1);
    if (password.length >= 4 && !isPlaceholder(password)) sink.add(AUTHORIZATION, at, end, "high");
    return;
  }
  const confidence = randomness(value, true, false);
  if (confidence !== null && value.length >= 20) sink.add(AUTHORIZATION, at, end, confidence);
}

function fromBasic(value: string): string | null {
  try {
    const plain = atob(value);
    return /^[\x20-\x7e]+$/.test(plain) && plain.includes(":") ? plain : null;
  } catch {
    return null;
  }
}

/** Where the sign that stands at `at` ends; `at` when there is none. */
function signAt(bytes: Uint8Array, at: number, closed: boolean): number {
  let i = at;
  let assigns = false;
  for (let n = 0; n < 5 && i < bytes.length; n++, i++) {
    const byte = bytes[i] as number;
    if (
      byte === 0x3d ||
      byte === 0x3a ||
      (byte === 0x3e && (n === 0 || bytes[i - 1] === 0x3d || bytes[i - 1] === DASH))
    )
      assigns = true;
    else if (byte === 0x2c && closed && n === 0) return i + 1;
    else if (byte !== 0x3f && byte !== 0x2e && byte !== 0x7c && byte !== 0x2b && byte !== DASH) break;
  }
  return assigns ? i : at;
}

/** ` string = `: one word, then the sign. */
function typedSign(bytes: Uint8Array, at: number): number {
  let i = at;
  while (i < bytes.length && i < at + 16 && ((KIND[bytes[i] as number] as number) & LETTER) !== 0) i++;
  if (i === at) return -1;
  const spaced = skipSpace(bytes, i, 4);
  if (spaced === i || bytes[spaced] !== 0x3d || bytes[spaced + 1] === 0x3d) return -1;
  return spaced + 1;
}

/** True when the word at `at` belongs to a name that begins with two dashes. */
function isFlag(bytes: Uint8Array, at: number): boolean {
  let i = at;
  while (i > 0 && i > at - 32 && isName(bytes[i - 1] as number)) i--;
  return bytes[i] === DASH && bytes[i + 1] === DASH;
}

function behindScheme(bytes: Uint8Array, at: number): number {
  const first = (bytes[at] ?? 0) | 0x20;
  if ((first !== 0x62 && first !== 0x74 && first !== 0x61) || (bytes[at + 5] !== 0x20 && bytes[at + 6] !== 0x20))
    return at;
  const text = latin1(bytes, at, Math.min(bytes.length, at + 8)).toLowerCase();
  for (const scheme of ["bearer ", "basic ", "token ", "apikey "])
    if (text.startsWith(scheme)) return at + scheme.length;
  return at;
}

function skipSpace(bytes: Uint8Array, from: number, most: number): number {
  let i = from;
  while (i < bytes.length && i < from + most && ((KIND[bytes[i] as number] as number) & SPACE) !== 0) i++;
  return i;
}

function isName(byte: number): boolean {
  return ((KIND[byte] as number) & ALNUM) !== 0 || byte === 0x5f || byte === DASH || byte === 0x2e;
}

const ENDS = new Uint8Array(256);
for (const char of ",;&<)}]\"'`") ENDS[char.charCodeAt(0)] = 1;
for (const char of " \t\r\n") ENDS[char.charCodeAt(0)] = 1;
