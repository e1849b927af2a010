/** DER (ITU-T X.690), as much of it as X.509 needs: one-byte tags, definite lengths, the shortest form of each. */
import { Fault } from "../errors.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One value: its tag, its length, and `parts` one after the other as its content. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const lengthBytes = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  const out = new Uint8Array(2 + lengthBytes + length);
  out[0] = tag;
  out[1] = lengthBytes === 0 ? length : 0x80 | lengthBytes;
  for (let i = 0; i < lengthBytes; i++) out[2 + i] = length >> (8 * (lengthBytes - 1 - i));
  let at = 2 + lengthBytes;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function sequence(...parts: readonly Uint8Array[]): Bytes {
  return tlv(TAG.sequence, ...parts);
}

/** `dotted`: "2.5.29.17". */
export function oid(dotted: string): Bytes {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const content: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    content.push(...groups);
  }
  return tlv(TAG.oid, Uint8Array.from(content));
}

/** A number that is not negative, from its big-endian bytes. */
export function unsigned(bytes: Uint8Array): Bytes {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const content = bytes.subarray(from);
  return (content[0] ?? 0) < 0x80 ? tlv(TAG.integer, content) : tlv(TAG.integer, Uint8Array.of(0), content);
}

/** Whole bytes: no bit of the last one is unused. */
export function bitString(bytes: Uint8Array): Bytes {
  return tlv(TAG.bitString, Uint8Array.of(0), bytes);
}

const encoder = new TextEncoder();

/** RFC 5280, 4.1.2.5: UTCTime until 2049, GeneralizedTime from then on. `ms` since the epoch; fractions are dropped. */
export function time(ms: number): Bytes {
  const digits = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
  return digits < "2050"
    ? tlv(TAG.utcTime, encoder.encode(digits.slice(2)))
    : tlv(TAG.generalizedTime, encoder.encode(digits));
}

export interface Value {
  readonly tag: number;
  /** With tag and length. */
  readonly whole: Bytes;
  readonly content: Bytes;
}

/** Walks the values that stand one after the other. What is not DER is a Fault `certificate_invalid`. */
export class DerReader {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  next(tag?: number): Value {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = bytes[start];
    const first = bytes[start + 1];
    if (found === undefined || first === undefined || (found & 0x1f) === 0x1f) throw malformed();
    if (tag !== undefined && found !== tag) throw malformed();
    let at = start + 2;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0 || count > 3) throw malformed();
      length = 0;
      for (let i = 0; i < count; i++) length = (length << 8) | (bytes[at++] ?? 0);
      if (length < 0x80 || length < 1 << (8 * (count - 1))) throw malformed();
    }
    if (at + length > bytes.length) throw malformed();
    this.#at = at + length;
    return { tag: found, whole: bytes.subarray(start, this.#at), content: bytes.subarray(at, this.#at) };
  }

  /** The next value if it has this tag. */
  optional(tag: number): Value | null {
    return this.#bytes[this.#at] === tag ? this.next(tag) : null;
  }

  /** A reader of the sequence that is next. */
  inner(tag: number = TAG.sequence): DerReader {
    return new DerReader(this.next(tag).content);
  }

  end(): void {
    if (!this.done) throw malformed();
  }
}

/** The content of an object identifier as "2.5.29.17". */
export function dotted(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    // Arcs that no number here can hold name nothing that is looked for.
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)));
    else arcs.push(arc);
    arc = 0;
  }
  return arcs.join(".");
}

/** Bytes of a BIT STRING that has no unused bits; with `loose` those are allowed, as in flags. */
export function bitsOf(value: Value, loose = false): Bytes {
  const unused = value.content[0];
  if (unused === undefined || unused > 7 || (!loose && unused !== 0)) throw malformed();
  return value.content.subarray(1);
}

/** Milliseconds since the epoch. */
export function readTime({ tag, content }: Value): number {
  const text = String.fromCharCode(...content.subarray(0, 20));
  const full = tag === TAG.utcTime ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text;
  const parts = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z$/.exec(full);
  if ((tag !== TAG.utcTime && tag !== TAG.generalizedTime) || parts === null) throw malformed();
  const [, year, month, day, hour, minute, second] = parts;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(ms)) throw malformed();
  return ms;
}

function malformed(): Fault {
  return new Fault("certificate_invalid", "read a certificate: it is not DER, or not what X.509 asks for");
}
