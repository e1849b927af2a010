/** What kind of thing a body is, by what it says and by its looks, and the texts in it. */
import type { Question } from "../model/question.ts";
import type { Coding } from "./coding.ts";
import { type FormField, readForm } from "./form.ts";
import { JSON_LIMITS, type JsonOutcome, type JsonTape, KEY, STRING } from "./json.ts";
import { pathOf } from "./json-look.ts";
import { Leaves } from "./leaves.ts";
import { type MediaType, parseMediaType } from "./media-type.ts";
import { type Part, readMultipart } from "./multipart.ts";

export type BodyKind = "empty" | "json" | "ndjson" | "form" | "multipart" | "text" | "binary";

/** Why something is not known. `ambiguous`: two programs could read it in two ways. */
export type Unknown = "invalid" | "too_large" | "too_deep" | "too_many" | "ambiguous";

export interface Trouble {
  readonly reason: Unknown;
  /** For a person; no text of the body. */
  readonly detail: string;
}

export interface Body {
  readonly bytes: Uint8Array;
  readonly kind: BodyKind;
  /** The media type it says it is, in lower case without parameters; "" when it says none. */
  readonly type: string;
  /** Null: one reading. Otherwise its texts are those of whatever could be read, and nothing else is known of it. */
  readonly trouble: Trouble | null;
  /** Of `json`. */
  readonly tape: JsonTape | null;
  readonly fields: readonly FormField[];
  readonly parts: readonly Part[];
  /**
   * Every text: strings and keys of JSON, values of forms, parts, or all of it. Byte ranges of the body; `leaf` is for
   * `nameOf`. Nothing is left out: when the body could not be read as what it is, all of it is one text.
   */
  eachLeaf(visit: (start: number, end: number, coding: Coding, leaf: number) => void): void;
  /** Where a text stands: `$.messages[0].content` (a key: `….~key`), a field, a part. */
  nameOf(leaf: number): string;
}

const NO_FIELDS: readonly FormField[] = [];
const NO_PARTS: readonly Part[] = [];
const SLICE = 32 * 1024;
const EMPTY = new Uint8Array(0);

/** Reads in slices; whoever drives it may let others run in between. */
export function* readBody(question: Pick<Question, "body" | "headers">, tape: JsonTape): Generator<void, Body> {
  const bytes = question.body ?? EMPTY;
  const said = saidType(question);
  const type = said === "unclear" ? "" : (said?.type ?? "");
  if (bytes.length === 0) return made({ bytes, type }, "empty");
  if (said === "unclear")
    return made({ bytes, type }, "binary", { reason: "ambiguous", detail: "the content type has no single reading" });
  if (type.startsWith("multipart/") && said !== null) return yield* readParts(bytes, said, tape);
  const saysJson = type === "application/json" || type.endsWith("+json") || type === "text/json";
  const looks = looksLikeJson(bytes);
  if (looks === "marked") {
    return made({ bytes, type }, "json", { reason: "ambiguous", detail: "JSON to those who look at its first bytes" });
  }
  if (saysJson || looks) {
    const charset = (said?.parameters.get("charset") ?? "utf-8").toLowerCase();
    if (charset !== "utf-8" && charset !== "utf8" && charset !== "us-ascii") {
      return made({ bytes, type }, "json", { reason: "ambiguous", detail: "JSON that says it is not UTF-8" });
    }
    tape.begin(bytes, JSON_LIMITS);
    while (!tape.step(SLICE)) yield;
    if (tape.outcome === "ok") return jsonBody({ bytes, type }, tape);
    const outcome = tape.outcome;
    const at = tape.at;
    const lines = outcome === "invalid" ? yield* readLines({ bytes, type }, tape) : null;
    if (lines !== null) return lines;
    // Whatever it says it is: many servers do not ask, and some read one value and no further.
    return made({ bytes, type }, "json", jsonTrouble(outcome, at));
  }
  if (type === "application/x-www-form-urlencoded") {
    const leaves = new Leaves();
    const fields = yield* readForm(bytes, leaves);
    if (fields === null) return made({ bytes, type }, "form", { reason: "too_many", detail: "too many fields" });
    return { ...made({ bytes, type }, "form", null, leaves), fields };
  }
  return made({ bytes, type }, looksBinary(bytes) ? "binary" : "text");
}

/** Null: none is said. */
function saidType({ headers }: Pick<Question, "headers">): MediaType | null | "unclear" {
  let value: string | null = null;
  for (const [name, text] of headers) {
    if (name.length !== 12 || name.toLowerCase() !== "content-type") continue;
    if (typeof text !== "string" || (value !== null && value !== text)) return "unclear";
    value = text;
  }
  if (value === null || value.trim() === "") return null;
  const found = USUAL.get(value) ?? parseMediaType(value);
  return found ?? "unclear";
}

/** Said by nearly everybody. */
const USUAL: ReadonlyMap<string, MediaType> = new Map([
  ["application/json", { type: "application/json", parameters: new Map() }],
]);

/** More blanks than this in front of anything are no document; a pass over them must not be felt. */
const MAX_BLANK = 64 * 1024;

/**
 * By its first bytes; "marked": by a byte order mark, as UTF-16 or UTF-32, or behind a comment, which some readers of JSON
 * take away and others refuse.
 */
