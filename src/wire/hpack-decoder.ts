/** HPACK decoding (RFC 7541): blocks of bytes to fields, with every bound checked before anything is made of them. */
import { kindOf } from "./h2-kinds.ts";
import { readHuffman } from "./hpack-huffman.ts";
import { STATIC_TABLE } from "./hpack-tables.ts";
import { decodeBytes } from "./http1-chars.ts";
import type { WireLimits } from "./http1-head.ts";

/** One field, immutable: a place of the dynamic table and every block that names it share it. */
export interface Field {
  readonly name: string;
  readonly value: string;
  /** Of h2-kinds.ts. */
  readonly kind: number;
}

/** A decoded block. Blocks of equal bytes may be the same object; it is never changed. */
export interface Block {
  readonly fields: readonly Field[];
  /** Names of fields that came never-indexed (section 6.2.3): whoever sends them on sends them so. */
  readonly sensitive: readonly string[];
  /** The limit that was passed; `fields` then ends before it, while the dynamic table is right all the same. */
  readonly over: "bytes" | "fields" | null;
}

/** SETTINGS_HEADER_TABLE_SIZE unless settings say otherwise, bytes; also what is kept at most on either side. */
export const TABLE_SIZE = 4096;
/** What a field weighs beside its name and value (section 4.1). */
export const FIELD_OVERHEAD = 32;

const STATIC: readonly Field[] = STATIC_TABLE.map(([name, value]) => ({ name, value, kind: kindOf(name, value) }));
const NONE: readonly string[] = [];
/** A power of two, no fewer than a table of 4,096 bytes can hold. */
const PLACES = 128;
/** Section 5.1 leaves the bound to us. No length or index here comes near it, and all of it fits in 32 bits. */
const MAX_INTEGER = 0x0fff_ffff;
const MAX_CONTINUED = 4;
/** A block up to this long is remembered, bytes. */
const MEMO = 512;

export class HpackDecoder {
  readonly #limits: WireLimits;
  readonly #places: (Field | null)[] = new Array(PLACES).fill(null);
  /** Fields ever put in; the newest is at `#added - 1`. */
  #added = 0;
  #count = 0;
  #size = 0;
  #capacity = TABLE_SIZE;
  /** Where reading goes on; -1 once the bytes were no block. */
  #at = 0;
  #scratch = new Uint8Array(256);
  #memo: Block | null = null;
  readonly #memoBytes = new Uint8Array(MEMO);
  #memoLength = 0;

  /** `maxHeaderBytes` bounds the list as section 4.1 counts it: 32 bytes a field beside name and value. */
  constructor(limits: WireLimits) {
    this.#limits = limits;
  }

  /** Bytes of the dynamic table. */
  get tableSize(): number {
    return this.#size;
  }

