/** The request side of HTTP/1: bytes of a client connection to events, one message at a time. */
import { BodyReader } from "./http1-body.ts";
import { CLASS, isToken, TARGET } from "./http1-chars.ts";
import { Framing, readFraming, wantsKeepAlive } from "./http1-framing.ts";
import { HeadScanner, malformed, type RawHead, type WireFault, type WireLimits } from "./http1-head.ts";
import { readTarget, type Target } from "./http1-target.ts";

export interface RequestHead extends Target {
  /** A token; case kept. */
  readonly method: string;
  /** The request target exactly as received. */
  readonly target: string;
  readonly version: 10 | 11;
  /** Everything received, flat, order and case kept. */
  readonly headers: string[];
  /** -1 when none was sent. */
  readonly contentLength: number;
  readonly chunked: boolean;
  /** What the peer wants. */
  readonly keepAlive: boolean;
  readonly expectContinue: boolean;
  /** Lower-case Upgrade value, only when Connection names it and the version is 1.1. */
  readonly upgrade: string | null;
  /** Lower-case members of Connection and Proxy-Connection: fields to take out. */
  readonly connection: string[];
}

/** Called in the order head, body*, end for each message; nothing after a fault. */
export interface RequestSink {
  head(head: RequestHead): void;
  /** A view of the pushed chunk, never empty; how a body is cut into calls says nothing. */
  body(bytes: Uint8Array): void;
  /** Null when there were no trailers. */
  end(trailers: readonly string[] | null): void;
}

const MAX_METHOD = 32;
/** A remembered line keeps the whole head it came in alive, so only small ones are. */
const MAX_REMEMBERED = 2048;

export class RequestParser {
  fault: WireFault | null = null;
  readonly #sink: RequestSink;
  readonly #scanner: HeadScanner;
  readonly #body: BodyReader;
  /** Bytes of the one CRLF tolerated before a request line: 0, 1 or 2. */
  #lead = 0;
  #inBody = false;
  #complete = false;
  #last: Addressed | null = null;

  constructor(limits: WireLimits, sink: RequestSink) {
    this.#sink = sink;
    this.#scanner = new HeadScanner(limits, false);
    this.#body = new BodyReader(limits, {
      body: (bytes) => sink.body(bytes),
      end: (trailers) => this.#finish(trailers),
    });
  }

  /** True once a byte of the current message was seen. */
  get started(): boolean {
    return this.#inBody || this.#complete || this.fault !== null || this.#scanner.started;
  }

  get complete(): boolean {
    return this.#complete;
  }

  /**
   * Bytes consumed from `chunk.subarray(offset)`. Stops behind a message (the rest belongs to the next one, or to the
   * tunnel) until `next`, and stops for good at a fault.
   */
  push(chunk: Uint8Array, offset: number): number {
    let i = offset;
    if (this.#complete || this.fault !== null) return 0;
    if (!this.#inBody) {
      if (this.#lead < 2 && !this.#scanner.started) i = this.#skipLead(chunk, i);
      if (i === chunk.length || this.fault !== null) return i - offset;
      i += this.#scanner.push(chunk, i);
      this.fault = this.#scanner.fault;
      const raw = this.#scanner.take();
      if (raw !== null) this.#readHead(raw);
    }
    if (this.#inBody && i < chunk.length) {
      i = this.#body.push(chunk, i);
      this.fault = this.#body.fault;
    }
    return i - offset;
  }

  /** Ready for the next message on this connection. */
  next(): void {
    if (!this.#complete) return;
    this.#complete = false;
    this.#lead = 0;
  }

  /** RFC 9112 section 2.2: old clients end a body with a CRLF that is not in its length. */
  #skipLead(chunk: Uint8Array, offset: number): number {
    let i = offset;
    if (this.#lead === 0) {
      if (chunk[i] !== 0x0d) {
        this.#lead = 2;
        return i;
      }
      this.#lead = 1;
      i++;
    }
    if (i === chunk.length) return i;
    if (chunk[i] !== 0x0a) {
      this.fault = malformed("bare_cr", "a CR is not followed by LF");
      return i;
    }
    this.#lead = 2;
    return i + 1;
  }

  #readHead(raw: RawHead): void {
    const framing = new Framing(true);
    const head = this.#interpret(raw, framing);
    if ("status" in head) {
      this.fault = head;
      return;
    }
    this.#inBody = head.chunked || head.contentLength > 0;
    if (head.chunked) this.#body.startChunked();
    else if (head.contentLength > 0) this.#body.startLength(head.contentLength);
    this.#sink.head(head);
    if (!this.#inBody) this.#finish(null);
  }

  #interpret(raw: RawHead, framing: Framing): RequestHead | WireFault {
    const addressed = this.#address(raw, framing);
    if ("status" in addressed) return addressed;
    const { method, version, to } = addressed;
    if (method === "CONNECT" && (framing.chunked || framing.contentLength > 0)) {
      return malformed("connect_with_body", "a CONNECT request has a body");
    }
    return {
      method,
      target: addressed.target,
      form: to.form,
      scheme: to.scheme,
      host: to.host,
      port: to.port,
      literal: to.literal,
      path: to.path,
      version,
      headers: framing.headers,
      contentLength: framing.contentLength,
      chunked: framing.chunked,
      keepAlive: wantsKeepAlive(framing, version),
      // An HTTP/1.0 client cannot be sent a 100 (RFC 9110 section 10.1.1).
      expectContinue: framing.expect && version === 11,
      upgrade: framing.upgrade,
      connection: framing.connection,
    };
  }

  /** Request line and Host. Clients that keep a connection mostly ask the same again: then the last reading holds. */
  #address(raw: RawHead, framing: Framing): Addressed | WireFault {
    const { text, lineEnd } = raw;
    const last = this.#last;
    const same = last !== null && last.line.length === lineEnd && text.startsWith(last.line);
    const line = same ? last : readLine(raw);
    if ("status" in line) return line;
    const fault = readFraming(raw, line.version, framing);
    if (fault !== null) return fault;
    if (same && last.hostField === framing.host) return last;
    const { method, target, version } = line;
    const to = readTarget(method, target, framing.host, version);
    if ("status" in to) return to;
    const addressed = { line: text.substring(0, lineEnd), hostField: framing.host, method, target, version, to };
    this.#last = text.length <= MAX_REMEMBERED ? addressed : null;
    return addressed;
  }

  #finish(trailers: readonly string[] | null): void {
    this.#inBody = false;
    this.#complete = true;
    this.#sink.end(trailers);
  }
}

