/** HTTP/2 towards our clients: requests in, answers out. */
import type { HeaderList } from "../model/headers.ts";
import { LATE, PROVOKED, REFUSED, RESETS, UPDATES } from "./h2-allowance.ts";
import { H2Connection } from "./h2-connection.ts";
import { ErrorCode, FRAME_HEAD, RST_STREAM, writeNumber } from "./h2-frames.ts";
import { AuthorityMemo, type H2RequestHead, readRequest } from "./h2-heads.ts";
import { INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE } from "./h2-settings.ts";
import type { H2Limits, H2Sink } from "./h2-sink.ts";
import { ENDED, FORGOTTEN, RESET_BY_US, type Stream } from "./h2-streams.ts";
import type { Block } from "./hpack-decoder.ts";
import { malformed, type WireFault } from "./http1-head.ts";

export interface H2ServerSink extends H2Sink {
  /** `ended`: there is no body; `end` is told all the same, next. */
  request(stream: number, head: H2RequestHead, ended: boolean): void;
  /**
   * A head that is none. The stream is reset when this returns; `respond` and `data` called in here leave before, as far
   * as the windows let them. Nothing more is told of the stream.
   */
  malformed(stream: number, fault: WireFault): void;
}

const NONE: HeaderList = [];

export class H2Server extends H2Connection {
  /** Streams refused because there were `maxStreams`, or because of `goaway`. */
  refused = 0;
  readonly #sink: H2ServerSink;
  readonly #memo = new AuthorityMemo();
  /** Its head is being told: how it ends is settled behind that. */
  #held: Stream | null = null;
  #last = 0;
  /** Streams above it are not taken up. */
  #bound = Number.POSITIVE_INFINITY;

  /** The server's SETTINGS are there for `fill` at once. */
  constructor(limits: H2Limits, sink: H2ServerSink) {
    super(limits, sink, true);
    this.#sink = sink;
    const { maxStreams, streamWindow, maxHeaderBytes } = limits;
    this.settings([
      MAX_CONCURRENT_STREAMS,
      maxStreams,
      INITIAL_WINDOW_SIZE,
      streamWindow,
      MAX_HEADER_LIST_SIZE,
      maxHeaderBytes,
    ]);
  }

  /** An interim answer, 100 to 199 but 101. */
  inform(id: number, status: number, fields: HeaderList = NONE): void {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed || stream.headSent) return;
    this.writeBlock(id, [":status", String(status)], fields, false);
  }

  /**
   * The head of the answer; with `end` all of it. Fields may be of HTTP/1: names are folded, what belongs to a connection is
   * left out. `sensitive`: names (lower case) that no table may hold, besides those known as secret here. False: the stream
   * is gone, or was answered.
   */
  respond(id: number, status: number, fields: HeaderList, end: boolean, sensitive?: readonly string[]): boolean {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed || stream.headSent) return false;
    stream.headSent = true;
    this.writeBlock(id, [":status", String(status)], fields, end, sensitive);
    if (end) {
      stream.localEnded = true;
      this.settle(stream);
    }
    return true;
  }

  /** Takes up no new stream; those under way go on (`drained` says when they are through). */
  goaway(code: number = ErrorCode.NO_ERROR): void {
    this.#bound = this.#last;
    this.writeGoaway(code);
  }

  protected get last(): number {
    return Math.min(this.#last, this.#bound);
  }

  protected known(id: number): boolean {
    return id % 2 === 1 && id <= this.#last;
  }

  protected startHeaders(id: number): void {
    if (id % 2 === 0) {
      this.illegal("even_stream", "a client opens a stream with an even number");
      return;
    }
    if (id > this.#last) {
      this.#last = id;
      return;
    }
    const stream = this.streams.get(id);
    if (stream !== undefined && !stream.closed) return;
    const how = this.endings.of(id);
    if (how === RESET_BY_US) this.take(LATE);
    else if (how === FORGOTTEN) this.illegal("stream_reused", "a client opens a stream below its last");
    else this.die(ErrorCode.STREAM_CLOSED, "closed_stream", "HEADERS for a stream that is over");
  }

  protected readBlock(id: number, block: Block, ends: boolean): void {
    const stream = this.streams.get(id);
    if (stream !== undefined && !stream.closed) {
      if (!stream.remoteEnded) this.readTrailers(stream, block, ends);
      else this.refuse(stream, ErrorCode.STREAM_CLOSED, malformed("head_after_end", "a head follows the end"));
      return;
    }
    // One that was reset already: its block had to be decoded, no more.
    if (this.endings.of(id) === RESET_BY_US) return;
    this.allowance.credit(UPDATES, 2);
    if (id > this.#bound || this.live >= this.limits.maxStreams) this.#decline(id);
    else this.#begin(id, block, ends);
  }

  #decline(id: number): void {
    this.refused++;
    if (!this.take(REFUSED)) return;
    this.endings.note(id, RESET_BY_US);
    writeNumber(this.out, RST_STREAM, id, ErrorCode.REFUSED_STREAM);
    this.reply(FRAME_HEAD + 4);
  }

  #begin(id: number, block: Block, ends: boolean): void {
    const head = readRequest(block, this.#memo);
    const stream = this.add(id);
    if ("code" in head) {
      this.#malformed(stream, head);
      return;
    }
    stream.headSeen = true;
    stream.method = head.method;
    stream.expected = head.contentLength;
    // Told only when it is whole: what says two things of its length is no request.
    if (ends && head.contentLength > 0) {
      this.#malformed(stream, malformed("body_too_short", "a body is shorter than its Content-Length"));
      return;
    }
    // An answer from inside must not take a request that has ended for one that goes on.
    this.#held = stream;
    this.#sink.request(id, head, ends);
    this.#held = null;
    if (stream.closed) return;
    if (ends) this.ended(stream, null);
    else this.settle(stream);
  }

  #malformed(stream: Stream, fault: WireFault): void {
    if (!this.take(PROVOKED)) return;
    stream.remoteEnded = true;
    this.#held = stream;
    this.#sink.malformed(stream.id, fault);
    this.#held = null;
    if (this.over || stream.closed) return;
    while (stream.queued > 0 && stream.sendWindow > 0 && this.sender.window > 0) this.sender.frame(stream, this.out);
    this.cut(stream, ErrorCode.PROTOCOL_ERROR);
  }

  protected settle(stream: Stream): void {
    if (!stream.localEnded || stream.closed || stream === this.#held) return;
    if (stream.remoteEnded) {
      this.finish(stream, ENDED);
      return;
    }
    // The answer is whole and the request is not: nobody will read the rest (section 8.1).
    writeNumber(this.out, RST_STREAM, stream.id, ErrorCode.NO_ERROR);
    this.finish(stream, RESET_BY_US);
  }

  protected wasReset(stream: Stream, code: number): void {
    if (this.take(RESETS)) this.#sink.reset(stream.id, code, null);
  }

  protected readGoaway(last: number, code: number): void {
    this.#sink.goaway(last, code);
  }
}
