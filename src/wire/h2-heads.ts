/** Decoded blocks to messages, or to the one thing that is wrong with them (RFC 9113 sections 8.1 to 8.5). */
import { type Destination, SHORT_VALUE } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";
import { type Authority, parseAuthority } from "./authority.ts";
import {
  AGENT,
  AUTHORITY,
  BAD_NAME,
  BAD_PSEUDO,
  BAD_VALUE,
  CONNECTION_FIELD,
  CONTENT_ENCODING,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  COOKIE,
  EXPECT,
  FIRST_BAD,
  HOST,
  LAST_PSEUDO,
  METHOD,
  PARENT_AGENT,
  PATH,
  PLAIN,
  SCHEME,
  STATUS,
  TE,
} from "./h2-kinds.ts";
import type { Block } from "./hpack-decoder.ts";
import { CLASS, isToken, sameName, TARGET } from "./http1-chars.ts";
import { malformed, type WireFault } from "./http1-head.ts";
import type { Target } from "./http1-target.ts";
import { differsInCase, MAX_METHOD } from "./methods.ts";

/** As in HTTP/1. */
const MAX_DIGITS = 15;

/** Fields of a message without its pseudo-header fields, and what was asked of them on the way. */
class Fields {
  /** In their order, names in lower case, pieces of Cookie joined (section 8.2.3). */
  readonly headers: string[] = [];
  readonly pseudo: (string | null)[] = [null, null, null, null, null, null];
  host: string | null = null;
  contentLength = -1;
  coded = false;
  wordy = false;
  trailersWelcome = false;
  expectContinue = false;
  agent: string | null = null;
  parentAgent: string | null = null;
}

export interface Message {
  /** Regular fields, flat, in their order; names in lower case. */
  readonly headers: HeaderList;
  /** -1: none was sent. */
  readonly contentLength: number;
  /** Names of fields that came never-indexed: to be given along when the head is sent on over HTTP/2. */
  readonly sensitive: readonly string[];
}

/** What HTTP/1's RequestHead is, for the parts of it that exist here. */
export interface H2RequestHead extends Message, Target {
  readonly method: string;
  /** `:authority`, or Host where there was none, as received. */
  readonly authority: string;
  /** Equal authorities of one connection in a row share it. */
  readonly destination: Destination;
  readonly coded: boolean;
  readonly wordy: boolean;
  readonly expectContinue: boolean;
  /** `te: trailers` was sent, which gRPC cannot do without; endToEnd takes the field out. */
  readonly trailersWelcome: boolean;
  readonly agent: string | null;
  readonly parentAgent: string | null;
}

export interface H2ResponseHead extends Message {
  /** 100 to 999. */
  readonly status: number;
}

/** The last authority of a connection, so that its requests share one Destination. */
export class AuthorityMemo {
  #text = "";
  #to: Destination | null = null;

