/** Pillar 128: attacks on models in the text of a request, under whatever disguise can be undone. */
import type { Finding } from "../model/finding.ts";
import { type Budget, Effort, UNLIMITED } from "./effort.ts";
import { explore, exploreLetters, explorePlain, type Sighting } from "./lattice.ts";
import { isJson, leafOrigin, nestedLeaf, nestedLeaves, readLeaves } from "./leaves.ts";
import { MAX_INSPECTED, MIN_LETTERS, readLetters, textualPart } from "./letters.ts";

export { isJson };

/** `null`: inspected whole, nothing found. "exhausted": the input asks for more work than any honest one. */
export type Inspection = Finding | "exhausted" | null;

const leaves = new Uint8Array(MAX_INSPECTED + 64);
const inner = new Uint8Array(MAX_INSPECTED + 64);
/** JSON of which less than this share is text is read as it stands, too. */
const THIN = 2;

/**
 * UTF-8 (or anything ASCII-like) of at most `MAX_INSPECTED` bytes; `inspectSlices` slices what is longer. Pure, linear.
 * `cutJson`: the bytes are from the middle of a JSON text.
 */
export function inspectBytes(bytes: Uint8Array, cutJson = false, budget: Budget = UNLIMITED): Inspection {
  if (bytes.length < MIN_LETTERS) return null;
  const effort = new Effort(bytes.length, budget);
  if (!cutJson && !isJson(bytes)) return inspectText(bytes, effort);
  return inspectJson(bytes, cutJson, effort);
}

function inspectText(bytes: Uint8Array, effort: Effort): Inspection {
  if (readBad(bytes) <= BAD_SAMPLE / 16) return finding(explore(bytes, effort), "");
  // A disguise is text: in a body that is mostly none, only the parts that are text are read as such.
  const plain = exploreLetters(bytes);
  if (plain !== null) return finding(plain, "");
  if (!effort.inTime()) return "exhausted";
  const found = explore(textualPart(bytes), effort);
  return finding(found === null || found === "exhausted" ? found : { ...found, start: 0, end: bytes.length }, "");
}

const BAD_SAMPLE = 4096;
const BAD_PARTS = 16;

/** Bytes that are no UTF-8, told of a long text from parts that are spread over it. */
function readBad(bytes: Uint8Array): number {
  if (bytes.length <= BAD_SAMPLE) return (readLetters(bytes).bad * BAD_SAMPLE) / bytes.length;
  const part = BAD_SAMPLE / BAD_PARTS;
  let bad = 0;
  for (let n = 0; n < BAD_PARTS; n++) {
    const at = Math.floor((n * (bytes.length - part)) / (BAD_PARTS - 1));
    bad += readLetters(bytes.subarray(at, at + part)).bad;
  }
  return bad;
}

function inspectJson(bytes: Uint8Array, cutJson: boolean, effort: Effort): Inspection {
  const length = readLeaves(bytes, cutJson, leaves);
  // Kept before anything is read again.
  const nested = nestedLeaves();
  const places = nested === 0 ? NO_PLACES : Array.from({ length: nested }, (_, i) => nestedLeaf(i));
  const text = leaves.subarray(0, length);
  const seen = explore(text, effort);
  if (seen === "exhausted") return seen;
  if (seen !== null) return finding(inJson(seen, bytes, cutJson), "");
  for (const place of places) {
    const found = inspectNested(bytes, cutJson, place, effort);
    if (found !== null) return found;
  }
  // Keys, names and numbers between the pieces of a text may be part of it.
  if (length * THIN > bytes.length) return null;
  if (!effort.spend(bytes.length)) return "exhausted";
  return finding(explore(bytes, effort), "");
}

type Place = ReturnType<typeof nestedLeaf>;
const NO_PLACES: readonly Place[] = [];

/** JSON in a string of JSON. */
function inspectNested(bytes: Uint8Array, cutJson: boolean, { from, to }: Place, effort: Effort): Inspection {
  const source = leaves.subarray(from, to);
  if (!isJson(source)) return null;
  if (!effort.spend(source.length)) return "exhausted";
  const size = readLeaves(source, false, inner);
  const seen = explore(inner.subarray(0, size), effort);
  if (seen === null || seen === "exhausted") return seen;
  const start = leafOrigin(source, false, inner, seen.start);
  const end = leafOrigin(source, false, inner, Math.max(seen.start, seen.end - 1)) + 1;
  return finding(inJson({ ...seen, start: from + start, end: from + end }, bytes, cutJson), "json");
}

function inJson(seen: Sighting, bytes: Uint8Array, cutJson: boolean): Sighting {
  const start = leafOrigin(bytes, cutJson, leaves, seen.start);
  const end = leafOrigin(bytes, cutJson, leaves, Math.max(seen.start, seen.end - 1)) + 1;
  return { ...seen, start, end };
}

/** The same of a text as it stands: no disguise is undone, so it costs a tenth, and a JSON text is read as its letters. */
export function inspectPlain(bytes: Uint8Array): Finding | null {
  const found = finding(explorePlain(bytes), "");
  return found === "exhausted" ? null : found;
}

function finding(seen: Sighting | "exhausted" | null, around: string): Inspection {
  if (seen === null || seen === "exhausted") return seen;
  const { vector, name, severity, reason } = seen.match;
  const view = [around, seen.view].filter((part) => part !== "").join(" > ");
  return {
    pillar: "128",
    vector,
    name,
    severity,
    view: view === "" ? "plain" : view,
    where: "body",
    start: seen.start,
    end: seen.end,
    reason,
  };
}
