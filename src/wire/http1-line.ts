/** Request lines with what they and Host say together, and a memory of those that come again and again. */
import { CLASS, isToken, TARGET } from "./http1-chars.ts";
import type { Framing } from "./http1-framing.ts";
import { malformed, type RawHead, type WireFault } from "./http1-head.ts";
import { readTarget, type Target } from "./http1-target.ts";
import { differsInCase, MAX_METHOD } from "./methods.ts";

export interface RequestLine {
  /** A token; case kept. */
  readonly method: string;
  /** The request target exactly as received. */
  readonly target: string;
  readonly version: 10 | 11;
}

/** A request line and Host, brought to one destination. */
export interface Addressed extends RequestLine {
  readonly to: Target;
}

interface Remembered extends Addressed {
  readonly line: Uint8Array;
  /** Null: there was no Host field. */
  readonly host: Uint8Array | null;
}

/** Longer lines and names are read anew each time. */
const MAX_REMEMBERED = 512;
const PLACES = 64;
const QUERY = 0x3f;

/**
 * The last readings of request lines, byte for byte: agents ask the same few things over and over, and an equal line
 * with an equal Host has an equal reading. One for all connections of a door, bounded. Lines with a query are not kept,
 * since some services take credentials there.
 */
export class LineMemo {
  readonly #places: (Remembered | undefined)[] = new Array(PLACES).fill(undefined);

  /** Whatever is remembered of this line; its Host may be another. */
  find({ bytes, base, lineEnd }: RawHead): Remembered | null {
    const found = this.#places[place(bytes, base, lineEnd)];
    return found !== undefined && isAt(found.line, bytes, base, lineEnd) ? found : null;
  }

  keep(raw: RawHead, { method, target, version, to }: Addressed, hostMark: number): void {
    const { bytes, base, lineEnd, marks } = raw;
    if (lineEnd > MAX_REMEMBERED) return;
    const line = bytes.slice(base, base + lineEnd);
    if (line.includes(QUERY)) return;
    let host: Uint8Array | null = null;
    if (hostMark !== -1) {
      host = bytes.slice(base + (marks[hostMark + 2] as number), base + (marks[hostMark + 3] as number));
      if (host.length > MAX_REMEMBERED) return;
    }
    this.#places[place(bytes, base, lineEnd)] = { method, target, version, to, line, host };
  }
}

/** What differs most from line to line is the end of the target and the length. */
function place(bytes: Uint8Array, base: number, lineEnd: number): number {
  let hash = lineEnd;
  for (let i = Math.max(0, lineEnd - 17); i < lineEnd - 9; i++) hash = (hash * 31 + (bytes[base + i] as number)) | 0;
  return hash & (PLACES - 1);
}

function isAt(kept: Uint8Array, bytes: Uint8Array, from: number, length: number): boolean {
  if (kept.length !== length) return false;
  for (let i = 0; i < length; i++) if (kept[i] !== bytes[from + i]) return false;
  return true;
}

/** Where a request goes, given its framing fields; from memory when the same was asked before. */
export function addressed(raw: RawHead, framing: Framing, line: RequestLine, memo: LineMemo): Addressed | WireFault {
  const { hostMark } = framing;
  if ("to" in line) {
    const known = line as Remembered;
    const { bytes, base, marks } = raw;
    if (hostMark === -1) {
      if (known.host === null) return known;
    } else if (known.host !== null) {
      const start = marks[hostMark + 2] as number;
      if (isAt(known.host, bytes, base + start, (marks[hostMark + 3] as number) - start)) return known;
    }
  }
  const { method, target, version } = line;
  const to = readTarget(method, target, hostMark === -1 ? null : raw.value(hostMark), version);
  if ("status" in to) return to;
  const made = { method, target, version, to };
  memo.keep(raw, made, hostMark);
  return made;
}

/** `method SP target SP version`, each part strict and each space single. */
export function readLine({ text, lineEnd }: RawHead): RequestLine | WireFault {
  const space = text.indexOf(" ");
  const tail = lineEnd - 9;
  if (space <= 0 || tail <= space || text.charCodeAt(tail) !== 0x20) return badLine();
  if (!text.startsWith("HTTP/", tail + 1)) return badLine();
  const method = text.substring(0, space);
  if (!isToken(method)) return malformed("bad_method", "the method is not a token");
  if (method.length > MAX_METHOD) return { status: 501, code: "method_too_long", detail: "the method is too long" };
  if (differsInCase(method)) return malformed("bad_method", "methods are written in capitals");
  if (tail <= space + 1) return badLine();
  for (let i = space + 1; i < tail; i++) {
    const code = text.charCodeAt(i);
    if (((CLASS[code] as number) & TARGET) === 0) {
      return malformed("bad_target", "the target has a character that is not allowed");
    }
  }
  const minor = text.charCodeAt(tail + 8);
  if (!text.startsWith("1.", tail + 6) || (minor !== 0x30 && minor !== 0x31)) {
    if (!/^\d\.\d$/.test(text.slice(tail + 6, lineEnd))) return badLine();
    return { status: 505, code: "bad_version", detail: "the only versions known are HTTP/1.0 and HTTP/1.1" };
  }
  return { method, target: text.substring(space + 1, tail), version: minor === 0x31 ? 11 : 10 };
}

function badLine(): WireFault {
  return malformed("bad_request_line", "the request line is not method, target and version");
}
