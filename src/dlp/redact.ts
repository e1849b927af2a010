/** Puts placeholders where findings stand. Everything else stays as it is, byte for byte. */
import { latin1 } from "./bytes.ts";
import type { BodyKind, DlpFinding } from "./finding.ts";
import { jsonPlaces } from "./json-places.ts";
import { NestedScalars } from "./nested-scalars.ts";

const PLACEHOLDER = /(?:\[|%5B)REDACTED(?::|%3A)[a-z0-9-]{1,80}(?::|%3A)(\d{1,9})(?:\]|%5D)/gi;
const LONGEST_PLACEHOLDER = 128;
const WINDOW = 32 * 1024;
const CUTS_A_TURN = 250;
const COPIED_A_TURN = 1024 * 1024;
const AND = 0x26;
const MINUS = 0x2d;

interface Cut {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** What stands around the placeholder. */
  readonly quote: string;
}

/**
 * The body with every redactable finding replaced by `[REDACTED:name:n]`, percent-encoded in a form. Equal texts of one
 * body get equal numbers, and numbers go on behind those that stand in it already. A JSON number becomes a string, also
 * in a JSON text within another. `findings`: in the order of their starts. Yields after a fraction of a millisecond.
 */
export function* redact(
  bytes: Uint8Array,
  findings: readonly DlpFinding[],
  kind: BodyKind,
): Generator<void, Uint8Array> {
  const cuts = yield* cutsOf(bytes, findings, kind);
  if (cuts.length === 0) return bytes;
  const placeholders = yield* placeholdersOf(bytes, cuts, kind);
  let length = bytes.length;
  cuts.forEach(({ start, end }, i) => {
    length += (placeholders[i] as Uint8Array).length - (end - start);
  });
  const redacted = new Uint8Array(length);
  let from = 0;
  let to = 0;
  let copied = 0;
  for (let i = 0; i < cuts.length; i++) {
    const { start, end } = cuts[i] as Cut;
    const placeholder = placeholders[i] as Uint8Array;
    redacted.set(bytes.subarray(from, start), to);
    redacted.set(placeholder, to + start - from);
    to += start - from + placeholder.length;
    from = end;
    if (i % CUTS_A_TURN !== CUTS_A_TURN - 1 && to - copied < COPIED_A_TURN) continue;
    copied = to;
    yield;
  }
  redacted.set(bytes.subarray(from), to);
  return redacted;
}

/** One a cut; the same object for the same text. */
function* placeholdersOf(bytes: Uint8Array, cuts: readonly Cut[], kind: BodyKind): Generator<void, Uint8Array[]> {
  const encoder = new TextEncoder();
  const numbers = new Map<string, number>();
  let highest = yield* highestIn(bytes);
  const made: Uint8Array[] = [];
  for (const { start, end, name, quote } of cuts) {
    const key = `${name}\n${latin1(bytes, start, end)}`;
    let number = numbers.get(key);
    if (number === undefined) {
      number = ++highest;
      numbers.set(key, number);
    }
    const text = `${quote}[REDACTED:${name}:${number}]${quote}`;
    made.push(encoder.encode(kind === "form" ? encodeURIComponent(text) : text));
    if (made.length % CUTS_A_TURN === 0) yield;
  }
  return made;
}

function* cutsOf(bytes: Uint8Array, findings: readonly DlpFinding[], kind: BodyKind): Generator<void, Cut[]> {
  const wanted = findings.filter(({ redactable, where }) => redactable && where === "body");
  const places = kind === "json" ? yield* jsonPlaces(bytes, wanted) : null;
  const nested = new NestedScalars(bytes, kind);
  const cuts: Cut[] = [];
  for (let i = 0; i < wanted.length; i++) {
    if (i % CUTS_A_TURN === CUTS_A_TURN - 1) yield;
    const finding = wanted[i] as DlpFinding;
    const placed = places?.[i];
    if (placed !== undefined && (placed.place === "key" || placed.place === "structure")) continue;
    const { start, end } = placed ?? finding;
    // A sign that parts two parameters is in no value.
    if (kind === "form" && bytes.subarray(start, end).includes(AND)) continue;
    const before = cuts.at(-1);
    if (before !== undefined && start < before.end) {
      if (end > before.end) cuts[cuts.length - 1] = { ...before, end };
      continue;
    }
    if (placed?.place === "scalar") {
      cuts.push({ start, end, name: finding.name, quote: '"' });
      continue;
    }
    const text = placed?.text ?? -1;
    // The sign of a number goes with it.
    const signed = bytes[start - 1] === MINUS && start > (before?.end ?? 0);
    const sign = signed ? nested.quoteOf(start - 1, end, text) : "";
    const quote = sign === "" ? nested.quoteOf(start, end, text) : sign;
    if (quote !== null) cuts.push({ start: sign === "" ? start : start - 1, end, name: finding.name, quote });
  }
  return cuts;
}

/** The highest number of a placeholder that stands in it already. */
function* highestIn(bytes: Uint8Array): Generator<void, number> {
  const decoder = new TextDecoder("latin1");
  let highest = 0;
  for (let at = 0; at < bytes.length; at += WINDOW) {
    if (at > 0) yield;
    const window = bytes.subarray(at, at + WINDOW + LONGEST_PLACEHOLDER);
    if (window.indexOf(0x5b) === -1 && window.indexOf(0x25) === -1) continue;
    for (const [, number] of decoder.decode(window).matchAll(PLACEHOLDER)) highest = Math.max(highest, Number(number));
  }
  return highest;
}