interface RequestLine {
  readonly method: string;
  readonly target: string;
  readonly version: 10 | 11;
}

interface Addressed extends RequestLine {
  readonly line: string;
  readonly hostField: string | null;
  readonly to: Target;
}

/** `method SP target SP version`, each part strict and each space single. */
function readLine({ text, lineEnd }: RawHead): RequestLine | WireFault {
  const space = text.indexOf(" ");
  const tail = lineEnd - 9;
  if (space <= 0 || tail <= space || text.charCodeAt(tail) !== 0x20) return badLine();
  if (!text.startsWith("HTTP/", tail + 1)) return badLine();
  const method = text.substring(0, space);
  if (!isToken(method)) return malformed("bad_method", "the method is not a token");
  if (method.length > MAX_METHOD) return { status: 501, code: "method_too_long", detail: "the method is too long" };
  if (changesFraming(method)) return malformed("bad_method", "HEAD and CONNECT are written in capitals");
  if (tail <= space + 1) return badLine();
  for (let i = space + 1; i < tail; i++) {
    const code = text.charCodeAt(i);
    if (((CLASS[code] as number) & TARGET) === 0) {
      return malformed("bad_target", "the target has a character that is not allowed");
    }
  }
  const minor = text.charCodeAt(tail + 8);
  if (!text.startsWith("1.", tail + 6) || (minor !== 0x30 && minor !== 0x31)) {
    if (!/^\d\.\d$/.test(text.slice(tail + 6, lineEnd))) return badLine();
    return { status: 505, code: "bad_version", detail: "the only versions known are HTTP/1.0 and HTTP/1.1" };
  }
  return { method, target: text.substring(space + 1, tail), version: minor === 0x31 ? 11 : 10 };
}

/** Methods are case-sensitive, yet servers exist that fold them: for these two the answer's framing would differ. */
function changesFraming(method: string): boolean {
  if (method.length !== 4 && method.length !== 7) return false;
  const upper = method.toUpperCase();
  return upper !== method && (upper === "HEAD" || upper === "CONNECT");
}

function badLine(): WireFault {
  return malformed("bad_request_line", "the request line is not method, target and version");
}
