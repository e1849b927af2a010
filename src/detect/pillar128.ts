/** Pillar 128: attacks on models in the text of a request, under whatever disguise can be undone. */
import type { Finding } from "../model/finding.ts";
import { type Budget, Effort, UNLIMITED } from "./effort.ts";
import { exploreLetters, explorePlain, exploring, type Sighting } from "./lattice.ts";
import { type Room, shared } from "./lattice-room.ts";
import { isJson, leafOrigin, nestedLeaf, nestedLeaves, readLeaves } from "./leaves.ts";
import { MIN_LETTERS, readLetters, textualPart } from "./letters.ts";
import { Lease } from "./rooms.ts";

export { isJson };

/** `null`: inspected whole, nothing found. "exhausted": the input asks for more work than any honest one. */
export type Inspection = Finding | "exhausted" | null;

/** Between two steps: nothing, or what there is no going on before. */
export type Turn = void | Promise<void>;

/** JSON of which less than this share is text is read as it stands, too. */
const THIN = 2;

/**
 * UTF-8 (or anything ASCII-like) of at most `MAX_INSPECTED` bytes; `inspectSlices` slices what is longer. Pure, linear.
 * `cutJson`: the bytes are from the middle of a JSON text. "exhausted" with the budget's share spent: in steps it may be told.
 */
export function inspectBytes(bytes: Uint8Array, cutJson = false, budget: Budget = UNLIMITED): Inspection {
  if (bytes.length < MIN_LETTERS) return null;
  const step = inspecting(bytes, cutJson, { effort: new Effort(bytes.length, budget), room: shared }).next();
  if (step.done === true) return step.value;
  if (budget.share?.spent !== true) throw new TypeError("an inspection in one go stopped on its way");
  return "exhausted";
}

/** The same in steps of about 64 KiB that are passed over, each pass counted: so hostile a text may be, others have their turns. */
export function* inspectInSteps(
  bytes: Uint8Array,
  cutJson = false,
  budget: Budget = UNLIMITED,
): Generator<Turn, Inspection> {
  if (bytes.length < MIN_LETTERS) return null;
  const lease = budget.lease ?? new Lease();
  try {
    const room = yield* lease.take(budget);
    if (room === null) return "exhausted";
    const found = yield* inspecting(bytes, cutJson, { effort: new Effort(bytes.length, budget, true), room });
    lease.explored(bytes.length);
    return found;
  } finally {
    if (budget.lease === undefined) lease.end();
  }
}

interface Means {
  readonly effort: Effort;
  readonly room: Room;
}

type Steps = Generator<void, Inspection>;

function inspecting(bytes: Uint8Array, cutJson: boolean, means: Means): Steps {
  return cutJson || isJson(bytes) ? inspectJson(bytes, cutJson, means) : inspectText(bytes, means);
}

function* inspectText(bytes: Uint8Array, { effort, room }: Means): Steps {
  if (readBad(bytes) <= BAD_SAMPLE / 16) return finding(yield* exploring(bytes, effort, room), "");
  // A disguise is text: in a body that is mostly none, only the parts that are text are read as such.
  if (effort.due(bytes.length)) yield;
  const plain = exploreLetters(bytes);
  if (plain !== null) return finding(plain, "");
  if (!effort.inTime()) return "exhausted";
  const found = yield* exploring(textualPart(bytes), effort, room);
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

function* inspectJson(bytes: Uint8Array, cutJson: boolean, means: Means): Steps {
  const { effort, room } = means;
  const { leaves } = room;
  if (effort.due(bytes.length)) yield;
  const length = readLeaves(bytes, cutJson, leaves);
  // Kept before anything is read again.
  const nested = nestedLeaves();
  const places = nested === 0 ? NO_PLACES : Array.from({ length: nested }, (_, i) => nestedLeaf(i));
  const text = leaves.subarray(0, length);
  const seen = yield* exploring(text, effort, room);
  if (seen === "exhausted") return seen;
  if (seen !== null) return finding(inJson(seen, bytes, cutJson), "");
  for (const place of places) {
    const found = yield* inspectNested(bytes, cutJson, place, means);
    if (found !== null) return found;
  }
  // Keys, names and numbers between the pieces of a text may be part of it.
  if (length * THIN > bytes.length) return null;
  if (!effort.spend(bytes.length)) return "exhausted";
  return finding(yield* exploring(bytes, effort, room), "");
}

type Place = ReturnType<typeof nestedLeaf>;
const NO_PLACES: readonly Place[] = [];

/** JSON in a string of JSON. */
function* inspectNested(bytes: Uint8Array, cutJson: boolean, { from, to }: Place, { effort, room }: Means): Steps {
  const { leaves, inner } = room;
  const source = leaves.subarray(from, to);
  if (!isJson(source)) return null;
  if (!effort.spend(source.length)) return "exhausted";
  if (effort.due(source.length)) yield;
  const size = readLeaves(source, false, inner);
  const seen = yield* exploring(inner.subarray(0, size), effort, room);
  if (seen === null || seen === "exhausted") return seen;
  const start = leafOrigin(source, false, inner, seen.start);
  const end = leafOrigin(source, false, inner, Math.max(seen.start, seen.end - 1)) + 1;
  return finding(inJson({ ...seen, start: from + start, end: from + end }, bytes, cutJson), "json");
}

function inJson(seen: Sighting, bytes: Uint8Array, cutJson: boolean): Sighting {
  const { leaves } = shared;
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
