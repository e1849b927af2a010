/** The fields that frame a message or belong to the connection, gathered in one pass with a single reading. */
import { isToken, sameName, trimSpace } from "./http1-chars.ts";
import { malformed, type RawHead, type WireFault } from "./http1-head.ts";
import { endsHere, type FieldRole, isOwnField, knownField, namesField } from "./http1-names.ts";

/** More than any peer needs; bounds the work of taking named fields out. */
const MAX_OPTIONS = 64;
/** Enough for 900 TB and exact in a double. */
const MAX_DIGITS = 15;

export class Framing {
  /** Host and Expect mean something in requests only. */
  readonly request: boolean;
  /** -1 when none was sent. */
  contentLength = -1;
  chunked = false;
  /** Index into the marks of the Host field; -1 when none was sent. */
  hostMark = -1;
  typeMark = -1;
  /** The fields say how the body is to be read: a coding, or a type that is not plain JSON. */
  coded = false;
  /** A field says how messages inside the body are coded. */
  packed = false;
  /** Bytes of the longest end-to-end value. */
  longest = 0;
  /** Lower-case members of Connection and Proxy-Connection. */
  connection: readonly string[] = NO_OPTIONS;
  close = false;
  keep = false;
  expect = false;
  upgrade: string | null = null;
  codings: string | null = null;
  /** Who the caller says it is, and for whom it acts. */
  agent: string | null = null;
  parentAgent: string | null = null;
  /** Lines that travel on as they are, as pairs of offsets; null: not all of them can. */
  runs: number[] | null = null;

  constructor(request: boolean) {
    this.request = request;
  }
}

const NO_OPTIONS: readonly string[] = [];
const KEEP_ALIVE: readonly string[] = ["keep-alive"];

/** Reads the fields of a message of `version`. Answers a fault instead when anything has no or a second reading. */
export function readFraming(raw: RawHead, version: 10 | 11, framing: Framing): WireFault | null {
  const { bytes, base, marks } = raw;
  const runs: number[] = [];
  let runEnd = -1;
  let plain = true;
  for (let m = 0; m + 3 < marks.length; m += 4) {
    const start = marks[m] as number;
    const end = marks[m + 1] as number;
    const known = knownField(bytes, base + start, base + end);
    if (known === null) {
      if (isOwnField(bytes, base + start, base + end)) continue;
    } else {
      if (known.frames && known.dash > 0 && bytes[base + start + known.dash] !== 0x2d) return misspelt();
      const fault = readField(known.role, raw, m, framing);
      if (fault !== null) return fault;
      if (endsHere(known.role, framing.request)) continue;
    }
    // Anything but `Name: value` is written anew, so that odd spacing reaches nobody.
    const lineEnd = (marks[m + 3] as number) + 2;
    const next = m + 4 < marks.length ? (marks[m + 4] as number) : raw.length - 2;
    if (lineEnd !== next || marks[m + 2] !== end + 2 || bytes[base + end + 1] !== 0x20) plain = false;
    if (start === runEnd) runs[runs.length - 1] = next;
    else runs.push(start, next);
    runEnd = next;
    const length = (marks[m + 3] as number) - (marks[m + 2] as number);
    if (length > framing.longest) framing.longest = length;
  }
  const { connection } = framing;
  framing.runs = plain && !connection.some(namesField) ? runs : null;
  if (framing.upgrade !== null) {
    const named = version === 11 && connection.includes("upgrade");
    framing.upgrade = named ? framing.upgrade.toLowerCase() : null;
  }
  const codings = framing.codings;
  if (codings === null) return null;
  if (version === 10) return malformed("coding_in_http10", "Transfer-Encoding in an HTTP/1.0 message");
  if (framing.contentLength !== -1) {
    return malformed("length_and_coding", "both Content-Length and Transfer-Encoding were sent");
  }
  framing.chunked = true;
  return sameName(codings, "chunked") ? null : codingFault(codings);
}

