/** Puts placeholders where findings stand. Everything else stays as it is, byte for byte. */
import { latin1 } from "./bytes.ts";
import type { BodyKind, DlpFinding } from "./finding.ts";
import { jsonPlaces } from "./json-places.ts";

const PLACEHOLDER = /\[REDACTED:[a-z0-9-]+:(\d+)\]/g;
const encoder = new TextEncoder();
const CUTS_A_TURN = 500;

interface Cut {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly quoted: boolean;
}

/**
 * The body with every redactable finding replaced by `[REDACTED:name:n]`, percent-encoded in a form. Equal texts of one
 * body get equal numbers, and numbers go on behind those that stand in it already. A JSON number becomes a string.
 */
export function* redact(
  bytes: Uint8Array,
  findings: readonly DlpFinding[],
  kind: BodyKind,
): Generator<void, Uint8Array> {
  const cuts = yield* cutsOf(bytes, findings, kind);
  if (cuts.length === 0) return bytes;
  const numbers = new Map<string, number>();
  let highest = highestIn(bytes);
  const parts: Uint8Array[] = [];
  let at = 0;
  let length = 0;
  const push = (part: Uint8Array): void => {
    parts.push(part);
    length += part.length;
  };
  let made = 0;
  for (const { start, end, name, quoted } of cuts) {
    const key = `${name}\n${latin1(bytes, start, end)}`;
    let number = numbers.get(key);
    if (number === undefined) {
      number = ++highest;
      numbers.set(key, number);
    }
    const text = `[REDACTED:${name}:${number}]`;
    if (++made % CUTS_A_TURN === 0) yield;
    push(bytes.subarray(at, start));
    push(encoder.encode(kind === "form" ? encodeURIComponent(text) : quoted ? `"${text}"` : text));
    at = end;
  }
  push(bytes.subarray(at));
  const redacted = new Uint8Array(length);
  let to = 0;
  for (const part of parts) {
    redacted.set(part, to);
    to += part.length;
  }
  return redacted;
}

function* cutsOf(bytes: Uint8Array, findings: readonly DlpFinding[], kind: BodyKind): Generator<void, Cut[]> {
  const wanted = findings
    .filter((f) => f.redactable && f.where === "body")
    .sort((a, b) => a.start - b.start || b.end - a.end);
  const places = kind === "json" ? yield* jsonPlaces(bytes, wanted) : null;
  const cuts: Cut[] = [];
  wanted.forEach((finding, i) => {
    const placed = places?.[i];
    if (placed !== undefined && (placed.place === "key" || placed.place === "structure")) return;
    const { start, end } = placed ?? finding;
    // A sign that parts two parameters is in no value.
    if (kind === "form" && bytes.subarray(start, end).includes(0x26)) return;
    const before = cuts.at(-1);
    if (before === undefined || start >= before.end) {
      cuts.push({ start, end, name: finding.name, quoted: placed?.place === "scalar" });
    } else if (end > before.end) cuts[cuts.length - 1] = { ...before, end };
  });
  return cuts;
}

function highestIn(bytes: Uint8Array): number {
  if (bytes.indexOf(0x5b) === -1 && bytes.indexOf(0x25) === -1) return 0;
  let highest = 0;
  const text = new TextDecoder("latin1")
    .decode(bytes)
    .replace(/%5B/gi, "[")
    .replace(/%3A/gi, ":")
    .replace(/%5D/gi, "]");
  for (const [, number] of text.matchAll(PLACEHOLDER)) highest = Math.max(highest, Number(number));
  return Number.isSafeInteger(highest) && highest < 1e9 ? highest : 0;
}
