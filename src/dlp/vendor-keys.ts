/** Vendors' keys: every row of formats.ts, and JSON web tokens. */
import { ascii, beginsAt, KIND, latin1, lowered, WORD } from "./bytes.ts";
import { base64Into } from "./decodings.ts";
import { Format, standsAt } from "./format.ts";
import { FORMATS, type Telling } from "./formats.ts";
import { isPlaceholder } from "./placeholder.ts";
import { secretRule } from "./rule.ts";
import { type ByteClass, byteClass } from "./runs.ts";
import type { Sink } from "./sink.ts";
import type { Anchor } from "./trigrams.ts";

/** An anchor, and what to do where it stands. */
export interface Detector extends Anchor {
  /** Nothing is told where no word begins. */
  readonly word?: boolean;
  /** A key that says by itself whose it is: put together from pieces it is one too. */
  readonly vendor?: boolean;
  /** What is found begins with the literal itself, wherever it stands. */
  readonly held?: boolean;
  /** Bytes of it that stand before the literal, at the most. */
  readonly lead?: number;
  readonly found: (bytes: Uint8Array, at: number, sink: Sink) => void;
}

const NEAR = 96;
/** Of a long one the beginning tells whether it is an example. */
const MAX_JUDGED = 512;
/** A row of formats.ts, ready to be looked for. */
interface Key {
  readonly format: Format;
  readonly mixed: boolean;
  readonly near: Uint8Array | null;
  readonly check: ((text: string) => boolean) | null;
}

const ROWS_A_STEP = 40;
const NOTHING_ELSE: Telling = {};

/** One detector a literal: what begins alike is looked for together. Yields after a fraction of a millisecond. */
export function* vendorKeys(): Generator<void, Detector[]> {
  const groups = new Map<string, Key[]>();
  let rows = 0;
  for (const [name, issuer, spec, { near, mixed = false, check = null } = NOTHING_ELSE] of FORMATS) {
    if (++rows % ROWS_A_STEP === 0) yield;
    const rule = secretRule(name, issuer, `what looks like a credential of ${issuer} (${name})`);
    const format = new Format(rule, spec);
    const key: Key = {
      format,
      mixed,
      near: near === undefined ? null : ascii(near),
      check,
    };
    const literal = `${String.fromCharCode(...format.anchor)}${format.lead > 0 ? "\n" : ""}`;
    const group = groups.get(literal);
    if (group === undefined) groups.set(literal, [key]);
    else group.push(key);
  }
  // Those that go on alike side by side: what follows is looked at once.
  for (const group of groups.values())
    group.sort((a, b) => (a.format.next?.index ?? -1) - (b.format.next?.index ?? -1));
  return [...[...groups.values()].map(detectorOf), jwt()];
}

function detectorOf(keys: readonly Key[]): Detector {
  const [{ format }] = keys as [Key];
  const inside = format.lead > 0;
  const { length } = format.anchor;
  return {
    literal: format.anchor,
    fold: false,
    next: keys.every((key) => key.format.next !== null) ? keys.flatMap((key) => key.format.next ?? []) : [],
    inside,
    lead: Math.max(...keys.map((key) => key.format.lead)),
    word: !inside,
    vendor: true,
    found(bytes, at, sink) {
      const behind = at + length;
      let last: ByteClass | null = null;
      let run = 0;
      for (const key of keys) {
        const { next, least, lead } = key.format;
        if (next !== null) {
          if (next !== last) {
            last = next;
            run = sink.runs.end(next, behind) - behind;
          }
          if (run < least) {
            if (behind + run === bytes.length) sink.opens(at - lead);
            continue;
          }
        }
        const start = at - lead;
        if (inside && (start < 0 || !beginsAt(bytes, start))) continue;
        const end = key.format.match(bytes, start, sink);
        if (end !== -1) judge(bytes, start, end, key, sink);
      }
    },
  };
}