  read(text: string, scheme: Destination["scheme"]): Destination | null {
    if (this.#to !== null && this.#text === text && this.#to.scheme === scheme) return this.#to;
    const to = parse(text, scheme === "http" ? 80 : scheme === "https" ? 443 : 0);
    if (to === null || to.port === 0) return null;
    this.#text = text;
    this.#to = { scheme, host: to.host, port: to.port, literal: to.literal };
    return this.#to;
  }
}

export function readRequest(block: Block, memo: AuthorityMemo): H2RequestHead | WireFault {
  const fields = new Fields();
  const fault = gather(block, fields, true);
  if (fault !== null) return fault;
  const method = fields.pseudo[METHOD] ?? null;
  const scheme = fields.pseudo[SCHEME] ?? null;
  const authority = fields.pseudo[AUTHORITY] ?? null;
  const path = fields.pseudo[PATH] ?? null;
  if (fields.pseudo[STATUS] !== null) return malformed("bad_pseudo", "a request has a field of responses");
  if (method === null) return malformed("missing_pseudo", "a request has no :method");
  if (!isToken(method)) return malformed("bad_method", "the method is not a token");
  if (method.length > MAX_METHOD) return { status: 501, code: "method_too_long", detail: "the method is too long" };
  if (differsInCase(method)) return malformed("bad_method", "methods are written in capitals");
  const connect = method === "CONNECT";
  if (connect) {
    if (scheme !== null || path !== null) return malformed("bad_connect", "a CONNECT has a scheme or a path");
    if (authority === null) return malformed("missing_pseudo", "a CONNECT has no :authority");
    if (fields.contentLength > 0) return malformed("connect_with_body", "a CONNECT request has a body");
  } else {
    if (scheme === null || path === null) return malformed("missing_pseudo", "a request has no :scheme or no :path");
    if (scheme !== "http" && scheme !== "https") return malformed("bad_scheme", "the scheme is neither http nor https");
    if (!isPath(path, method)) return malformed("bad_target", "the path is empty, or has what is not allowed in one");
  }
  const named = authority ?? fields.host;
  if (named === null) return malformed("missing_host", "a request has neither :authority nor Host");
  const to = memo.read(named, connect ? "tcp" : scheme === "http" ? "http" : "https");
  if (to === null) return malformed("bad_host", "the authority is invalid or ambiguous");
  if (authority !== null && fields.host !== null && fields.host !== authority) {
    const said = parse(fields.host, to.port);
    if (said === null) return malformed("bad_host", "the Host field is invalid or ambiguous");
    if (said.host !== to.host || said.port !== to.port) {
      return malformed("host_differs", "the Host field differs from the authority");
    }
  }
  const { headers, contentLength, coded, wordy, expectContinue, trailersWelcome, agent, parentAgent } = fields;
  return {
    method,
    form: connect ? "authority" : "absolute",
    scheme: connect ? null : scheme === "http" ? "http" : "https",
    authority: named,
    host: to.host,
    port: to.port,
    literal: to.literal,
    path: path ?? "",
    destination: to,
    headers,
    contentLength,
    sensitive: block.sensitive,
    coded,
    wordy,
    expectContinue,
    trailersWelcome,
    agent,
    parentAgent,
  };
}

export function readResponse(block: Block): H2ResponseHead | WireFault {
  const fields = new Fields();
  const fault = gather(block, fields, false);
  if (fault !== null) return fault;
  for (let kind = PLAIN + 1; kind < STATUS; kind++) {
    if (fields.pseudo[kind] !== null) return malformed("bad_pseudo", "a response has a field of requests");
  }
  const text = fields.pseudo[STATUS] ?? null;
  if (text === null) return malformed("missing_pseudo", "a response has no :status");
  if (!/^[1-9]\d\d$/.test(text)) return malformed("bad_status", "the status is not a number of three digits");
  const status = Number(text);
  if (status === 101) return malformed("bad_status", "HTTP/2 does not know 101");
  const { headers, contentLength } = fields;
  if ((status < 200 || status === 204) && contentLength > 0) {
    return malformed("body_not_allowed", "an answer that has no body announces one");
  }
  return { status, headers, contentLength, sensitive: block.sensitive };
}

/** The fields behind a body. */
export function readTrailers(block: Block): HeaderList | WireFault {
  const fields = new Fields();
  const fault = gather(block, fields, false);
  if (fault !== null) return fault;
  for (const value of fields.pseudo) {
    if (value !== null) return malformed("bad_pseudo", "a pseudo-header field stands in trailers");
  }
  if (fields.contentLength !== -1) return malformed("late_length", "a length stands behind the body");
  return fields.headers;
}

function gather(block: Block, into: Fields, request: boolean): WireFault | null {
  if (block.over === "bytes") {
    return { status: 431, code: "head_too_large", detail: "the head is over the limit of bytes" };
  }
  if (block.over === "fields") {
    return { status: 431, code: "too_many_fields", detail: "the head has more fields than the limit" };
  }
  const { headers, pseudo } = into;
  let regular = false;
  let cookie = -1;
  for (const { name, value, kind } of block.fields) {
    if (kind >= FIRST_BAD) return badField(kind, name);
    if (kind > PLAIN && kind <= LAST_PSEUDO) {
      if (regular) return malformed("late_pseudo", "a pseudo-header field stands behind another field");
      if (pseudo[kind] !== null) return malformed("duplicate_pseudo", "a pseudo-header field stands twice");
      pseudo[kind] = value;
      continue;
    }
    regular = true;
    if (kind === COOKIE && cookie !== -1) {
      headers[cookie] = `${headers[cookie] as string}; ${value}`;
      into.wordy = true;
      continue;
    }
    if (value.length > SHORT_VALUE) into.wordy = true;
    headers.push(name, value);
    if (kind === PLAIN) continue;
    if (kind === COOKIE) cookie = headers.length - 1;
    else {
      const fault = readField(kind, value, into, request);
      if (fault !== null) return fault;
    }
  }
  return null;
}

function readField(kind: number, value: string, into: Fields, request: boolean): WireFault | null {
  switch (kind) {
    case CONTENT_LENGTH:
      if (into.contentLength !== -1) return malformed("duplicate_length", "more than one Content-Length field");
      into.contentLength = readLength(value);
      return into.contentLength === -1 ? malformed("bad_length", "Content-Length is not one plain number") : null;
    case TE:
      if (!request || value !== "trailers") return malformed("connection_field", "TE says something but trailers");
      into.trailersWelcome = true;
      return null;
    case CONTENT_TYPE:
      if (value !== "application/json") into.coded = true;
      return null;
    case CONTENT_ENCODING:
      into.coded = true;
      return null;
    case HOST:
      if (!request) return null;
      if (into.host !== null) return malformed("duplicate_host", "more than one Host field");
      into.host = value;
      return null;
    case EXPECT:
      if (!request) return null;
      into.expectContinue = true;
      if (sameName(value, "100-continue")) return null;
      return { status: 417, code: "unknown_expectation", detail: "the only expectation known is 100-continue" };
    case AGENT:
      into.agent = into.agent === null ? value : `${into.agent}, ${value}`;
      return null;
    case PARENT_AGENT:
      into.parentAgent = into.parentAgent === null ? value : `${into.parentAgent}, ${value}`;
      return null;
    default:
      return null;
  }
}

function badField(kind: number, name: string): WireFault {
  switch (kind) {
    case BAD_PSEUDO:
      return malformed("unknown_pseudo", "a pseudo-header field is not known");
    case BAD_NAME:
      if (name === "") return malformed("empty_field_name", "a field has no name");
      return malformed("bad_field_name", "a field name has a character that is not allowed");
    case BAD_VALUE:
      return malformed("bad_field_value", "a field value has a character, or space at an end, that is not allowed");
    case CONNECTION_FIELD:
      return malformed("connection_field", "a field of HTTP/1 connections was sent");
    default:
      return malformed("ambiguous_field", "a field that frames the message is spelt without its hyphen");
  }
}

/** 1 to 15 digits without leading zeros, else -1. */
function readLength(value: string): number {
  if (value.length > MAX_DIGITS || !/^(?:0|[1-9]\d*)$/.test(value)) return -1;
  return Number(value);
}

function isPath(path: string, method: string): boolean {
  if (path.charCodeAt(0) !== 0x2f) return path === "*" && method === "OPTIONS";
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code > 0xff || ((CLASS[code] as number) & TARGET) === 0) return false;
  }
  return true;
}

/** An authority travels as bytes: what is not ASCII has no agreed reading. */
function parse(text: string, port: number): Authority | null {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7e) return null;
  return parseAuthority(text, port);
}
