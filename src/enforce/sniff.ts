import type { Deadlined, Deadlines } from "../model/deadlines.ts";
import type { Taken } from "../model/exchange.ts";
import { type HelloResult, readClientHello } from "../wire/client-hello.ts";
import { Parked } from "./parked.ts";

/** How long a tunnel may stay silent before it is a veto. */
const SILENCE_MS = 2_000;
/** A ClientHello is at most this long; what has not shown itself by then is not one. */
const MAX_BYTES = 64 * 1024;
/** Up to here every packet is looked at: enough for all that a wrong beginning shows without its whole record. */
const EAGER = 16;
const FIRST_ROOM = 2048;

export type First =
  | { readonly kind: "tls"; readonly hello: Extract<HelloResult, { kind: "hello" }> }
  | { readonly kind: "http" }
  /** HTTP/2 without TLS, by prior knowledge. */
  | { readonly kind: "h2c" }
  | { readonly kind: "other"; readonly detail: string }
  | { readonly kind: "silent" }
  | { readonly kind: "gone" };

/** Reads a tunnel's first bytes until they say what it carries. The bytes stay parked, none is lost. */
export class Sniffer extends Parked implements Deadlined {
  deadline: number;
  readonly first: Promise<First>;
  readonly #deadlines: Deadlines;
  #resolve: ((first: First) => void) | null = null;
  /** What has come so far: the first `#length` bytes. */
  #seen: Uint8Array = new Uint8Array(0);
  #length = 0;
  /** With fewer bytes than this nothing more could be said than last time. */
  #due = 0;

  constructor(taken: Taken, deadlines: Deadlines) {
    super();
    this.#deadlines = deadlines;
    this.deadline = deadlines.now + SILENCE_MS;
    this.first = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    deadlines.add(this);
    this.attach(taken.conn);
    if (taken.leftover !== null) this.data(taken.leftover);
    if (taken.ended) this.end();
  }

  override data(bytes: Uint8Array): void {
    if (this.#resolve === null) {
      super.data(bytes);
      return;
    }
    this.#keep(bytes);
    const length = this.#length;
    // Every look begins at the first byte: one a packet would make a hello in small pieces a quadratic cost.
    if (length > EAGER && length < this.#due && length <= MAX_BYTES) return;
    const look = classify(this.#seen.subarray(0, length));
    if (typeof look !== "number") this.#settle(look);
    else if (length > MAX_BYTES) this.#settle({ kind: "other", detail: "no protocol recognised" });
    else this.#due = look;
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

  override end(): void {
    super.end();
    this.#settle({ kind: "gone" });
  }

  override close(error: Error | null): void {
    super.close(error);
    this.#settle({ kind: "gone" });
  }

  expired(): void {
    this.#settle({ kind: "silent" });
  }

  #settle(first: First): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    if (this.#length > 0) this.chunks.push(this.#seen.subarray(0, this.#length));
    this.deadline = Number.POSITIVE_INFINITY;
    this.#deadlines.remove(this);
    this.conn?.pause();
    resolve(first);
  }
}

const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** A number: not enough bytes to say, look again when there are that many. */
function classify(bytes: Uint8Array): First | number {
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