function looksLikeJson(bytes: Uint8Array): boolean | "marked" {
  let at = 0;
  let marked = false;
  for (; at < bytes.length && at < MAX_BLANK; at++) {
    const code = bytes[at] as number;
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) continue;
    if (code !== 0 && code < MARKS_FROM) break;
    if (code !== 0 && !MARKS.includes(code)) return false;
    marked = true;
  }
  const code = bytes[at] ?? 0;
  if (at === MAX_BLANK) return "marked";
  if (code === 0x2f) return bytes[at + 1] === 0x2a || bytes[at + 1] === 0x2f ? "marked" : false;
  if (code !== 0x7b && code !== 0x5b) return false;
  return marked || bytes[at + 1] === 0 ? "marked" : true;
}

/** The bytes of byte order marks. */
const MARKS: readonly number[] = [0xef, 0xbb, 0xbf, 0xfe, 0xff];
const MARKS_FROM = 0xbb;

function looksBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 4096).indexOf(0) !== -1;
}

function jsonTrouble(outcome: JsonOutcome, at: number): Trouble {
  if (outcome === "too_deep" || outcome === "too_many")
    return { reason: outcome, detail: `JSON beyond the bounds at byte ${at}` };
  if (outcome === "too_long") return { reason: "too_large", detail: `JSON beyond the bounds at byte ${at}` };
  return { reason: "invalid", detail: `no JSON at byte ${at}` };
}

function jsonBody({ bytes, type }: Source, tape: JsonTape): Body {
  const { duplicateAt } = tape;
  const detail = `an object has a key twice, at byte ${duplicateAt}`;
  return {
    bytes,
    kind: "json",
    type,
    trouble: duplicateAt === -1 ? null : { reason: "ambiguous", detail },
    tape,
    fields: NO_FIELDS,
    parts: NO_PARTS,
    eachLeaf(visit) {
      const { count, kind, start, end, escaped } = tape;
      for (let node = 0; node < count; node++) {
        if (kind[node] !== STRING && kind[node] !== KEY) continue;
        visit(start[node] as number, end[node] as number, escaped[node] === 1 ? "json" : "plain", node);
      }
    },
    nameOf: (leaf) => pathOf(tape, leaf),
  };
}

interface Source {
  readonly bytes: Uint8Array;
  readonly type: string;
}

function made(
  { bytes, type }: Source,
  kind: BodyKind,
  trouble: Trouble | null = null,
  leaves: Leaves | null = null,
): Body {
  return {
    bytes,
    kind,
    type,
    trouble,
    tape: null,
    fields: NO_FIELDS,
    parts: NO_PARTS,
    eachLeaf(visit) {
      if (leaves === null) {
        if (bytes.length > 0) visit(0, bytes.length, "plain", 0);
        return;
      }
      const { count, start, end } = leaves;
      for (let i = 0; i < count; i++) visit(start[i] as number, end[i] as number, leaves.coding(i), i);
    },
    nameOf: (leaf) => leaves?.name(leaf) ?? "",
  };
}

/** A reader that stops behind the first value takes that for the whole, whatever the body is said to be. */
const SEVERAL: Trouble = { reason: "ambiguous", detail: "several JSON texts" };

/** One JSON text a line (two at least), or null when it is not that. */
function* readLines({ bytes, type }: Source, tape: JsonTape): Generator<void, Body | null> {
  const leaves = new Leaves();
  let lines = 0;
  let turn = 0;
  let trouble: Trouble | null = null;
  for (let at = 0; at < bytes.length; ) {
    const lf = bytes.indexOf(0x0a, at);
    const end = lf === -1 ? bytes.length : lf;
    const line = bytes.subarray(at, end);
    tape.begin(line, JSON_LIMITS);
    while (!tape.step(SLICE)) yield;
    const blank = tape.count === 0 && tape.at === line.length;
    if (tape.outcome !== "ok" && !blank) return null;
    if (!blank) {
      if (tape.duplicateAt !== -1)
        trouble ??= { reason: "ambiguous", detail: `an object has a key twice, at byte ${at + tape.duplicateAt}` };
      lines += 1;
      if (leaves.count + tape.count > JSON_LIMITS.nodes)
        return made({ bytes, type }, "ndjson", { reason: "too_many", detail: "too many values" });
      leaves.addJson(tape, at, leaves.named(`line ${lines}`));
    }
    at = end + 1;
    if (end - turn > SLICE) {
      turn = end;
      yield;
    }
  }
  return lines < 2 ? null : made({ bytes, type }, "ndjson", trouble ?? SEVERAL, leaves);
}

function* readParts(bytes: Uint8Array, media: MediaType, tape: JsonTape): Generator<void, Body> {
  const { type } = media;
  const { outcome, detail, parts } = yield* readMultipart(bytes, media);
  if (outcome !== "ok") return made({ bytes, type }, "multipart", { reason: outcome, detail });
  const leaves = new Leaves();
  let trouble: Trouble | null = null;
  for (const part of parts) {
    const name = leaves.named(part.name === "" ? "part" : `part ${part.name}`);
    leaves.add(part.head, part.start, "plain", name);
    if (part.type?.startsWith("multipart/")) trouble ??= { reason: "ambiguous", detail: "a part of parts" };
    if (part.type?.startsWith("application/json") && (yield* addJsonPart(bytes, part, { leaves, tape, name })))
      continue;
    leaves.add(part.start, part.end, "plain", name);
  }
  return { ...made({ bytes, type }, "multipart", trouble, leaves), parts };
}

function* addJsonPart(
  bytes: Uint8Array,
  { start, end }: Part,
  { leaves, tape, name }: { leaves: Leaves; tape: JsonTape; name: number },
): Generator<void, boolean> {
  tape.begin(bytes.subarray(start, end), JSON_LIMITS);
  while (!tape.step(SLICE)) yield;
  if (tape.outcome !== "ok" || leaves.count + tape.count > JSON_LIMITS.nodes) return false;
  leaves.addJson(tape, start, name);
  return true;
}
