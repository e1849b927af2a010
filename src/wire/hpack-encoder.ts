/** HPACK encoding (RFC 7541): what is worth an index gets one, what is secret never does. */
import { CONNECTION_FIELD, isLowerToken, isValue, kindOf, TE } from "./h2-kinds.ts";
import { FIELD_OVERHEAD, TABLE_SIZE } from "./hpack-decoder.ts";
import { huffmanLength, writeHuffman } from "./hpack-huffman.ts";
import { STATIC_TABLE } from "./hpack-tables.ts";
import { trimSpace } from "./http1-chars.ts";
import type { OutBuffer } from "./out-buffer.ts";

/** How a field that is in no table is written. */
const INDEX = 0x40;
const PLAIN = 0x00;
const NEVER = 0x10;

interface StaticName {
  /** The first index with this name; 0: none. */
  readonly index: number;
  readonly values: ReadonlyMap<string, number>;
  readonly how: number;
}

/**
 * Credentials, and what is guessed byte by byte when an attacker may fill the same table (section 7.1). Everything that
 * sounds like one as well: a name costs more if it is missing here than if it is here for nothing.
 */
const SECRET = /auth|cookie|token|secret|api-?key|access-?key|passw|credential|session|signature|jwt|private/;
/** Other in nearly every message: an index for them only pushes better ones out. */
const FLEETING = new Set([
  ...["content-length", "date", "age", "etag", "last-modified", "expires", "if-none-match", "if-modified-since"],
  ...["content-range", "range", "location", "x-request-id", "request-id", "traceparent", "tracestate", "cf-ray"],
  ...["idempotency-key", "x-eve-decision-cert", "x-correlation-id", "content-md5", "digest", "content-digest"],
]);
/** Longer values are hardly ever sent twice, bytes; they would empty the table. */
const MAX_INDEXED = 1024;
const UNSAFE = /[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/g;

const STATIC: ReadonlyMap<string, StaticName> = staticNames();

function staticNames(): Map<string, StaticName> {
  const names = new Map<string, { index: number; values: Map<string, number>; how: number }>();
  STATIC_TABLE.forEach(([name, value], at) => {
    const known = names.get(name) ?? { index: at + 1, values: new Map<string, number>(), how: howFor(name) };
    if (value !== "" || name === ":authority") known.values.set(value, at + 1);
    names.set(name, known);
  });
  // What an HTTP/1 connection says to itself takes the road on which it is left out.
  for (const name of names.keys()) if (kindOf(name, "") === CONNECTION_FIELD) names.delete(name);
  return names;
}

function howFor(name: string): number {
  if (name !== ":authority" && SECRET.test(name)) return NEVER;
  return FLEETING.has(name) ? PLAIN : INDEX;
}

export class HpackEncoder {
  /** Name → value → the number of the insertion. */
  readonly #known = new Map<string, Map<string, number>>();
  /** What is in the table, oldest first from `#first`. */
  #names: string[] = [];
  #values: string[] = [];
  #first = 0;
  #added = 0;
  #size = 0;
  #capacity = TABLE_SIZE;
  /** Sizes still to be told: the smallest since the last block, and the last. -1: nothing is. */
  #lowest = -1;

  get tableSize(): number {
    return this.#size;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; more than `TABLE_SIZE` is not used. */
  resize(size: number): void {
    const capacity = Math.min(size, TABLE_SIZE);
    if (capacity === this.#capacity && this.#lowest === -1) return;
    this.#lowest = this.#lowest === -1 ? Math.min(capacity, this.#capacity) : Math.min(this.#lowest, capacity);
    this.#capacity = capacity;
    this.#evict(0);
  }

  /** Before the first field of every block. */
  begin(out: OutBuffer): void {
    if (this.#lowest === -1) return;
    if (this.#lowest < this.#capacity) writeInteger(out, 0x20, 5, this.#lowest);
    writeInteger(out, 0x20, 5, this.#capacity);
    this.#lowest = -1;
  }

  /**
   * One field; `secret` keeps it out of every table on the way. The name is written in lower case. As in writeFields, an
   * unsafe character of a value becomes a space, and a field whose name is none, or that belongs to an HTTP/1 connection, is
   * left out.
   */
  field(out: OutBuffer, name: string, value: string, secret = false): void {
    const fixed = STATIC.get(name);
    if (fixed !== undefined && !secret) {
      const index = fixed.values.get(value);
      if (index !== undefined) {
        writeInteger(out, 0x80, 7, index);
        return;
      }
    }
    const kept = this.#known.get(name);
    if (kept !== undefined && !secret) {
      const at = kept.get(value);
      if (at !== undefined) {
        writeInteger(out, 0x80, 7, STATIC_TABLE.length + this.#added - at);
        return;
      }
    }
    if (fixed !== undefined && isValue(value)) this.#literal(out, name, value, secret ? NEVER : fixed.how, fixed.index);
    else this.#checked(out, name, value, secret);
  }

  #checked(out: OutBuffer, name: string, value: string, secret: boolean): void {
    const lower = name.toLowerCase();
    const clean = isValue(value) ? value : trimSpace(value.replace(UNSAFE, " "));
    if (lower !== name || clean !== value) {
      this.field(out, lower, clean, secret);
      return;
    }
    if (!isLowerToken(name)) return;
    const kind = kindOf(name, value);
    if (kind === CONNECTION_FIELD || (kind === TE && value !== "trailers")) return;
    this.#literal(out, name, value, secret ? NEVER : howFor(name), STATIC.get(name)?.index ?? 0);
  }

  #literal(out: OutBuffer, name: string, value: string, wanted: number, fixed: number): void {
    let how = wanted;
    // A query may hold a credential, and a path with one seldom comes again.
    if (how === INDEX && name === ":path" && value.includes("?")) how = NEVER;
    if (how === INDEX && value.length > MAX_INDEXED) how = PLAIN;
    let index = fixed;
    if (index === 0) {
      const kept = this.#known.get(name);
      if (kept !== undefined) for (const at of kept.values()) index = STATIC_TABLE.length + this.#added - at;
    }
    writeInteger(out, how, how === INDEX ? 6 : 4, index);
    if (index === 0) writeString(out, name);
    writeString(out, value);
    if (how === INDEX) this.#insert(name, value);
  }

  #insert(name: string, value: string): void {
    const size = name.length + value.length + FIELD_OVERHEAD;
    this.#evict(size);
    if (size > this.#capacity) return;
    this.#names.push(name);
    this.#values.push(value);
    const kept = this.#known.get(name);
    if (kept === undefined) this.#known.set(name, new Map([[value, this.#added]]));
    else kept.set(value, this.#added);
    this.#added++;
    this.#size += size;
  }

  #evict(more: number): void {
    while (this.#first < this.#names.length && this.#size + more > this.#capacity) {
      const name = this.#names[this.#first] as string;
      const value = this.#values[this.#first] as string;
      const kept = this.#known.get(name);
      if (kept !== undefined) {
        kept.delete(value);
        if (kept.size === 0) this.#known.delete(name);
      }
      this.#names[this.#first] = "";
      this.#values[this.#first] = "";
      this.#first++;
      this.#size -= name.length + value.length + FIELD_OVERHEAD;
    }
    if (this.#first > 256) {
      this.#names = this.#names.slice(this.#first);
      this.#values = this.#values.slice(this.#first);
      this.#first = 0;
    }
  }
}

/** Section 5.1. */
function writeInteger(out: OutBuffer, pattern: number, prefix: number, value: number): void {
  const bytes = out.room(6);
  const mask = (1 << prefix) - 1;
  if (value < mask) {
    bytes[out.length++] = pattern | value;
    return;
  }
  bytes[out.length++] = pattern | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) bytes[out.length++] = (rest & 0x7f) | 0x80;
  bytes[out.length++] = rest;
}

function writeString(out: OutBuffer, text: string): void {
  const coded = huffmanLength(text);
  if (coded < text.length) {
    writeInteger(out, 0x80, 7, coded);
    out.length = writeHuffman(text, out.room(coded), out.length);
  } else {
    writeInteger(out, 0, 7, text.length);
    out.text(text);
  }
}
