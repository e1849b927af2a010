/**
 * multipart/form-data and its relatives, read the one way every reader agrees on. What some readers accept and others
 * do not (bare line feeds, padding, text before or after, a name given twice) has two readings and is called ambiguous.
 */
import { type MediaType, parseMediaType } from "./media-type.ts";

export interface Part {
  readonly name: string;
  readonly filename: string | null;
  /** Media type as said, or null. */
  readonly type: string | null;
  /** Where its head begins. */
  readonly head: number;
  readonly start: number;
  readonly end: number;
}

export interface Multipart {
  readonly outcome: "ok" | "invalid" | "ambiguous" | "too_many";
  /** What is wrong, for a person; "" when nothing is. */
  readonly detail: string;
  readonly parts: readonly Part[];
}

const MAX_PARTS = 10_000;
const MAX_HEAD = 16 * 1024;
/** RFC 2046 section 5.1.1. */
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/;

const SLICE = 32 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;

/** Yields between parts. */
export function* readMultipart(bytes: Uint8Array, media: MediaType): Generator<void, Multipart> {
  const boundary = media.parameters.get("boundary") ?? "";
  if (!BOUNDARY.test(boundary)) return failed("invalid", "no usable boundary");
  const mark = new TextEncoder().encode(`--${boundary}`);
  if (!matches(bytes, 0, mark)) {
    const inside = yield* findMark(bytes, mark, 0);
    return inside === -1 ? failed("invalid", "no part") : failed("ambiguous", "text before the first part");
  }
  const parts: Part[] = [];
  let at = mark.length;
  while (true) {
    if (bytes[at] === DASH && bytes[at + 1] === DASH) {
      const rest = at + 2;
      const clean =
        rest === bytes.length || (bytes[rest] === CR && bytes[rest + 1] === LF && rest + 2 === bytes.length);
      return clean ? { outcome: "ok", detail: "", parts } : failed("ambiguous", "text after the last part");
    }
    if (bytes[at] !== CR || bytes[at + 1] !== LF)
      return failed("ambiguous", "a boundary is followed by something else");
    if (parts.length === MAX_PARTS) return failed("too_many", "too many parts");
    const head = readHead(bytes, at + 2);
    if (typeof head === "string") return failed("ambiguous", head);
    const close = yield* findMark(bytes, mark, head.end);
    if (close === -1) return failed("invalid", "the last part has no end");
    // An empty part may share its line end with its head.
    const end = close - 2;
    if (bytes[close - 2] !== CR || bytes[close - 1] !== LF || end < head.end - 2) {
      return failed("ambiguous", "a boundary after a bare line feed");
    }
    parts.push({
      name: head.name,
      filename: head.filename,
      type: head.type,
      head: at + 2,
      start: head.end,
      end: Math.max(end, head.end),
    });
    at = close + mark.length;
    yield;
  }
}

function failed(outcome: "invalid" | "ambiguous" | "too_many", detail: string): Multipart {
  return { outcome, detail, parts: [] };
}

interface Head {
  readonly name: string;
  readonly filename: string | null;
  readonly type: string | null;
  readonly end: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readHead(bytes: Uint8Array, from: number): Head | string {
  let disposition: MediaType | null = null;
  let type: string | null = null;
  let at = from;
  while (true) {
    const lf = bytes.indexOf(LF, at);
    if (lf === -1 || lf - from > MAX_HEAD) return "the head of a part has no end";
    if (bytes[lf - 1] !== CR) return "a bare line feed in the head of a part";
    if (lf - 1 === at) return { ...named(disposition), type, end: lf + 1 };
    let line: string;
    try {
      line = decoder.decode(bytes.subarray(at, lf - 1));
    } catch {
      return "the head of a part is not UTF-8";
    }
    at = lf + 1;
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/.exec(line);
    if (field === null || line.includes("\r")) return "a malformed line in the head of a part";
    const name = (field[1] as string).toLowerCase();
    const value = (field[2] as string).trimEnd();
    if (name === "content-disposition") {
      if (disposition !== null) return "a part with two dispositions";
      disposition = parseMediaType(value);
      if (disposition === null) return "a disposition that cannot be read in one way";
      if (disposition.parameters.has("name*") || disposition.parameters.has("filename*"))
        return "an extended parameter";
    } else if (name === "content-type") {
      if (type !== null) return "a part with two types";
      type = value.toLowerCase();
    } else if (name === "content-transfer-encoding" && !/^(?:7bit|8bit|binary)$/i.test(value)) {
      return "a part with a transfer encoding";
    }
  }
}

function named(disposition: MediaType | null): { name: string; filename: string | null } {
  return {
    name: disposition?.parameters.get("name") ?? "",
    filename: disposition?.parameters.get("filename") ?? null,
  };
}

/** The next boundary at the beginning of a line, or -1. A line that only begins like it counts: readers differ on those. */
function* findMark(bytes: Uint8Array, mark: Uint8Array, from: number): Generator<void, number> {
  let turn = from;
  for (let at = bytes.indexOf(LF, Math.max(from - 1, 0)); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (matches(bytes, at + 1, mark)) return at + 1;
    if (at - turn < SLICE) continue;
    turn = at;
    yield;
  }
  return -1;
}

function matches(bytes: Uint8Array, at: number, mark: Uint8Array): boolean {
  if (at + mark.length > bytes.length) return false;
  for (let i = 0; i < mark.length; i++) if (bytes[at + i] !== mark[i]) return false;
  return true;
}
