/** What comes in on the streams of an HTTP/2 connection, and how they end (RFC 9113 sections 5 and 8.1). */
import { Fault } from "../errors.ts";
import type { HeaderList } from "../model/headers.ts";
import { LATE, PROVOKED, UPDATES } from "./h2-allowance.ts";
import {
  ErrorCode,
  FIRST_WINDOW,
  FRAME_HEAD,
  MAX_WINDOW,
  RST_STREAM,
  WINDOW_UPDATE,
  writeNumber,
} from "./h2-frames.ts";
import { readTrailers } from "./h2-heads.ts";
import { Sender } from "./h2-sender.ts";
import type { H2Limits, H2Sink } from "./h2-sink.ts";
import { ENDED, Endings, RESET_BY_PEER, RESET_BY_US, Stream } from "./h2-streams.ts";
import { type H2Fault, H2Wire } from "./h2-wire.ts";
import type { Block } from "./hpack-decoder.ts";
import { malformed, type WireFault } from "./http1-head.ts";

/**
 * A window that is opened by as much ends either with bytes that were sent or with more than a window may be, so it needs no
 * count: Go's clients open two by 4 KiB for each piece of that size they read, eight times a frame.
 */
const FREE_UPDATE = 2048;

export abstract class H2Incoming extends H2Wire {
  protected readonly limits: H2Limits;
  protected readonly streams = new Map<number, Stream>();
  protected readonly endings = new Endings();
  protected readonly sender: Sender;
  /** Streams neither over nor reset. */
  protected live = 0;
  readonly #sink: H2Sink;
  #window: number;
  #owed = 0;
  /** Whose DATA frame is being read; null: its bytes go nowhere. */
  #current: Stream | null = null;
  /** `ready` was told and `fill` has not come. */
  protected told = false;

  constructor(limits: H2Limits, sink: H2Sink, server: boolean) {
    super(limits, limits.maxStreams, server);
    if (limits.streamWindow < FIRST_WINDOW || limits.connectionWindow < FIRST_WINDOW) {
      throw new Fault("unsupported", "windows of HTTP/2 are 65,535 bytes or more");
    }
    this.limits = limits;
    this.#sink = sink;
    this.#window = limits.connectionWindow;
    this.sender = new Sender(
      { drained: (stream) => sink.writable(stream.id), ended: (stream) => this.sent(stream) },
      limits,
    );
  }

  /** Streams neither over nor reset. */
  get active(): number {
    return this.live;
  }

  protected add(id: number): Stream {
    const stream = new Stream(id, this.peer.initialWindow, this.limits.streamWindow);
    this.streams.set(id, stream);
    this.live++;
    return stream;
  }

  /** Our last byte was written, or what ends the stream is to be. */
  protected abstract sent(stream: Stream): void;
  /** One of the two messages is whole: whether the stream is over. */
  protected abstract settle(stream: Stream): void;
  /** The stream was opened at some time. */
  protected abstract known(id: number): boolean;
  /** RST_STREAM for a stream that is neither over nor reset; it is closed already. */
  protected abstract wasReset(stream: Stream, code: number): void;

  protected close(stream: Stream, how: number): void {
    if (stream.closed) return;
    stream.closed = true;
    this.live--;
    this.endings.note(stream.id, how);
    this.sender.drop(stream);
    // What the owner still holds of a whole message stays counted: else many short ones would pass the connection's window.
    if (how === ENDED && stream.unconsumed > 0) return;
    this.streams.delete(stream.id);
    this.giveBack(stream.unconsumed);
    stream.unconsumed = 0;
  }

  /** Ours is over and theirs too. */
  protected finish(stream: Stream, how: number): void {
    if (stream.closed) return;
    this.close(stream, how);
    this.#sink.closed(stream.id);
  }

  /** Resets a stream for what the peer did, and tells the owner. */
  protected refuse(stream: Stream, code: number, fault: WireFault): void {
    if (stream.closed || !this.take(PROVOKED)) return;
    this.cut(stream, code);
    if (!this.over) this.#sink.reset(stream.id, code, fault);
  }

  protected cut(stream: Stream, code: number): void {
    writeNumber(this.out, RST_STREAM, stream.id, code);
    this.close(stream, RESET_BY_US);
    this.reply(FRAME_HEAD + 4);
  }

  protected touch(): void {
    if (this.told) return;
    this.told = true;
    this.#sink.ready();
  }

  protected failed(fault: H2Fault): void {
    for (const stream of this.streams.values()) {
      stream.closed = true;
      stream.dropQueue();
    }
    this.streams.clear();
    this.live = 0;
    this.#current = null;
    this.sender.queued = 0;
    this.#sink.failed(fault);
  }

  protected startData(id: number, length: number): void {
    this.#current = null;
    this.#window -= length;
    if (this.#window < 0) {
      this.die(ErrorCode.FLOW_CONTROL_ERROR, "window", "the peer sends more than the connection's window");
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed) {
      if (!this.known(id)) this.illegal("idle_stream", "DATA for a stream that was never opened");
      else if (this.endings.of(id) === RESET_BY_US) this.take(LATE);
      else this.die(ErrorCode.STREAM_CLOSED, "closed_stream", "DATA for a stream that is over");
    } else if (stream.remoteEnded) {
      this.refuse(stream, ErrorCode.STREAM_CLOSED, malformed("data_after_end", "DATA follows the end of a message"));
    } else if (!stream.headSeen) {
      this.refuse(stream, ErrorCode.PROTOCOL_ERROR, malformed("no_head", "DATA comes before a head"));
    } else if (length > stream.receiveWindow) {
      this.refuse(stream, ErrorCode.FLOW_CONTROL_ERROR, malformed("window", "the peer sends more than the window"));
    } else {
      stream.receiveWindow -= length;
      this.#current = stream;
    }
  }

