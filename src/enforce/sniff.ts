import type { Deadlined, Deadlines } from "../model/deadlines.ts";
import type { Taken } from "../model/exchange.ts";
import { type HelloResult, readClientHello } from "../wire/client-hello.ts";
import { Parked } from "./parked.ts";

/** How long a tunnel may stay silent before it is a veto. */
const SILENCE_MS = 2_000;
/** A ClientHello is at most this long; what has not shown itself by then is not one. */
const MAX_BYTES = 64 * 1024;

export type First =
  | { readonly kind: "tls"; readonly hello: Extract<HelloResult, { kind: "hello" }> }
  | { readonly kind: "http" }
  | { readonly kind: "other"; readonly detail: string }
  | { readonly kind: "silent" }
  | { readonly kind: "gone" };

/** Reads a tunnel's first bytes until they say what it carries. The bytes stay parked, none is lost. */
export class Sniffer extends Parked implements Deadlined {
  deadline: number;
  readonly first: Promise<First>;
  readonly #deadlines: Deadlines;
  #resolve: ((first: First) => void) | null = null;
  #seen: Uint8Array = new Uint8Array(0);

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
    this.chunks.push(bytes);
    const seen = new Uint8Array(this.#seen.length + bytes.length);
    seen.set(this.#seen);
    seen.set(bytes, this.#seen.length);
    this.#seen = seen;
    const first = classify(seen);
    if (first !== null) this.#settle(first);
    else if (seen.length > MAX_BYTES) this.#settle({ kind: "other", detail: "no protocol recognised" });
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
    this.deadline = Number.POSITIVE_INFINITY;
    this.#deadlines.remove(this);
    this.conn?.pause();
    resolve(first);
  }
}

const HTTP2_PREFACE = "PRI * HTTP/2.0";

/** Null: not enough bytes to say. */
function classify(bytes: Uint8Array): First | null {
  if (bytes[0] === 0x16) {
    const hello = readClientHello(bytes);
    if (hello.kind === "more") return null;
    if (hello.kind === "hello") return { kind: "tls", hello };
    return { kind: "other", detail: hello.kind === "bad" ? `malformed ClientHello: ${hello.detail}` : "not TLS" };
  }
  let text = "";
  for (let i = 0; i < bytes.length && i < 40; i++) text += String.fromCharCode(bytes[i] as number);
  if (HTTP2_PREFACE.startsWith(text.slice(0, HTTP2_PREFACE.length)) && text.startsWith("PRI"))
    return text.length < HTTP2_PREFACE.length ? null : { kind: "other", detail: "HTTP/2 without TLS" };
  const space = text.indexOf(" ");
  const method = space < 0 ? text : text.slice(0, space);
  // Methods in use are upper-case words; a protocol that merely begins with letters fails at the request parser.
  if (!/^[A-Z][A-Z-]{0,31}$/.test(method)) return { kind: "other", detail: "neither TLS nor HTTP" };
  return space < 0 ? null : { kind: "http" };
}