function judge(bytes: Uint8Array, start: number, end: number, { format, mixed, near, check }: Key, sink: Sink): void {
  const payload = format.payload(start);
  if (near !== null && !standsBefore(bytes, start, near)) return;
  if (payload < end && isPlaceholder(bytes, payload, Math.min(end, payload + MAX_JUDGED))) return;
  if (mixed && !isMixed(bytes, payload, Math.min(end, payload + MAX_JUDGED))) return;
  const proven = check !== null && end - start < 256 && check(latin1(bytes, start, end));
  if (!proven && !format.unlikely && sink.inBinary(start, end)) {
    sink.add(format.rule, start, end, "low");
    return;
  }
  // A short beginning and a long tail of anything: sure only when a check says so or the beginning is long.
  sink.add(format.rule, start, end, proven || format.anchor.length >= 3 ? "high" : "medium");
}

/** `word`: in small letters. */
function standsBefore(bytes: Uint8Array, end: number, word: Uint8Array): boolean {
  const first = word[0] as number;
  for (let at = Math.max(0, end - NEAR); at + word.length <= end; at++) {
    if (lowered(bytes[at] as number) !== first) continue;
    let i = 1;
    while (i < word.length && lowered(bytes[at + i] as number) === word[i]) i++;
    if (i === word.length) return true;
  }
  return false;
}

/** Letters in an order no identifier has: both cases or digits among them, and changing often. */
function isMixed(bytes: Uint8Array, start: number, end: number): boolean {
  let kinds = 0;
  let changes = 0;
  let last = 0;
  for (let i = start; i < end; i++) {
    const kind = (KIND[bytes[i] as number] as number) & WORD;
    kinds |= kind;
    if (i > start && kind !== last) changes++;
    last = kind;
  }
  return (kinds & 1) !== 0 && changes * 5 >= end - start;
}

const JWT_RULE = secretRule("jwt", "jwt", "a JSON web token");
const MAX_HEADER = 2048;
const MAX_PART = 65_536;
const DOT = 0x2e;
const WORDS = byteClass("w");

/** Three (or five) parts of base64url, the first of which is a JSON object with `alg`. */
function jwt(): Detector {
  return { literal: ascii("eyJ"), fold: false, next: [], word: true, vendor: true, found: webToken };
}

function webToken(bytes: Uint8Array, at: number, sink: Sink): void {
  const { runs } = sink;
  const header = runs.end(WORDS, at);
  // A second beginning of the same first part is none.
  if (header === sink.token) return;
  if (header === bytes.length) sink.opens(at);
  sink.token = header;
  if (bytes[header] !== DOT || header - at < 16 || header - at > MAX_HEADER) return;
  let end = header;
  let parts = 1;
  let second = header;
  while (bytes[end] === DOT && parts < 5) {
    const next = Math.min(runs.end(WORDS, end + 1), end + 1 + MAX_PART);
    if (next === end + 1 && parts === 1) break;
    parts++;
    end = next;
    if (next === bytes.length) sink.opens(at);
    if (parts === 2) second = end;
  }
  if (parts < 2 || end - header < 8) return;
  const said = objectAt(bytes, at, header);
  // It says how it is signed; or it is an object that says nothing of that, and so is the second part.
  if (said === null || (!said && objectAt(bytes, header + 1, Math.min(second, header + 1 + MAX_HEADER)) === null))
    return;
  sink.add(JWT_RULE, at, end, "high");
}

const scratch = new Uint8Array(MAX_HEADER);
const SAYS = ['"alg"', '"enc"', '"typ"'].map(ascii);

/** Null: no JSON object; otherwise whether it names what a web token's first part does. */
function objectAt(bytes: Uint8Array, start: number, end: number): boolean | null {
  const length = base64Into(bytes, start, end, scratch);
  let last = length - 1;
  while (last > 0 && (scratch[last] as number) <= 0x20) last--;
  if (scratch[0] !== 0x7b || scratch[last] !== 0x7d) return null;
  for (let i = 1; i < last; i++) {
    if ((scratch[i] as number) < 0x09) return null;
    if (scratch[i] === 0x22 && SAYS.some((word) => standsAt(scratch, i, word))) return true;
  }
  return false;
}
