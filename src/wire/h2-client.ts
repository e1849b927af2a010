/** HTTP/2 towards an upstream: requests out, answers in. */
import { Fault } from "../errors.ts";
import type { HeaderList } from "../model/headers.ts";
import { LATE } from "./h2-allowance.ts";
import { H2Connection } from "./h2-connection.ts";
import { ErrorCode, MAX_WINDOW, PREFACE } from "./h2-frames.ts";
import { type H2ResponseHead, readResponse } from "./h2-heads.ts";
import { ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE } from "./h2-settings.ts";
import type { H2Limits, H2Sink } from "./h2-sink.ts";
import { ENDED, RESET_BY_PEER, RESET_BY_US, type Stream } from "./h2-streams.ts";
import type { Block } from "./hpack-decoder.ts";
import { malformed } from "./http1-head.ts";

export interface H2ClientSink extends H2Sink {
  /** A 1xx. */
  informational(stream: number, head: H2ResponseHead): void;
  /** `ended`: there is no body; `end` is told all the same, next. */
  response(stream: number, head: H2ResponseHead, ended: boolean): void;
  /** The stream is gone, and the upstream says that it did nothing about it: safe to be sent again elsewhere. */
  unprocessed(stream: number): void;
}

/** What a request says before its fields. Scheme and path are "" for CONNECT. */
interface H2Opening {
  readonly method: string;
  readonly scheme: "http" | "https" | "";
  readonly authority: string;
  readonly path: string;
}

/** Streams opened before the upstream has said how many it takes (section 6.5.2 recommends that it take 100). */
const FIRST_STREAMS = 100;
/** As in HTTP/1. */
const MAX_INFORMATIONAL = 16;
const WORD = /^[\x21-\x7e]+$/;

export class H2Client extends H2Connection {
  readonly #sink: H2ClientSink;
  #next = 1;
  /** Set by GOAWAY; -1: none came. */
  #bound = -1;
  #leaving = false;

  /** Preface and SETTINGS are there for `fill` at once. `limits.maxStreams` bounds what is open here too. */
  constructor(limits: H2Limits, sink: H2ClientSink) {
    super(limits, sink, false);
    this.#sink = sink;
    this.out.append(PREFACE);
    const { streamWindow, maxHeaderBytes } = limits;
    this.settings([ENABLE_PUSH, 0, INITIAL_WINDOW_SIZE, streamWindow, MAX_HEADER_LIST_SIZE, maxHeaderBytes]);
  }

  /** How many streams `open` would open now. */
  get room(): number {
    if (this.over || this.#leaving || this.#bound !== -1) return 0;
    const most = this.peer.seen ? this.peer.maxStreams : FIRST_STREAMS;
    const ids = Math.floor((MAX_WINDOW - this.#next) / 2) + 1;
    // Whose bytes are not consumed has a part of the connection's window still, though it may be over.
    return Math.max(0, Math.min(most - this.live, this.limits.maxStreams - this.streams.size, ids));
  }

  /** No stream will be opened any more; the connection serves those it has. */
  get leaving(): boolean {
    return this.over || this.#leaving || this.#bound !== -1 || this.#next > MAX_WINDOW;
  }

  /**
   * Sends a head; with `end` the whole request. Answers the stream, 0 when there is no room for one. `fields` and `sensitive`
   * as of `H2Server.respond`; Host is left out. Throws Fault `head_unsafe` when a word of `to` could be read as more than one.
   */
  open(to: H2Opening, fields: HeaderList, end: boolean, sensitive?: readonly string[]): number {
    if (this.room === 0) return 0;
    const { method, scheme, authority, path } = to;
    const connect = method === "CONNECT";
    if (!WORD.test(method) || !WORD.test(authority) || (!connect && !WORD.test(path))) {
      throw new Fault("head_unsafe", "cannot write a request head: its method, path or authority is not one word");
    }
    const id = this.#next;
    this.#next += 2;
    const stream = this.add(id);
    stream.method = method;
    stream.headSent = true;
    const pseudo = connect
      ? [":method", method, ":authority", authority]
      : [":method", method, ":scheme", scheme, ":authority", authority, ":path", path];
    this.writeBlock(id, pseudo, fields, end, sensitive);
    stream.localEnded = end;
    return id;
  }

  /** Opens no new stream, and says so; those under way go on. */
  goaway(code: number = ErrorCode.NO_ERROR): void {
    this.#leaving = true;
    this.writeGoaway(code);
  }

  /** A server opens nothing here. */
  protected get last(): number {
    return 0;
  }

  protected known(id: number): boolean {
    return id % 2 === 1 && id < this.#next;
  }

  protected startHeaders(id: number): void {
    if (!this.known(id)) {
      this.illegal("idle_stream", "HEADERS for a stream that was never opened");
      return;
    }
    const stream = this.streams.get(id);
    if (stream !== undefined && !stream.closed) return;
    if (this.endings.of(id) === RESET_BY_US) this.take(LATE);
    else this.die(ErrorCode.STREAM_CLOSED, "closed_stream", "HEADERS for a stream that is over");
  }

  protected readBlock(id: number, block: Block, ends: boolean): void {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed) return;
    if (stream.remoteEnded) {
      this.refuse(stream, ErrorCode.STREAM_CLOSED, malformed("head_after_end", "a head follows the end"));
    } else if (stream.headSeen) this.readTrailers(stream, block, ends);
    else this.#answer(stream, block, ends);
  }

  #answer(stream: Stream, block: Block, ends: boolean): void {
    const head = readResponse(block);
    if ("code" in head) {
      this.refuse(stream, ErrorCode.PROTOCOL_ERROR, head);
      return;
    }
    const { status, contentLength } = head;
    if (status < 200) {
      stream.interim++;
      if (ends) this.refuse(stream, ErrorCode.PROTOCOL_ERROR, malformed("interim_end", "a 1xx ends the stream"));
      else if (stream.interim > MAX_INFORMATIONAL) {
        const fault = malformed("too_many_informational", "the answer is preceded by too many 1xx answers");
        this.refuse(stream, ErrorCode.ENHANCE_YOUR_CALM, fault);
      } else this.#sink.informational(stream.id, head);
      return;
    }
    const tunnel = stream.method === "CONNECT" && status < 300;
    stream.headSeen = true;
    stream.bodyless = stream.method === "HEAD" || status === 204 || status === 304;
    stream.expected = stream.bodyless || tunnel ? -1 : contentLength;
    if (ends && stream.expected > 0) {
      const fault = malformed("body_too_short", "a body is shorter than its Content-Length");
      this.refuse(stream, ErrorCode.PROTOCOL_ERROR, fault);
      return;
    }
    this.#sink.response(stream.id, head, ends);
    if (ends && !stream.closed) this.ended(stream, null);
  }

  protected settle(stream: Stream): void {
    if (stream.localEnded && stream.remoteEnded) this.finish(stream, ENDED);
  }

  protected wasReset(stream: Stream, code: number): void {
    if (code === ErrorCode.REFUSED_STREAM && !stream.headSeen) this.#sink.unprocessed(stream.id);
    else this.#sink.reset(stream.id, code, null);
  }

  protected readGoaway(last: number, code: number): void {
    if (this.#bound !== -1 && last > this.#bound) {
      this.illegal("goaway_raised", "the upstream takes back that it did nothing about a stream");
      return;
    }
    this.#bound = last;
    this.#sink.goaway(last, code);
    for (const stream of this.streams.values()) {
      if (stream.id <= last || stream.closed) continue;
      this.close(stream, RESET_BY_PEER);
      this.#sink.unprocessed(stream.id);
    }
  }
}