function misspelt(): WireFault {
  return malformed("ambiguous_field", "a field that frames the message is spelt without its hyphen");
}

function readField(role: FieldRole, raw: RawHead, mark: number, framing: Framing): WireFault | null {
  switch (role) {
    case "host":
      if (!framing.request) return null;
      if (framing.hostMark !== -1) return malformed("duplicate_host", "more than one Host field");
      framing.hostMark = mark;
      return null;
    case "expect":
      if (!framing.request) return null;
      framing.expect = true;
      if (sameName(raw.value(mark), "100-continue")) return null;
      return { status: 417, code: "unknown_expectation", detail: "the only expectation known is 100-continue" };
    case "upgrade":
      framing.upgrade = joined(framing.upgrade, raw.value(mark));
      return null;
    case "content-length":
      if (framing.contentLength !== -1) return malformed("duplicate_length", "more than one Content-Length field");
      framing.contentLength = readLength(raw, mark);
      return framing.contentLength === -1 ? malformed("bad_length", "Content-Length is not one plain number") : null;
    case "transfer-encoding":
      if (framing.codings !== null) return malformed("duplicate_coding", "more than one Transfer-Encoding field");
      framing.codings = raw.value(mark);
      return null;
    case "connection":
      return readOptions(raw, mark, framing);
    case "content-type":
      if (framing.typeMark === -1) framing.typeMark = mark;
      if (!raw.valueIs(mark, "application/json")) framing.coded = true;
      return null;
    case "content-encoding":
      framing.coded = true;
      return null;
    case "message-coding":
      framing.packed = true;
      return null;
    case "agent":
      framing.agent = joined(framing.agent, raw.value(mark));
      return null;
    case "parent-agent":
      framing.parentAgent = joined(framing.parentAgent, raw.value(mark));
      return null;
    case "trailer":
    case "hop":
      return null;
  }
}

/** A field that stands twice is one list. */
function joined(before: string | null, value: string): string {
  return before === null ? value : `${before}, ${value}`;
}

/** What the sender wants of the connection after this message. */
export function wantsKeepAlive(framing: Framing, version: 10 | 11): boolean {
  return !framing.close && (version === 11 || framing.keep);
}

/** 1 to 15 digits without leading zeros, else -1. A list, even of equal numbers, is refused. */
function readLength({ bytes, base, marks }: RawHead, mark: number): number {
  const start = base + (marks[mark + 2] as number);
  const end = base + (marks[mark + 3] as number);
  const digits = end - start;
  if (digits === 0 || digits > MAX_DIGITS || (digits > 1 && bytes[start] === 0x30)) return -1;
  let length = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

function readOptions(raw: RawHead, mark: number, framing: Framing): WireFault | null {
  // What nearly every message that has the field says.
  if (framing.connection === NO_OPTIONS && raw.valueIs(mark, "keep-alive")) {
    framing.connection = KEEP_ALIVE;
    framing.keep = true;
    return null;
  }
  const options = [...framing.connection];
  for (const member of raw.value(mark).split(",")) {
    const option = trimSpace(member).toLowerCase();
    if (option === "") continue;
    if (!isToken(option)) return malformed("bad_connection", "Connection is not a list of tokens");
    if (options.length === MAX_OPTIONS) return malformed("bad_connection", "Connection names too many options");
    options.push(option);
    if (option === "close") framing.close = true;
    if (option === "keep-alive") framing.keep = true;
  }
  framing.connection = options;
  return null;
}

/** RFC 9112 section 6.1: a coding we do not know, under a final chunked, is 501; everything else has no length. */
function codingFault(codings: string): WireFault {
  const members = codings.split(",").map((member) => trimSpace(member).toLowerCase());
  const chunkedOnce = members.indexOf("chunked") === members.length - 1;
  if (chunkedOnce && members.length > 1 && members.every(isToken)) {
    return { status: 501, code: "unsupported_coding", detail: "the only transfer coding known is chunked" };
  }
  return malformed("bad_coding", "Transfer-Encoding is not exactly chunked");
}
