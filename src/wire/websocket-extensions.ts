/** What the two heads of a WebSocket handshake agree on: RFC 6455 section 9, and permessage-deflate of RFC 7692 section 7.1. */
import { type HeaderList, headerValues } from "../model/headers.ts";
import { isToken, trimSpace } from "./http1-chars.ts";

/** How one side compresses. */
export interface Deflate {
  /** Its window lasts from message to message. */
  readonly takeover: boolean;
  /** 8–15: the size of that window, as a power of two. */
  readonly windowBits: number;
}

export type Agreement =
  | { readonly kind: "plain" }
  | { readonly kind: "deflate"; readonly client: Deflate; readonly server: Deflate }
  /** The answer takes what was not offered, or what nobody can tell the meaning of. */
  | { readonly kind: "refused"; readonly detail: string };

interface Extension {
  readonly name: string;
  /** Values as a token; null: none was given. */
  readonly params: ReadonlyMap<string, string | null>;
}

/** Parameters of permessage-deflate; bits 0: not named, -1: named without a value. */
interface Terms {
  readonly serverFresh: boolean;
  readonly clientFresh: boolean;
  readonly serverBits: number;
  readonly clientBits: number;
}

const DEFLATE = "permessage-deflate";
/** No honest list comes near. */
const MAX_EXTENSIONS = 32;
const PLAIN: Agreement = { kind: "plain" };

/** `request` and `answer`: the fields of the request that asked for the WebSocket, and of the 101. */
export function agreement(request: HeaderList, answer: HeaderList): Agreement {
  const versions = headerValues(request, "sec-websocket-version");
  // Others frame differently, so what passes could not be read.
  if (versions.length !== 1 || versions[0] !== "13") return refused("a WebSocket of another version than 13");
  const taken = parse(headerValues(answer, "sec-websocket-extensions"));
  if (taken === null) return refused("extensions that cannot be read");
  const [extension] = taken;
  if (extension === undefined) return PLAIN;
  if (taken.length > 1 || extension.name !== DEFLATE) return refused("an extension other than permessage-deflate");
  const terms = termsOf(extension, true);
  if (terms === null) return refused("permessage-deflate on unknown terms");
  const offers = parse(headerValues(request, "sec-websocket-extensions")) ?? [];
  const asked = offers.some((offer) => offer.name === DEFLATE && answers(termsOf(offer, false), terms));
  if (!asked) return refused("permessage-deflate on terms that were not offered");
  return {
    kind: "deflate",
    client: { takeover: !terms.clientFresh, windowBits: terms.clientBits || 15 },
    server: { takeover: !terms.serverFresh, windowBits: terms.serverBits || 15 },
  };
}

function refused(what: string): Agreement {
  return { kind: "refused", detail: `switched to ${what}` };
}

/** Whether a server may answer this offer so (RFC 7692 sections 7.1.1 and 7.1.2). */
function answers(offer: Terms | null, answer: Terms): boolean {
  if (offer === null) return false;
  if (offer.serverFresh && !answer.serverFresh) return false;
  if (offer.serverBits > 0 && (answer.serverBits === 0 || answer.serverBits > offer.serverBits)) return false;
  if (answer.clientBits === 0) return true;
  return offer.clientBits === -1 || (offer.clientBits > 0 && answer.clientBits <= offer.clientBits);
}

function termsOf({ params }: Extension, answer: boolean): Terms | null {
  let serverBits = 0;
  let clientBits = 0;
  for (const [name, value] of params) {
    if (name === "server_no_context_takeover" || name === "client_no_context_takeover") {
      if (value !== null) return null;
    } else if (name === "server_max_window_bits") {
      serverBits = bitsOf(value);
      if (serverBits < 8) return null;
    } else if (name === "client_max_window_bits") {
      clientBits = value === null && !answer ? -1 : bitsOf(value);
      if (clientBits !== -1 && clientBits < 8) return null;
    } else return null;
  }
  const serverFresh = params.has("server_no_context_takeover");
  return { serverFresh, clientFresh: params.has("client_no_context_takeover"), serverBits, clientBits };
}

function bitsOf(value: string | null): number {
  return value !== null && /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : 0;
}

/** Every extension of these fields, or null when they are no list of them. A parameter named twice is no list either. */
function parse(values: readonly string[]): Extension[] | null {
  const found: Extension[] = [];
  for (const value of values) {
    for (const text of split(value, ",")) {
      if (text === "") continue;
      const [name = "", ...rest] = split(text, ";");
      if (!isToken(name) || found.length === MAX_EXTENSIONS) return null;
      const params = new Map<string, string | null>();
      for (const part of rest) {
        const at = part.indexOf("=");
        const param = at === -1 ? part : trimSpace(part.slice(0, at));
        const said = at === -1 ? null : unquoted(trimSpace(part.slice(at + 1)));
        if (!isToken(param) || (said !== null && !isToken(said)) || params.has(param)) return null;
        params.set(param, said);
      }
      found.push({ name, params });
    }
  }
  return found;
}

/** Parts without the white space around them. What stands in quotes must be a token, so no separator is in it. */
function split(text: string, by: string): string[] {
  return text.split(by).map(trimSpace);
}

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
