/** The fields that frame a message or belong to the connection, gathered in one pass with a single reading. */
import { isToken, sameName } from "./http1-chars.ts";
import { malformed, type WireFault } from "./http1-head.ts";

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
  host: string | null = null;
  /** Lower-case members of Connection and Proxy-Connection. */
  connection: string[] = [];
  close = false;
  keep = false;
  expect = false;
  upgrade: string | null = null;

  constructor(request: boolean) {
    this.request = request;
  }
}

/** Reads `fields` for a message of `version`. Answers a fault instead when anything has no or a second reading. */
export function readFraming(fields: readonly string[], version: 10 | 11, framing: Framing): WireFault | null {
  let codings: string | null = null;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    let fault: WireFault | null = null;
    // Length and first letter leave one candidate, so most fields cost no comparison.
    switch (name.length) {
      case 4:
        if (framing.request && isName(name, "host")) {
          if (framing.host !== null) return malformed("duplicate_host", "more than one Host field");
          framing.host = value;
        }
        break;
      case 6:
        if (framing.request && isName(name, "expect")) {
          if (value.toLowerCase() !== "100-continue") {
            fault = { status: 417, code: "unknown_expectation", detail: "the only expectation known is 100-continue" };
          }
          framing.expect = true;
        }
        break;
      case 7:
        if (isName(name, "upgrade")) {
          framing.upgrade = framing.upgrade === null ? value : `${framing.upgrade}, ${value}`;
        }
        break;
      case 10:
        if (isName(name, "connection")) fault = readOptions(value, framing);
        break;
      case 14:
        if (isName(name, "content-length")) {
          if (framing.contentLength !== -1) return malformed("duplicate_length", "more than one Content-Length field");
          framing.contentLength = readLength(value);
          if (framing.contentLength === -1) fault = malformed("bad_length", "Content-Length is not one plain number");
        }
        break;
      case 16:
        if (isName(name, "proxy-connection")) fault = readOptions(value, framing);
        break;
      case 17:
        if (isName(name, "transfer-encoding")) {
          if (codings !== null) return malformed("duplicate_coding", "more than one Transfer-Encoding field");
          codings = value;
        }
        break;
    }
    if (fault !== null) return fault;
  }
  if (framing.upgrade !== null) {
    const named = version === 11 && framing.connection.includes("upgrade");
    framing.upgrade = named ? framing.upgrade.toLowerCase() : null;
  }
  if (codings === null) return null;
  if (version === 10) return malformed("coding_in_http10", "Transfer-Encoding in an HTTP/1.0 message");
  if (framing.contentLength !== -1) {
    return malformed("length_and_coding", "both Content-Length and Transfer-Encoding were sent");
  }
  framing.chunked = true;
  return sameName(codings, "chunked") ? null : codingFault(codings);
}

/** What the sender wants of the connection after this message. */
export function wantsKeepAlive(framing: Framing, version: 10 | 11): boolean {
  return !framing.close && (version === 11 || framing.keep);
}

function isName(name: string, lower: string): boolean {
  return (name.charCodeAt(0) | 0x20) === lower.charCodeAt(0) && sameName(name, lower);
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

/** Optional whitespace of RFC 9110 is space and tab only; String.trim also takes U+00A0, which is obs-text here. */
function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text[start] === " " || text[start] === "\t")) start++;
  while (end > start && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(start, end);
}
