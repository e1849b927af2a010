/** The fields that frame a message or belong to the connection, gathered in one pass with a single reading. */
import { isToken, sameName, trimSpace } from "./http1-chars.ts";
import { malformed, type RawHead, type WireFault } from "./http1-head.ts";

/** More than any peer needs; bounds the work of taking named fields out. */
const MAX_OPTIONS = 64;
/** Enough for 900 TB and exact in a double. */
const MAX_DIGITS = 15;

export class Framing {
  /** Host and Expect mean something in requests only. */
  readonly request: boolean;
  /** Every field, flat, order and case kept. */
  readonly headers: string[] = [];
  /** -1 when none was sent. */
  contentLength = -1;
  chunked = false;
  host: string | null = null;
  /** Lower-case members of Connection and Proxy-Connection. */
  readonly connection: string[] = [];
  close = false;
  keep = false;
  expect = false;
  upgrade: string | null = null;
  codings: string | null = null;

  constructor(request: boolean) {
    this.request = request;
  }
}

/** Reads the fields of a message of `version`. Answers a fault instead when anything has no or a second reading. */
export function readFraming(raw: RawHead, version: 10 | 11, framing: Framing): WireFault | null {
  const { text, marks } = raw;
  const headers = framing.headers;
  for (let m = 0; m + 3 < marks.length; m += 4) {
    const start = marks[m] as number;
    const end = marks[m + 1] as number;
    const value = text.substring(marks[m + 2] as number, marks[m + 3] as number);
    headers.push(text.substring(start, end), value);
    // Length and first letter leave one candidate, so most fields cost no comparison. Comparing in the text of the
    // whole head keeps the small strings unbuilt until somebody needs them.
    const name = candidate(end - start, text.charCodeAt(start) | 0x20);
    if (name !== "" && matches(text, start, name)) {
      const hyphen = name.indexOf("-");
      const twin = hyphen !== -1 && text.charCodeAt(start + hyphen) !== 0x2d;
      const fault = twin ? misspelt() : readField(name, value, framing);
      if (fault !== null) return fault;
    }
  }
  if (framing.upgrade !== null) {
    const named = version === 11 && framing.connection.includes("upgrade");
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

function candidate(length: number, first: number): string {
  switch (length) {
    case 4:
      return first === 0x68 ? "host" : "";
    case 6:
      return first === 0x65 ? "expect" : "";
    case 7:
      return first === 0x75 ? "upgrade" : "";
    case 10:
      return first === 0x63 ? "connection" : "";
    case 14:
      return first === 0x63 ? "content-length" : "";
    case 16:
      return first === 0x70 ? "proxy-connection" : "";
    case 17:
      return first === 0x74 ? "transfer-encoding" : "";
    default:
      return "";
  }
}

/**
 * Case-insensitive, and whatever is no letter or digit counts as `-`: CGI reads `_` as the same name, and some of its
 * heirs every such mark. Names hold token characters only, so folding bit 5 makes a letter of nothing else.
 */
function matches(text: string, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(start + i);
    const want = lower.charCodeAt(i);
    if (code !== want && (code | 0x20) !== want && !(want === 0x2d && isMark(code))) return false;
  }
  return true;
}

function isMark(code: number): boolean {
  const letter = code | 0x20;
  return !((letter >= 0x61 && letter <= 0x7a) || (code >= 0x30 && code <= 0x39));
}

function misspelt(): WireFault {
  return malformed("ambiguous_field", "a field that frames the message is spelt without its hyphen");
}

function readField(name: string, value: string, framing: Framing): WireFault | null {
  switch (name) {
    case "host":
      if (!framing.request) return null;
      if (framing.host !== null) return malformed("duplicate_host", "more than one Host field");
      framing.host = value;
      return null;
    case "expect":
      if (!framing.request) return null;
      framing.expect = true;
      if (sameName(value, "100-continue")) return null;
      return { status: 417, code: "unknown_expectation", detail: "the only expectation known is 100-continue" };
    case "upgrade":
      framing.upgrade = framing.upgrade === null ? value : `${framing.upgrade}, ${value}`;
      return null;
    case "content-length":
      if (framing.contentLength !== -1) return malformed("duplicate_length", "more than one Content-Length field");
      framing.contentLength = readLength(value);
      return framing.contentLength === -1 ? malformed("bad_length", "Content-Length is not one plain number") : null;
    case "transfer-encoding":
      if (framing.codings !== null) return malformed("duplicate_coding", "more than one Transfer-Encoding field");
      framing.codings = value;
      return null;
    default:
      return readOptions(value, framing);
  }
}

/** What the sender wants of the connection after this message. */
export function wantsKeepAlive(framing: Framing, version: 10 | 11): boolean {
  return !framing.close && (version === 11 || framing.keep);
}

/** 1 to 15 digits without leading zeros, else -1. A list, even of equal numbers, is refused. */
function readLength(value: string): number {
  const digits = value.length;
  if (digits === 0 || digits > MAX_DIGITS || (digits > 1 && value.charCodeAt(0) === 0x30)) return -1;
  let length = 0;
  for (let i = 0; i < digits; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

function readOptions(value: string, framing: Framing): WireFault | null {
  // The two values nearly every message has.
  if (value === "keep-alive" || value === "close") return addOption(value, framing);
  for (const member of value.split(",")) {
    const option = trimSpace(member).toLowerCase();
    if (option === "") continue;
    if (!isToken(option)) return malformed("bad_connection", "Connection is not a list of tokens");
    const fault = addOption(option, framing);
    if (fault !== null) return fault;
  }
  return null;
}

function addOption(option: string, framing: Framing): WireFault | null {
  if (framing.connection.length === MAX_OPTIONS)
    return malformed("bad_connection", "Connection names too many options");
  framing.connection.push(option);
  if (option === "close") framing.close = true;
  if (option === "keep-alive") framing.keep = true;
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
