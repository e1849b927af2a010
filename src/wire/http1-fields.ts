/** The fields of a message that was read, and which of them travel on. */
import type { FieldBlock } from "../model/headers.ts";
import { fieldsOf, type RawHead } from "./http1-head.ts";
import { endToEnd } from "./http1-write.ts";

/** What a field name means to the codec. Names nobody here looks at have none. */
export type FieldRole =
  | "host"
  | "expect"
  | "upgrade"
  | "connection"
  | "content-length"
  | "transfer-encoding"
  /** Ends at this hop, and says nothing about framing. */
  | "hop"
  /** Travels on; what it says is asked for often. */
  | "content-type"
  | "content-encoding";

interface Known {
  readonly name: string;
  readonly role: FieldRole;
  /** It frames the message or addresses it: then any other spelling of it is a second reading. */
  readonly frames: boolean;
  /** Where its `-` stands; -1 without one. */
  readonly dash: number;
}

const KNOWN: readonly (readonly Known[] | undefined)[] = byLength([
  ["host", "host"],
  ["expect", "expect"],
  ["upgrade", "upgrade"],
  ["connection", "connection"],
  ["proxy-connection", "connection"],
  ["content-length", "content-length"],
  ["transfer-encoding", "transfer-encoding"],
  ["te", "hop"],
  ["trailer", "hop"],
  ["keep-alive", "hop"],
  ["http2-settings", "hop"],
  ["proxy-authenticate", "hop"],
  ["proxy-authorization", "hop"],
  ["proxy-authentication-info", "hop"],
  ["content-type", "content-type"],
  ["content-encoding", "content-encoding"],
]);

function byLength(names: readonly (readonly [string, FieldRole])[]): (Known[] | undefined)[] {
  const table: (Known[] | undefined)[] = [];
  for (const [name, role] of names) {
    const list = table[name.length] ?? [];
    table[name.length] = list;
    const frames = role !== "hop" && role !== "content-type" && role !== "content-encoding";
    list.push({ name, role, frames, dash: name.indexOf("-") });
  }
  return Array.from(table);
}

/**
 * The known name in `bytes` from `start` to `end`, or null. Of those that say how the message or its body is read also the
 * spellings with another mark for the hyphen: CGI reads `_` as the same name, and some of its heirs every mark.
 */
export function knownField(bytes: Uint8Array, start: number, end: number): Known | null {
  const list = KNOWN[end - start];
  if (list === undefined) return null;
  for (const known of list) {
    if (spells(bytes, start, known.name, known.frames || known.role !== "hop")) return known;
  }
  return null;
}

/** Names hold token characters only, so folding bit 5 makes a letter of nothing else. */
function spells(bytes: Uint8Array, start: number, lower: string, loosely: boolean): boolean {
  for (let i = 0; i < lower.length; i++) {
    const code = bytes[start + i] as number;
    const want = lower.charCodeAt(i);
    if (code !== want && (code | 0x20) !== want && !(loosely && want === 0x2d && isMark(code))) return false;
  }
  return true;
}

function isMark(code: number): boolean {
  const letter = code | 0x20;
  return !((letter >= 0x61 && letter <= 0x7a) || (code >= 0x30 && code <= 0x39));
}

/** `X-EVE-…`, also as `x_eve_…` and the like: nobody but the gateway speaks with these names. */
export function isOwnField(bytes: Uint8Array, start: number, end: number): boolean {
  return ((bytes[start] as number) | 0x20) === 0x78 && end - start >= 6 && spells(bytes, start, "x-eve-", true);
}

/** End-to-end fields as they came: runs of whole lines within the received bytes. */
class ReceivedLines implements FieldBlock {
  readonly size: number;
  readonly #raw: RawHead;
  readonly #runs: readonly number[];

  constructor(raw: RawHead, runs: readonly number[]) {
    this.#raw = raw;
    this.#runs = runs;
    let size = 0;
    for (let i = 0; i < runs.length; i += 2) size += (runs[i + 1] as number) - (runs[i] as number);
    this.size = size;
  }

  copyTo(target: Uint8Array, at: number): void {
    const { bytes, base } = this.#raw;
    const runs = this.#runs;
    let to = at;
    for (let i = 0; i < runs.length; i += 2) {
      const end = base + (runs[i + 1] as number);
      for (let from = base + (runs[i] as number); from < end; from++) target[to++] = bytes[from] as number;
    }
  }
}

/** What of a head travels on. */
export class PassedFields {
  readonly #raw: RawHead;
  readonly #connection: readonly string[];
  readonly #request: boolean;
  #all: string[] | null = null;
  #list: string[] | null = null;
  /** The same as `list` as whole lines in `Name: value` form; null when the head was not written like that throughout. */
  readonly block: FieldBlock | null;

  /** `runs` are the lines that travel on as pairs of offsets into the head; null: they have to be written anew. */
  constructor(raw: RawHead, runs: readonly number[] | null, connection: readonly string[], request: boolean) {
    this.#raw = raw;
    this.#connection = connection;
    this.#request = request;
    this.block = runs === null ? null : new ReceivedLines(raw, runs);
  }

  /** Every field received. */
  get all(): string[] {
    this.#all ??= fieldsOf(this.#raw);
    return this.#all;
  }

  /** The end-to-end fields. */
  get list(): string[] {
    this.#list ??= endToEnd(this.all, this.#connection, this.#request ? "request" : "response");
    return this.#list;
  }
}
