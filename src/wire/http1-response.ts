/** The response side of HTTP/1: bytes of an upstream connection to events, one answer at a time. */
import { BodyReader } from "./http1-body.ts";
import { PassedFields } from "./http1-fields.ts";
import { Framing, readFraming, wantsKeepAlive } from "./http1-framing.ts";
import { HeadScanner, malformed, type RawHead, type WireFault, type WireLimits } from "./http1-head.ts";

export class ResponseHead {
  /** 100–999. */
  readonly status: number;
  /** One char a byte; may hold obs-text. */
  readonly reason: string;
  readonly version: 10 | 11;
  readonly fields: PassedFields;
  /** As sent, also where it does not frame (HEAD, 304); -1 when none was sent. */
  readonly contentLength: number;
  /** As sent, also where it does not frame. */
  readonly chunked: boolean;
  /** The body lasts until the connection closes. */
  readonly closeDelimited: boolean;
  /** True when the connection can carry another exchange once this message has ended. */
  readonly keepAlive: boolean;
  readonly upgrade: string | null;
  /** Lower-case members of Connection: fields to take out. */
  readonly connection: readonly string[];
  /** By status or request method there is no body, whatever the fields say. */
  readonly bodyless: boolean;
  /** Content-Type says text/event-stream. */
  readonly eventStream: boolean;
  /** Content-Type is `application/json`, nothing behind it, and no field names a coding. False: ask `headers`. */
  readonly plainJson: boolean;

  constructor(raw: RawHead, { status, reason, version }: StatusLine, framing: Framing, method: string) {
    const tunnel = method === "CONNECT" && status >= 200 && status < 300;
    const bodyless = isEmpty(status) || status === 304 || method === "HEAD" || tunnel;
    const closeDelimited = !bodyless && !framing.chunked && framing.contentLength === -1;
    this.status = status;
    this.reason = reason;
    this.version = version;
    this.fields = new PassedFields(raw, framing.runs, framing.connection, false);
    this.contentLength = framing.contentLength;
    this.chunked = framing.chunked;
    this.closeDelimited = closeDelimited;
    this.keepAlive = !closeDelimited && !tunnel && status !== 101 && wantsKeepAlive(framing, version);
    this.upgrade = framing.upgrade;
    this.connection = framing.connection;
    this.bodyless = bodyless;
    this.eventStream = framing.typeMark !== -1 && raw.valueBegins(framing.typeMark, "text/event-stream");
    this.plainJson =
      !framing.coded && !framing.packed && framing.typeMark !== -1 && isHyphenated(raw, framing.typeMark);
  }

  /** Everything received, flat, order and case kept. */
  get headers(): string[] {
    return this.fields.all;
  }
}

/** Content-Type spelt with its hyphen: what others may read as the same name says nothing to those who do not. */
function isHyphenated({ bytes, base, marks }: RawHead, typeMark: number): boolean {
  return bytes[base + (marks[typeMark] as number) + "content".length] === 0x2d;
}

/** No body, by the status alone. */
function isEmpty(status: number): boolean {
  return status < 200 || status === 204;
}

/** Called in the order informational*, head, body*, end for each answer; nothing after a fault. */
export interface ResponseSink {
  /** A 1xx other than 101. */
  informational(head: ResponseHead): void;
  head(head: ResponseHead): void;
  body(bytes: Uint8Array): void;
  end(trailers: readonly string[] | null): void;
}

/** Interim answers one exchange may have before it counts as an attack on our patience. */
const MAX_INFORMATIONAL = 16;

export class ResponseParser {
  fault: WireFault | null = null;
  readonly #sink: ResponseSink;
  readonly #scanner: HeadScanner;
  readonly #body: BodyReader;
  #method = "GET";
  #informational = 0;
  #inBody = false;
  #complete = true;

