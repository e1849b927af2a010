/** Secrets told by the name they are given: `api_key = "…"`, `"password": "…"`, `--token …`, `Authorization: Basic …`. */
import { ALNUM, ascii, DIGIT, KIND, LETTER, latin1, SPACE } from "./bytes.ts";
import { base64Into } from "./decodings.ts";
import { isPlaceholder } from "./placeholder.ts";
import { secretRule } from "./rule.ts";
import { byteClass } from "./runs.ts";
import type { Sink } from "./sink.ts";
import { type Confident, passwordness, randomness } from "./values.ts";
import type { Detector } from "./vendor-keys.ts";

const SECRET = secretRule("generic-secret", null, "a random value under a name that says it is secret");
const PASSWORD = secretRule("password", null, "a password under its name");
const AUTHORIZATION = secretRule("authorization", null, "credentials of an HTTP authorization");

const MAX_NAME = 48;
const MAX_GAP = 24;
const MAX_VALUE = 512;
const MIN_VALUE = 6;
/** What stands before a keyword is looked at so far. */
const MAX_OWN = 16;
const NAME = byteClass("N");
const TOKEN = byteClass("K");

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
    next: [],
    found: (bytes, at, sink) =>
      sort === 2 ? headerAt(bytes, at + word.length, word, sink) : assignedAt(bytes, at, word, sort, sink),
  }));
}

const DASH = 0x2d;

/** A keyword stands at `at`: finds the sign and the value behind the rest of its name. */
function assignedAt(bytes: Uint8Array, at: number, word: string, sort: Sort, sink: Sink): void {
  if (at < sink.judged) return;
  const rest = at + word.length;
  const end = Math.max(rest, sink.runs.end(NAME, rest));
  if (end - rest >= MAX_NAME && end < bytes.length) return;
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
  if (end === bytes.length && end - start <= MAX_VALUE) opens(bytes, start, { named, kinds }, sink);
  if (end === limit && end < bytes.length) return;
  if (!quoted && (bytes[end] === 0x28 || bytes[end] === 0x5b)) return;
  // A sentence's full stop.
  if (!quoted && bytes[end - 1] === 0x2e) end--;
  if (end - start < MIN_VALUE) return;
  // Most values are words: told without making strings of them.
  if ((kinds & DIGIT) === 0 && (named.sort === 1 ? !quoted : end - start < 20 || (kinds & LETTER) !== LETTER)) return;
  const { at, word, sort } = named;
  if (sort === 0) {
    let own = at;
    while (own > 0 && at - own < MAX_OWN && isName(bytes[own - 1] as number)) own--;
    const confidence = randomness(bytes, start, end, { quoted, weak: word === "key" && own === at });
    // Names are judged last: most values are told to be none without making strings.
    if (confidence === null || isOther(bytes, at + word.length, named.end) || isOtherBefore(bytes, own, at)) return;
    sink.add(SECRET, start, end, confidence);
    return;
  }
  const confidence: Confident = passwordness(bytes, start, end, quoted);
  if (confidence === null || NOT_SECRET.test(latin1(bytes, at + word.length, named.end).replace(/^ord|^hrase|^d/i, "")))
    return;
  sink.add(PASSWORD, start, end, confidence);
}

/** The text ends within the value. A password is never sure enough to act on, and no token has blanks in it. */
function opens(bytes: Uint8Array, start: number, { named, kinds }: { named: Named; kinds: number }, sink: Sink): void {
  const { at, end, word, sort } = named;
  if (sort !== 0 || (kinds & SPACE) !== 0 || isOther(bytes, at + word.length, end)) return;
  sink.opens(start);
}

function isOther(bytes: Uint8Array, start: number, end: number): boolean {
  return start < end && NOT_SECRET.test(latin1(bytes, start, end));
}

function isOtherBefore(bytes: Uint8Array, start: number, end: number): boolean {
  return start < end && NO_SECRET_BEFORE.test(latin1(bytes, start, end));
}

/** `Bearer x`, `Basic x`: what stands behind the scheme. */
function headerAt(bytes: Uint8Array, at: number, word: string, sink: Sink): void {
  const end = Math.min(sink.runs.end(TOKEN, at), at + MAX_VALUE);
  if (end === bytes.length) sink.opens(at);
  if (end - at < 12 || isPlaceholder(bytes, at, end)) return;
  if (word === "basic ") {
    if (saysPassword(bytes, at, end)) sink.add(AUTHORIZATION, at, end, "high");
    return;
  }
  if (end - at < 20) return;
  const confidence = randomness(bytes, at, end, { quoted: true, weak: false });
  if (confidence !== null) sink.add(AUTHORIZATION, at, end, confidence);
}

const scratch = new Uint8Array(MAX_VALUE);

/** `user:password` in base64. */
function saysPassword(bytes: Uint8Array, start: number, end: number): boolean {
  const length = base64Into(bytes, start, end, scratch);
  let colon = -1;
  for (let i = 0; i < length; i++) {
    const byte = scratch[i] as number;
    if (byte < 0x20 || byte > 0x7e) return false;
    if (byte === 0x3a && colon === -1) colon = i;
  }
  return colon !== -1 && length - colon > 4 && !isPlaceholder(scratch, colon + 1, length);
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
