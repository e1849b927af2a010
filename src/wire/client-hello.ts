/**
 * The first TLS message of a client, read without answering it: whom it names, what it wants to speak. Strict, because
 * the server behind us reads the same bytes and must not find another name in them.
 */
import { normalizeHost } from "./authority.ts";
import { concat } from "./concat.ts";
import { decodeBytes } from "./http1-chars.ts";

export type HelloResult =
  /** Well-formed so far, not complete; another look is worth it when there are `due` bytes. */
  | { readonly kind: "more"; readonly due: number }
  | {
      readonly kind: "hello";
      /** Normalised like every host; null when the client names none. */
      readonly sni: string | null;
      /** Protocol names in the client's order, one char a byte. */
      readonly alpn: readonly string[];
      /** Encrypted ClientHello (or its GREASE, which looks the same): `sni` may be a front. */
      readonly ech: boolean;
    }
  | { readonly kind: "bad"; readonly detail: string }
  | { readonly kind: "not-tls" };

/** Fatal alert unrecognized_name (RFC 6066 section 3) as a record of its own. */
export const UNRECOGNIZED_NAME_ALERT: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 112);

/** Fatal alert access_denied (RFC 8446 section 6.2) as a record of its own. */
export const ACCESS_DENIED_ALERT: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 49);

/** Fatal alert internal_error (RFC 8446 section 6.2) as a record of its own: nobody refused, and it cannot be done. */
export const INTERNAL_ERROR_ALERT: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 80);

const MAX_HELLO = 64 * 1024;
const MAX_RECORD = 16 * 1024;
/** Bounds re-reading: real clients use one record, those that hide from middleboxes a few dozen. */
const MAX_RECORDS = 256;

const SERVER_NAME = 0;
const ALPN = 16;
const PRE_SHARED_KEY = 41;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;
const ENCRYPTED_SERVER_NAME = 0xffce;

/**
 * Reads everything received so far. Handshake fragments are joined over records; bytes behind the record that completes
 * the message belong to what follows and are not judged, so the answer does not depend on how the bytes were delivered.
 */
export function readClientHello(bytes: Uint8Array): HelloResult {
  if (bytes.length === 0) return { kind: "more", due: 1 };
  if (bytes[0] !== 0x16 || (bytes.length > 1 && bytes[1] !== 3)) return { kind: "not-tls" };
  const fragments: Uint8Array[] = [];
  let joined = 0;
  /** Length of the handshake message with its four bytes of header; 0 until they are here. */
  let need = 0;
  let at = 0;
  while (need === 0 || joined < need) {
    if (fragments.length === MAX_RECORDS) return bad("the ClientHello is spread over too many records");
    if (at < bytes.length && bytes[at] !== 0x16) return bad("another record stands inside the ClientHello");
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return bad("a record has an unknown version");
    if (at + 2 < bytes.length && (bytes[at + 2] as number) > 4) return bad("a record has an unknown version");
    if (at + 5 > bytes.length) return { kind: "more", due: at + 5 };
    const size = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
    if (size === 0 || size > MAX_RECORD) return bad("a record is empty or too long");
    const fragment = bytes.subarray(at + 5, at + 5 + size);
    fragments.push(fragment);
    joined += fragment.length;
    at += 5 + size;
    const header = headerOf(fragments);
    if (header.length > 0 && header[0] !== 1) return bad("the first handshake message is not a ClientHello");
    if (header.length === 4) {
      need = 4 + (((header[1] as number) << 16) | ((header[2] as number) << 8) | (header[3] as number));
      if (need > MAX_HELLO) return bad("the ClientHello is too long");
      // A message may not share its last record: what follows would be read under other rules.
      if (joined - fragment.length + size > need) return bad("bytes follow the ClientHello in its record");
    }
    if (fragment.length < size) return { kind: "more", due: at };
  }
  return readBody(new Reader(concat(fragments, joined).subarray(4)));
}

function headerOf(fragments: readonly Uint8Array[]): number[] {
  const header: number[] = [];
  for (const fragment of fragments) {
    for (const byte of fragment.subarray(0, 4 - header.length)) header.push(byte);
    if (header.length === 4) break;
  }
  return header;
}

/** Reads big-endian fields; once something is missing `ok` is false for good and every answer is empty. */
class Reader {
  ok = true;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): Uint8Array {
    if (this.left < length) this.ok = false;
    if (!this.ok) return this.#bytes.subarray(0, 0);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(width: 1 | 2): number {
    const field = this.take(width);
    return width === 1 ? (field[0] ?? 0) : ((field[0] ?? 0) << 8) | (field[1] ?? 0);
  }

  /** A vector with its length in front. */
  vector(width: 1 | 2): Uint8Array {
    return this.take(this.number(width));
  }
}

function readBody(body: Reader): HelloResult {
  const major = body.number(1);
  body.take(1 + 32);
  const session = body.vector(1);
  const suites = body.vector(2);
  const compressions = body.vector(1);
  if (!body.ok) return bad("the ClientHello is shorter than its fields");
  if (major !== 3) return bad("the ClientHello has an unknown version");
  if (session.length > 32) return bad("the session id is too long");
  if (suites.length === 0 || suites.length % 2 !== 0) return bad("the cipher suites are malformed");
  if (!compressions.includes(0)) return bad("the compression methods are malformed");
  // Before TLS 1.3 a hello may end here.
  if (body.left === 0) return { kind: "hello", sni: null, alpn: [], ech: false };
  const extensions = new Reader(body.vector(2));
  if (!body.ok || body.left !== 0) return bad("the extensions do not end with the ClientHello");
  return readExtensions(extensions);
}

function readExtensions(extensions: Reader): HelloResult {
  const seen = new Set<number>();
  let sni: string | null = null;
  let alpn: readonly string[] = [];
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (!extensions.ok) return bad("an extension is shorter than its length");
    if (seen.has(type)) return bad("an extension appears twice");
    if (seen.has(PRE_SHARED_KEY)) return bad("an extension follows pre_shared_key");
    seen.add(type);
    if (type === SERVER_NAME) {
      sni = readServerName(data);
      if (sni === null) return bad("server_name is not one valid host name");
    } else if (type === ALPN) {
      alpn = readProtocols(data);
      if (alpn.length === 0) return bad("the list of application protocols is malformed");
    }
  }
  return { kind: "hello", sni, alpn, ech: seen.has(ENCRYPTED_CLIENT_HELLO) || seen.has(ENCRYPTED_SERVER_NAME) };
}

/** Exactly one entry of type host_name; servers differ on which of several they take. */
function readServerName(data: Uint8Array): string | null {
  const outer = new Reader(data);
  const list = new Reader(outer.vector(2));
  const type = list.number(1);
  const name = list.vector(2);
  if (!outer.ok || outer.left !== 0 || !list.ok || list.left !== 0 || type !== 0) return null;
  for (const byte of name) if (byte <= 0x20 || byte > 0x7e) return null;
  return normalizeHost(decodeBytes(name, true))?.host ?? null;
}

/** Empty when malformed: a list of none is not allowed either. */
function readProtocols(data: Uint8Array): readonly string[] {
  const outer = new Reader(data);
  const list = new Reader(outer.vector(2));
  if (!outer.ok || outer.left !== 0) return [];
  const names: string[] = [];
  while (list.left > 0) {
    const name = list.vector(1);
    if (!list.ok || name.length === 0) return [];
    names.push(decodeBytes(name, false));
  }
  return names;
}

function bad(detail: string): HelloResult {
  return { kind: "bad", detail };
}
