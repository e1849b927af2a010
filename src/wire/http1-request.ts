/** The request side of HTTP/1: bytes of a client connection to events, one message at a time. */
import { SHORT_VALUE } from "../model/egress.ts";
import { BodyReader } from "./http1-body.ts";
import { PassedFields } from "./http1-fields.ts";
import { Framing, readFraming, wantsKeepAlive } from "./http1-framing.ts";
import { HeadScanner, malformed, type RawHead, type WireFault, type WireLimits } from "./http1-head.ts";
import { type Addressed, addressed, LineMemo, readLine } from "./http1-line.ts";
import type { Target } from "./http1-target.ts";

/** A request head. What is asked for of nearly every request is a field; the rest is read when it is asked for. */
export class RequestHead implements Target {
  /** A token; case kept. */
  readonly method: string;
  /** The request target exactly as received. */
  readonly target: string;
  readonly version: 10 | 11;
  /** What target and Host say together; equal requests of one door share it. */
  readonly to: Target;
  readonly fields: PassedFields;
  /** -1 when none was sent. */
  readonly contentLength: number;
  readonly chunked: boolean;
  /** What the peer wants. */
  readonly keepAlive: boolean;
  readonly expectContinue: boolean;
  /** False when no field says how the body is to be read: no coding, and no type but application/json. */
  readonly coded: boolean;
  /** False when no end-to-end value is longer than SHORT_VALUE. */
  readonly wordy: boolean;
  /** Lower-case Upgrade value, only when Connection names it and the version is 1.1. */
  readonly upgrade: string | null;
  /** Lower-case members of Connection and Proxy-Connection. */
  readonly connection: readonly string[];
  /** X-Agent-Id and X-Parent-Agent-Id; null when not sent. */
  readonly agent: string | null;
  readonly parentAgent: string | null;

  constructor(raw: RawHead, { method, target, version, to }: Addressed, framing: Framing) {
    this.method = method;
    this.target = target;
    this.version = version;
    this.to = to;
    this.fields = new PassedFields(raw, framing.runs, framing.connection, true);
    this.contentLength = framing.contentLength;
    this.chunked = framing.chunked;
    this.keepAlive = wantsKeepAlive(framing, version);
    // An HTTP/1.0 client cannot be sent a 100 (RFC 9110 section 10.1.1).
    this.expectContinue = framing.expect && version === 11;
    // Messages inside a body may be compressed each by itself, whatever its type says.
    this.coded = framing.coded || framing.packed;
    this.wordy = framing.longest > SHORT_VALUE;
    this.upgrade = framing.upgrade;
    this.connection = framing.connection;
    this.agent = framing.agent;
    this.parentAgent = framing.parentAgent;
  }

  /** Everything received, flat, order and case kept. */
  get headers(): string[] {
    return this.fields.all;
  }

  get form(): Target["form"] {
    return this.to.form;
  }

  get scheme(): Target["scheme"] {
    return this.to.scheme;
  }

  get host(): string {
    return this.to.host;
  }

  get port(): number {
    return this.to.port;
  }

  get literal(): boolean {
    return this.to.literal;
  }

  get path(): string {
    return this.to.path;
  }

  get destination(): Target["destination"] {
    return this.to.destination;
  }
}

/** Called in the order head, body*, end for each message; nothing after a fault. */
export interface RequestSink {
  head(head: RequestHead): void;
  /** A view of the pushed chunk, never empty; how a body is cut into calls says nothing. */
  body(bytes: Uint8Array): void;
  /** Null when there were no trailers. */
  end(trailers: readonly string[] | null): void;
}

export class RequestParser {
  fault: WireFault | null = null;
  readonly #sink: RequestSink;
  readonly #scanner: HeadScanner;
  readonly #body: BodyReader;
  /** Bytes of the one CRLF tolerated before a request line: 0, 1 or 2. */
  #lead = 0;
  #inBody = false;
  #complete = false;
  readonly #memo: LineMemo;

  /** `memo` may be shared by all connections of a door. */
  constructor(limits: WireLimits, sink: RequestSink, memo: LineMemo = new LineMemo()) {
    this.#sink = sink;
    this.#memo = memo;
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
    const head = this.#interpret(raw);
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

  #interpret(raw: RawHead): RequestHead | WireFault {
    const line = this.#memo.find(raw) ?? readLine(raw);
    if ("status" in line) return line;
    const framing = new Framing(true);
    const fault = readFraming(raw, line.version, framing);
    if (fault !== null) return fault;
    const read = addressed(raw, framing, line, this.#memo);
    if ("status" in read) return read;
    if (read.method === "CONNECT" && (framing.chunked || framing.contentLength > 0)) {
      return malformed("connect_with_body", "a CONNECT request has a body");
    }
    return new RequestHead(raw, read, framing);
  }

  #finish(trailers: readonly string[] | null): void {
    this.#inBody = false;
    this.#complete = true;
    this.#sink.end(trailers);
  }
}