  /**
   * The block in `bytes` from `start` to `end`, or null: not a block, and the connection cannot go on
   * (COMPRESSION_ERROR), because the two tables differ from here on.
   */
  decode(bytes: Uint8Array, start: number, end: number): Block | null {
    if (this.#memo !== null && this.#isMemo(bytes, start, end)) return this.#memo;
    const { maxHeaderBytes, maxHeaders } = this.#limits;
    const fields: Field[] = [];
    let sensitive: string[] | null = null;
    let over: Block["over"] = null;
    let weight = 0;
    const added = this.#added;
    this.#at = start;
    if (!this.#resize(bytes, end)) return null;
    const resized = this.#at > start;
    while (this.#at < end) {
      const first = bytes[this.#at] as number;
      const indexed = first >= 0x80;
      if (!indexed && first >= 0x20 && first < 0x40) return null;
      const field = indexed ? this.#find(this.#integer(bytes, end, 7)) : this.#literal(bytes, end, over === null);
      if (field === null || this.#at === -1) return null;
      weight += field.name.length + field.value.length + FIELD_OVERHEAD;
      if (over === null && weight > maxHeaderBytes) over = "bytes";
      if (over === null && fields.length === maxHeaders) over = "fields";
      if (over !== null) continue;
      if (first >= 0x10 && first < 0x20) {
        sensitive ??= [];
        if (!sensitive.includes(field.name)) sensitive.push(field.name);
      }
      fields.push(field);
    }
    const block = { fields, sensitive: sensitive ?? NONE, over };
    // What changes the table has another meaning the second time; what is secret is not kept.
    const same = this.#added === added && !resized && sensitive === null && end - start <= MEMO;
    this.#memo = same ? block : null;
    if (same) {
      for (let i = start, to = 0; i < end; i++) this.#memoBytes[to++] = bytes[i] as number;
      this.#memoLength = end - start;
    }
    return block;
  }

  #isMemo(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start !== this.#memoLength) return false;
    for (let i = 0; i < this.#memoLength; i++) if (this.#memoBytes[i] !== bytes[start + i]) return false;
    return true;
  }

  /** Size updates stand first, and two are all that a change of settings can need (section 4.2). */
  #resize(bytes: Uint8Array, end: number): boolean {
    for (let updates = 0; this.#at < end && ((bytes[this.#at] as number) & 0xe0) === 0x20; updates++) {
      const size = this.#integer(bytes, end, 5);
      if (this.#at === -1 || size > TABLE_SIZE || updates === 2) return false;
      this.#capacity = size;
      this.#evict(0);
    }
    return true;
  }

  #find(index: number): Field | null {
    if (index <= STATIC.length) return STATIC[index - 1] ?? null;
    const back = index - STATIC.length;
    return back > this.#count ? null : (this.#places[(this.#added - back) & (PLACES - 1)] ?? null);
  }

  /** With `wanted` false it only has to be right in the table: a field that stays nowhere is read past. */
  #literal(bytes: Uint8Array, end: number, wanted: boolean): Field | null {
    const first = bytes[this.#at] as number;
    const keep = first >= 0x40;
    const index = this.#integer(bytes, end, keep ? 6 : 4);
    let name: string;
    if (index === 0) {
      name = this.#string(bytes, end);
    } else {
      const named = this.#find(index);
      if (named === null) return null;
      name = named.name;
    }
    if (this.#at === -1) return null;
    const value = this.#string(bytes, end);
    if (this.#at === -1) return null;
    const field = { name, value, kind: keep || wanted ? kindOf(name, value) : 0 };
    if (keep) this.#insert(field);
    return field;
  }

  #insert(field: Field): void {
    const size = field.name.length + field.value.length + FIELD_OVERHEAD;
    this.#evict(size);
    this.#added++;
    // Larger than the table: it is empty now (section 4.4).
    if (size > this.#capacity) {
      this.#count = 0;
      return;
    }
    this.#places[(this.#added - 1) & (PLACES - 1)] = field;
    this.#count++;
    this.#size += size;
  }

  /** Until `more` fits. */
  #evict(more: number): void {
    while (this.#count > 0 && this.#size + more > this.#capacity) {
      const place = (this.#added - this.#count) & (PLACES - 1);
      const oldest = this.#places[place];
      if (oldest) this.#size -= oldest.name.length + oldest.value.length + FIELD_OVERHEAD;
      this.#places[place] = null;
      this.#count--;
    }
  }

  #integer(bytes: Uint8Array, end: number, prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = (bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let i = 0; i <= MAX_CONTINUED && this.#at < end; i++) {
      const byte = bytes[this.#at++] as number;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (value > MAX_INTEGER) break;
      if (byte < 0x80) return value;
    }
    this.#at = -1;
    return 0;
  }

  #string(bytes: Uint8Array, end: number): string {
    if (this.#at >= end) return this.#fail();
    const huffman = (bytes[this.#at] as number) >= 0x80;
    const length = this.#integer(bytes, end, 7);
    const from = this.#at;
    if (from === -1 || length > end - from) return this.#fail();
    this.#at = from + length;
    if (!huffman) return textOf(bytes, from, from + length);
    if (this.#scratch.length < length * 2) this.#scratch = new Uint8Array(length * 2);
    const read = readHuffman(bytes, from, from + length, this.#scratch);
    return read === -1 ? this.#fail() : textOf(this.#scratch, 0, read);
  }

  #fail(): string {
    this.#at = -1;
    return "";
  }
}

/** Up to this long, taking a text together costs less than a call of the decoder. */
const SHORT = 24;

function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT) {
    let text = "";
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
    return text;
  }
  let bits = 0;
  for (let i = start; i < end; i++) bits |= bytes[i] as number;
  return decodeBytes(bytes.subarray(start, end), bits < 0x80);
}