  dataBytes(bytes: Uint8Array): void {
    const stream = this.#current;
    if (stream === null || stream.closed) {
      this.giveBack(bytes.length);
      return;
    }
    const most = stream.bodyless ? 0 : stream.expected === -1 ? bytes.length : stream.expected - stream.received;
    const count = Math.min(bytes.length, most);
    stream.received += count;
    stream.unconsumed += count;
    // The part that is right goes on, so that what was seen does not depend on how frames were cut.
    if (count > 0) this.#sink.data(stream.id, count === bytes.length ? bytes : bytes.subarray(0, count));
    if (count === bytes.length) return;
    this.giveBack(bytes.length - count);
    this.refuse(stream, ErrorCode.PROTOCOL_ERROR, malformed("body_too_long", "a body is longer than it may be"));
  }

  protected endData(padding: number, ends: boolean): void {
    const stream = this.#current;
    this.#current = null;
    if (padding > 0) this.giveBack(padding);
    if (stream === null || stream.closed) return;
    if (padding > 0 && !ends) this.giveBackOf(stream, padding);
    if (ends) this.ended(stream, null);
  }

  /** The peer's message is whole. */
  protected ended(stream: Stream, trailers: HeaderList | null): void {
    if (stream.expected !== -1 && stream.received !== stream.expected) {
      const fault = malformed("body_too_short", "a body is shorter than its Content-Length");
      this.refuse(stream, ErrorCode.PROTOCOL_ERROR, fault);
      return;
    }
    stream.remoteEnded = true;
    this.#sink.end(stream.id, trailers);
    this.settle(stream);
  }

  /** The block behind a body. */
  protected readTrailers(stream: Stream, block: Block, ends: boolean): void {
    const read = ends
      ? readTrailers(block)
      : malformed("trailers_without_end", "a second head does not end the stream");
    if ("status" in read) this.refuse(stream, ErrorCode.PROTOCOL_ERROR, read);
    else this.ended(stream, read);
  }

  protected readReset(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream !== undefined && !stream.closed) {
      this.close(stream, RESET_BY_PEER);
      this.wasReset(stream, code);
    } else if (this.known(id)) this.take(LATE);
    else this.illegal("idle_stream", "RST_STREAM for a stream that was never opened");
  }

  protected readUpdate(id: number, increment: number): void {
    const stream = this.streams.get(id);
    const open = id === 0 || (stream !== undefined && !stream.closed);
    if ((increment < FREE_UPDATE || !open) && !this.take(UPDATES)) return;
    if (id === 0) {
      this.sender.window += increment;
      if (increment === 0) this.illegal("zero_increment", "a window is opened by nothing");
      else if (this.sender.window > MAX_WINDOW) {
        this.die(ErrorCode.FLOW_CONTROL_ERROR, "window_overflow", "the connection's window is opened too far");
      } else if (this.sender.ready) this.touch();
      return;
    }
    if (stream === undefined || stream.closed) {
      if (!this.known(id)) this.illegal("idle_stream", "WINDOW_UPDATE for a stream that was never opened");
    } else if (increment === 0) {
      this.refuse(stream, ErrorCode.PROTOCOL_ERROR, malformed("zero_increment", "a window is opened by nothing"));
    } else if (stream.sendWindow + increment > MAX_WINDOW) {
      this.refuse(stream, ErrorCode.FLOW_CONTROL_ERROR, malformed("window_overflow", "a window is opened too far"));
    } else {
      stream.sendWindow += increment;
      this.sender.wake(stream);
      if (this.sender.ready) this.touch();
    }
  }

  protected moveWindows(delta: number): void {
    for (const stream of this.streams.values()) {
      stream.sendWindow += delta;
      if (stream.sendWindow > MAX_WINDOW) {
        this.die(ErrorCode.FLOW_CONTROL_ERROR, "window_overflow", "a setting opens a window too far");
        return;
      }
      this.sender.wake(stream);
    }
    if (this.sender.ready) this.touch();
  }

  /**
   * In steps of half a stream's window: what is owed is closed to everybody, so a step as long as the connection's would
   * leave a stream nothing while others stand still.
   */
  protected giveBack(bytes: number): void {
    this.#owed += bytes;
    const { streamWindow, connectionWindow } = this.limits;
    if (this.#owed * 2 < Math.min(streamWindow, connectionWindow) || this.over) return;
    writeNumber(this.out, WINDOW_UPDATE, 0, this.#owed);
    this.#window += this.#owed;
    this.#owed = 0;
    this.touch();
  }

  protected giveBackOf(stream: Stream, bytes: number): void {
    stream.owed += bytes;
    if (stream.remoteEnded || stream.owed * 2 < this.limits.streamWindow) return;
    writeNumber(this.out, WINDOW_UPDATE, stream.id, stream.owed);
    stream.receiveWindow += stream.owed;
    stream.owed = 0;
    this.touch();
  }
}
