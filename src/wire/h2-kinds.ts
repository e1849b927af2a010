/**
 * What a field of HTTP/2 means to the codec, found once when it is read, so that a field that came by an index of the
 * dynamic table is not read again. Names and values hold the characters they hold in HTTP/1 (http1-chars.ts).
 */
import { CLASS, TEXT, TOKEN } from "./http1-chars.ts";
import { meant, misspelt } from "./http1-names.ts";

/** A field nobody here looks at. */
export const PLAIN = 0;
export const METHOD = 1;
export const SCHEME = 2;
export const AUTHORITY = 3;
export const PATH = 4;
export const STATUS = 5;
/** Everything up to here is a pseudo-header field, and PLAIN. */
export const LAST_PSEUDO = STATUS;
export const HOST = 6;
export const COOKIE = 7;
export const CONTENT_LENGTH = 8;
export const CONTENT_TYPE = 9;
export const CONTENT_ENCODING = 10;
export const TE = 11;
export const EXPECT = 12;
export const AGENT = 13;
export const PARENT_AGENT = 14;
/** From here on every kind is malformed wherever it stands. */
export const FIRST_BAD = 20;
export const BAD_PSEUDO = 20;
export const BAD_NAME = 21;
export const BAD_VALUE = 22;
export const CONNECTION_FIELD = 23;
const MISSPELT = 24;

const KINDS: ReadonlyMap<string, number> = new Map([
  [":method", METHOD],
  [":scheme", SCHEME],
  [":authority", AUTHORITY],
  [":path", PATH],
  [":status", STATUS],
  ["host", HOST],
  ["cookie", COOKIE],
  ["content-length", CONTENT_LENGTH],
  ["content-type", CONTENT_TYPE],
  ["content-encoding", CONTENT_ENCODING],
  ["te", TE],
  ["expect", EXPECT],
  ["x-agent-id", AGENT],
  ["x-parent-agent-id", PARENT_AGENT],
  // RFC 9113 section 8.2.2.
  ["connection", CONNECTION_FIELD],
  ["proxy-connection", CONNECTION_FIELD],
  ["keep-alive", CONNECTION_FIELD],
  ["transfer-encoding", CONNECTION_FIELD],
  ["upgrade", CONNECTION_FIELD],
]);

/** `name` and `value` are one char a byte, as they came. */
export function kindOf(name: string, value: string): number {
  let kind = KINDS.get(name);
  if (kind === undefined) {
    if (name.charCodeAt(0) === 0x3a) return BAD_PSEUDO;
    if (!isLowerToken(name)) return BAD_NAME;
    if (misspelt(name)) return MISSPELT;
    // As in HTTP/1: whoever reads `_` for a hyphen undoes the coding that it names.
    kind = KINDS.get(meant(name));
  }
  if (!isValue(value)) return BAD_VALUE;
  return kind ?? PLAIN;
}

/** A token without capitals (RFC 9113 section 8.2.1). */
export function isLowerToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0x7e || ((CLASS[code] as number) & TOKEN) === 0 || (code >= 0x41 && code <= 0x5a)) return false;
  }
  return name.length > 0;
}

/** Text without space or tab at either end, because readers differ on whether those belong to it. */
export function isValue(value: string): boolean {
  const { length } = value;
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || ((CLASS[code] as number) & TEXT) === 0) return false;
  }
  return length === 0 || !(isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(length - 1)));
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
