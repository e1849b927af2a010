/** What a connection carries, told by what its client says first. */
import { type HelloResult, readClientHello } from "./client-hello.ts";

export type Spoken =
  | { readonly kind: "tls"; readonly hello: Extract<HelloResult, { kind: "hello" }> }
  | { readonly kind: "http" }
  /** HTTP/2 without TLS, by prior knowledge. */
  | { readonly kind: "h2c" }
  | { readonly kind: "other"; readonly detail: string };

/** A ClientHello is at most this long; what has not shown itself by then is not one. */
const MAX_BYTES = 64 * 1024;
/** Up to here every packet is looked at: enough for all that a wrong beginning shows without its whole record. */
const EAGER = 16;
const FIRST_ROOM = 2048;
const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Gathers the first bytes of a connection until they say what it is. None is lost. */
export class FirstBytes {
  /** What has come so far: the first `#length` bytes. */
  #seen: Uint8Array = new Uint8Array(0);
  #length = 0;
  /** With fewer bytes than this nothing more could be said than last time. */
  #due = 0;

  get length(): number {
    return this.#length;
  }

  /** A view of everything gathered. */
  get bytes(): Uint8Array {
    return this.#seen.subarray(0, this.#length);
  }

  /** Null: it is not told yet. To be called until something is. */
  push(bytes: Uint8Array): Spoken | null {
    this.#keep(bytes);
    const length = this.#length;
    // Every look begins at the first byte: one a packet would make a hello in small pieces a quadratic cost.
    if (length > EAGER && length < this.#due && length <= MAX_BYTES) return null;
    const look = classify(this.bytes);
    if (typeof look !== "number") return look;
    if (length > MAX_BYTES) return { kind: "other", detail: "no protocol recognised" };
    this.#due = look;
    return null;
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (this.#length === 0) this.#seen = bytes;
    else {
      if (length > this.#seen.length) {
        const larger = new Uint8Array(Math.max(length, this.#seen.length * 2, FIRST_ROOM));
        larger.set(this.#seen.subarray(0, this.#length));
        this.#seen = larger;
      }
      this.#seen.set(bytes, this.#length);
    }
    this.#length = length;
  }
}

/** A number: not enough bytes to say, look again when there are that many. */
function classify(bytes: Uint8Array): Spoken | number {
  if (bytes[0] === 0x16) {
    const hello = readClientHello(bytes);
    if (hello.kind === "more") return hello.due;
    if (hello.kind === "hello") return { kind: "tls", hello };
    return { kind: "other", detail: hello.kind === "bad" ? `malformed ClientHello: ${hello.detail}` : "not TLS" };
  }
  let text = "";
  for (let i = 0; i < bytes.length && i < 40; i++) text += String.fromCharCode(bytes[i] as number);
  // Nobody has a method PRI, so what begins like it and goes on otherwise is neither.
  if (text.startsWith("PRI ")) {
    if (!HTTP2_PREFACE.startsWith(text.slice(0, HTTP2_PREFACE.length)))
      return { kind: "other", detail: "a malformed HTTP/2 preface" };
    return text.length < HTTP2_PREFACE.length ? 0 : { kind: "h2c" };
  }
  const space = text.indexOf(" ");
  const method = space < 0 ? text : text.slice(0, space);
  // Methods in use are upper-case words; a protocol that merely begins with letters fails at the request parser.
  if (!/^[A-Z][A-Z-]{0,31}$/.test(method)) return { kind: "other", detail: "neither TLS nor HTTP" };
  return space < 0 ? 0 : { kind: "http" };
}