  constructor(limits: WireLimits, sink: ResponseSink) {
    this.#sink = sink;
    this.#scanner = new HeadScanner(limits, false);
    this.#body = new BodyReader(limits, {
      body: (bytes) => sink.body(bytes),
      end: (trailers) => this.#finish(trailers),
    });
  }

  /** True once a byte of the current answer, interim ones included, was seen. */
  get started(): boolean {
    return this.#inBody || this.#informational > 0 || this.fault !== null || this.#scanner.started;
  }

  /** True before the first `start` and from the end of an answer to the next `start`. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Expects the answer to a request of this method, which decides whether it has a body. */
  start(requestMethod: string): void {
    this.#method = requestMethod;
    this.#informational = 0;
    this.#complete = false;
  }

  /**
   * Bytes consumed from `chunk.subarray(offset)`. Stops behind the answer (after a 101 or a 2xx to CONNECT the rest is
   * the other protocol) and stops for good at a fault.
   */
  push(chunk: Uint8Array, offset: number): number {
    let i = offset;
    while (i < chunk.length && !this.#complete && this.fault === null) {
      if (this.#inBody) {
        i = this.#body.push(chunk, i);
        this.fault = this.#body.fault;
      } else {
        i += this.#scanner.push(chunk, i);
        this.fault = this.#scanner.fault;
        const raw = this.#scanner.take();
        if (raw !== null) this.#readHead(raw);
      }
    }
    return i - offset;
  }

  /** The peer closed. True: nothing is missing (a close-delimited body ends here). False: truncated, `fault` is set. */
  eof(): boolean {
    if (this.fault !== null) return false;
    if (this.#complete) return true;
    if (this.#body.toClose) {
      this.#body.closeBody();
      return true;
    }
    this.fault = this.started
      ? malformed("truncated", "the connection closed inside the answer")
      : malformed("no_answer", "the connection closed before the answer");
    return false;
  }

  #readHead(raw: RawHead): void {
    const head = interpret(raw, this.#method);
    if ("code" in head) {
      this.fault = head;
      return;
    }
    if (head.status < 200 && head.status !== 101) {
      this.#informational += 1;
      if (this.#informational > MAX_INFORMATIONAL) {
        this.fault = malformed("too_many_informational", "the answer is preceded by too many 1xx answers");
      } else {
        this.#sink.informational(head);
      }
      return;
    }
    this.#inBody = !head.bodyless && head.contentLength !== 0;
    if (this.#inBody) {
      if (head.chunked) this.#body.startChunked();
      else if (head.closeDelimited) this.#body.startToClose();
      else this.#body.startLength(head.contentLength);
    }
    this.#sink.head(head);
    if (!this.#inBody) this.#finish(null);
  }

  #finish(trailers: readonly string[] | null): void {
    this.#inBody = false;
    this.#complete = true;
    this.#sink.end(trailers);
  }
}

function interpret(raw: RawHead, method: string): ResponseHead | WireFault {
  const line = readLine(raw);
  if ("code" in line) return line;
  const framing = new Framing(false);
  const fault = readFraming(raw, line.version, framing);
  if (fault !== null) return fault;
  // RFC 9112 section 6.3 ends these at the blank line; a sender that announces a body would put it on the wire.
  if (isEmpty(line.status) && (framing.chunked || framing.contentLength > 0)) {
    return malformed("body_not_allowed", "an answer that has no body announces one");
  }
  return new ResponseHead(raw, line, framing, method);
}

interface StatusLine {
  readonly status: number;
  readonly reason: string;
  readonly version: 10 | 11;
}

const OK: StatusLine = { status: 200, reason: "OK", version: 11 };
const OK_LINE = "HTTP/1.1 200 OK";
const PREFIX = "HTTP/1.";

/** A line that ends right behind the status is taken (many servers leave the space out): it has no second reading. */
function readLine(raw: RawHead): StatusLine | WireFault {
  if (raw.lineIs(OK_LINE)) return OK;
  const { bytes, base, lineEnd } = raw;
  const minor = bytes[base + 7];
  if (lineEnd < 12 || !raw.text.startsWith("HTTP/") || bytes[base + 8] !== 0x20) return badLine();
  if (!raw.text.startsWith(PREFIX) || (minor !== 0x30 && minor !== 0x31)) {
    return { status: 505, code: "bad_version", detail: "the only versions known are HTTP/1.0 and HTTP/1.1" };
  }
  let status = 0;
  for (let i = 9; i < 12; i++) {
    const digit = (bytes[base + i] as number) - 48;
    if (digit < 0 || digit > 9) return badLine();
    status = status * 10 + digit;
  }
  if (status < 100 || (lineEnd > 12 && bytes[base + 12] !== 0x20)) return badLine();
  return { status, reason: lineEnd > 13 ? raw.text.substring(13, lineEnd) : "", version: minor === 0x31 ? 11 : 10 };
}

function badLine(): WireFault {
  return malformed("bad_status_line", "the status line is not version, status and reason");
}
