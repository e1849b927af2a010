/** The streams of one HTTP/2 connection, either role: windows, messages and how they end (RFC 9113 sections 5 and 8.1). */
import { Fault } from "../errors.ts";
import type { HeaderList } from "../model/headers.ts";
import { LATE, PINGS, PROVOKED, UPDATES } from "./h2-allowance.ts";
import {
  DATA,
  END_STREAM,
  ErrorCode,
  FIRST_WINDOW,
  FRAME_HEAD,
  frameBlock,
  MAX_WINDOW,
  RST_STREAM,
  WINDOW_UPDATE,
  writeGoaway,
  writeHead,
  writeNumber,
  writeSettings,
} from "./h2-frames.ts";
import { readTrailers } from "./h2-heads.ts";
import { Sender } from "./h2-sender.ts";
import { ENDED, Endings, RESET_BY_PEER, RESET_BY_US, Stream } from "./h2-streams.ts";
import { type H2Fault, H2Wire } from "./h2-wire.ts";
import type { Block } from "./hpack-decoder.ts";
import { malformed, type WireFault, type WireLimits } from "./http1-head.ts";
import type { OutBuffer } from "./out-buffer.ts";

export interface H2Limits extends WireLimits {
  /** Streams the peer may have open (server). */
  readonly maxStreams: number;
  /** Bytes of one stream that may have arrived and not been consumed; 65,535 or more. */
  readonly streamWindow: number;
  /** The same of all streams together, so it bounds what a connection can make its owner hold; 65,535 or more. */
  readonly connectionWindow: number;
  /** Bytes of one stream that may wait to be sent before `data` answers false. */
  readonly maxQueued: number;
}

/**
 * A megabyte a stream carries 20 MB/s over 50 ms, which the answers of models and most downloads never reach. Eight of them
 * on a connection: seven readers that stand still leave the eighth its whole window, and a peer has no more than 8 MiB of us.
 */
export const H2_LIMITS: H2Limits = {
  maxHeaderBytes: 65_536,
  maxHeaders: 200,
  maxStreams: 256,
  streamWindow: 1024 * 1024,
  connectionWindow: 8 * 1024 * 1024,
  maxQueued: 256 * 1024,
};

/**
 * What either role tells its owner. Events come from inside `push`, `fill` and the commands, which may be called from
 * inside any event. A stream the owner knows ends with exactly one of `closed`, `reset` and (client) `unprocessed`; with
 * none of them when the owner called `reset` itself, or when the connection failed.
 */
export interface H2Sink {
  /** A piece of a body, never empty: a view of what was pushed. The windows stay closed until `consumed`. */
  data(stream: number, bytes: Uint8Array): void;
  /** The peer's message is whole, and is as long as it said. `trailers`: null when there were none. */
  end(stream: number, trailers: HeaderList | null): void;
  /** After a `data` that answered false: less than half of the bound is waiting now. */
  writable(stream: number): void;
  /** Both messages are whole, or (server) ours is and the rest of the request is not wanted. */
  closed(stream: number): void;
  /**
   * The stream is gone before its messages were whole. `fault`: what the peer did wrong, we reset it; null: the peer
   * reset it, with `code`. A client that has had `end` has the whole answer all the same.
   */
  reset(stream: number, code: number, fault: WireFault | null): void;
  /** The peer opens or (towards a client) takes no streams above `last` any more. */
  goaway(last: number, code: number): void;
  /** The connection is over, and every stream with it; what is left is to send what `fill` gives, and to close. */
  failed(fault: H2Fault): void;
  /** There is something for `fill`. Told once, and again after the next `fill`. */
  ready(): void;
}

const NONE: readonly string[] = [];
/** Bytes that `fill` puts together at most in one go, give or take one frame. */
const FILL = 64 * 1024;

export abstract class H2Connection extends H2Wire {
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
  #told = false;

  constructor(limits: H2Limits, sink: H2Sink, preface: boolean) {
    super(limits, limits.maxStreams, preface);
    if (limits.streamWindow < FIRST_WINDOW || limits.connectionWindow < FIRST_WINDOW) {
      throw new Fault("unsupported", "windows of HTTP/2 are 65,535 bytes or more");
    }
    this.limits = limits;
    this.#sink = sink;
    this.#window = limits.connectionWindow;
    this.sender = new Sender(
      { drained: (stream) => sink.writable(stream.id), ended: (stream) => this.#sent(stream) },
      limits.maxQueued,
    );
  }

  /** Streams neither over nor reset. */
  get active(): number {
    return this.live;
  }

  /** Bytes of bodies that wait to be sent, of all streams. */
  get queued(): number {
    return this.sender.queued;
  }

  /** Nothing is under way and nothing is left to be sent. */
  get drained(): boolean {
    return this.live === 0 && this.out.length === 0;
  }

  /** Bytes of a stream that wait to be sent. */
  queuedOf(stream: number): number {
    return this.streams.get(stream)?.queued ?? 0;
  }

  /**
   * Appends what is to be sent to `out`, which may be one buffer of the whole process: control frames first, then bodies in
   * turn, about `limit` bytes. True: there is more. To be called while the socket takes bytes, and only then.
   */
  fill(out: OutBuffer, limit = FILL): boolean {
    this.#told = true;
    const { sender } = this;
    const frames = sender.frames;
    this.writeInto(out, () => {
      if (!this.over) sender.fill(out, limit);
    });
    // Whoever gets a DATA frame may ping for it, and open two windows.
    this.allowance.credit(PINGS, sender.frames - frames);
    this.allowance.credit(UPDATES, 2 * (sender.frames - frames));
    this.#told = false;
    return !this.over && this.sender.ready;
  }

  /**
   * Bytes of a body; they must not change any more. False: more than `maxQueued` wait, stop until `writable`. Of a stream that
   * is gone they are dropped. Throws Fault `unsupported` before the head of the message.
   */
  data(id: number, bytes: Uint8Array, end: boolean): boolean {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed || stream.localEnded || stream.ending) return true;
    if (!stream.headSent) throw new Fault("unsupported", "a body cannot be sent before its head");
    stream.ending = end;
    if (bytes.length > 0) {
      const more = this.sender.put(stream, bytes);
      this.touch();
      return more;
    }
    if (end && stream.queued === 0) {
      writeHead(this.out, 0, DATA, END_STREAM, id);
      stream.localEnded = true;
      this.#sent(stream);
    }
    return !stream.stalled;
  }

  /** Ends our message with trailers, behind everything queued. */
  trailers(id: number, fields: HeaderList): void {
    if (fields.length === 0) {
      this.data(id, new Uint8Array(0), true);
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed || stream.localEnded || stream.ending) return;
    if (!stream.headSent) throw new Fault("unsupported", "trailers cannot be sent before a head");
    stream.ending = true;
    stream.trailers = fields;
    if (stream.queued === 0) this.#sent(stream);
  }

  /** The owner is done with `bytes` of the stream's data: the peer may send as many again. */
  consumed(id: number, bytes: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined || this.over) return;
    const count = Math.min(bytes, stream.unconsumed);
    stream.unconsumed -= count;
    this.#giveBack(count);
    if (stream.closed) {
      if (stream.unconsumed === 0) this.streams.delete(id);
    } else this.#giveBackOf(stream, count);
  }

  /** Cuts the stream, both ways. What was queued of it is dropped; nothing more is told of it. */
  reset(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed || this.over) return;
    writeNumber(this.out, RST_STREAM, id, code);
    this.touch();
    this.close(stream, RESET_BY_US);
  }

  protected settings(pairs: readonly number[]): void {
    writeSettings(this.out, pairs);
    this.expectAck();
    const more = this.limits.connectionWindow - FIRST_WINDOW;
    if (more > 0) writeNumber(this.out, WINDOW_UPDATE, 0, more);
  }

  /** A block with its pseudo-header fields, given as a flat list; `fields` of a message that is not ours are cleaned. */
  protected writeBlock(id: number, pseudo: HeaderList, fields: HeaderList, end: boolean, sensitive = NONE): void {
    const { out, encoder } = this;
    const start = out.length;
    out.room(FRAME_HEAD);
    out.length += FRAME_HEAD;
    encoder.begin(out);
    for (let i = 0; i + 1 < pseudo.length; i += 2) encoder.field(out, pseudo[i] as string, pseudo[i + 1] as string);
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = fields[i] as string;
      if (name.charCodeAt(0) === 0x3a) continue;
      encoder.field(out, name, fields[i + 1] as string, sensitive.length > 0 && sensitive.includes(name));
    }
    frameBlock(out, start, end ? END_STREAM : 0, id);
    this.touch();
  }

  protected writeGoaway(code: number): void {
    if (this.over) return;
    writeGoaway(this.out, this.last, code);
    this.touch();
  }

  protected add(id: number): Stream {
    const stream = new Stream(id, this.peer.initialWindow, this.limits.streamWindow);
    this.streams.set(id, stream);
    this.live++;
    return stream;
  }

  /** Of an owner that has ended its message: whether the stream is over. */
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
    this.#giveBack(stream.unconsumed);
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
    if (this.#told) return;
    this.#told = true;
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
      this.#giveBack(bytes.length);
      return;
    }
    const most = stream.bodyless ? 0 : stream.expected === -1 ? bytes.length : stream.expected - stream.received;
    const count = Math.min(bytes.length, most);
    stream.received += count;
    stream.unconsumed += count;
    // The part that is right goes on, so that what was seen does not depend on how frames were cut.
    if (count > 0) this.#sink.data(stream.id, count === bytes.length ? bytes : bytes.subarray(0, count));
    if (count === bytes.length) return;
    this.#giveBack(bytes.length - count);
    this.refuse(stream, ErrorCode.PROTOCOL_ERROR, malformed("body_too_long", "a body is longer than it may be"));
  }

  protected endData(padding: number, ends: boolean): void {
    const stream = this.#current;
    this.#current = null;
    if (padding > 0) this.#giveBack(padding);
    if (stream === null || stream.closed) return;
    if (padding > 0 && !ends) this.#giveBackOf(stream, padding);
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
    if (!this.take(UPDATES)) return;
    if (id === 0) {
      this.sender.window += increment;
      if (increment === 0) this.illegal("zero_increment", "a window is opened by nothing");
      else if (this.sender.window > MAX_WINDOW) {
        this.die(ErrorCode.FLOW_CONTROL_ERROR, "window_overflow", "the connection's window is opened too far");
      } else if (this.sender.ready) this.touch();
      return;
    }
    const stream = this.streams.get(id);
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

  /** The queue is empty and the end is due, or was just written. */
  #sent(stream: Stream): void {
    const { trailers } = stream;
    stream.trailers = null;
    if (!stream.localEnded) {
      stream.localEnded = true;
      this.writeBlock(stream.id, NONE, trailers ?? NONE, true);
    }
    this.touch();
    this.settle(stream);
  }

  #giveBack(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed * 2 < this.limits.connectionWindow || this.over) return;
    writeNumber(this.out, WINDOW_UPDATE, 0, this.#owed);
    this.#window += this.#owed;
    this.#owed = 0;
    this.touch();
  }

  #giveBackOf(stream: Stream, bytes: number): void {
    stream.owed += bytes;
    if (stream.remoteEnded || stream.owed * 2 < this.limits.streamWindow) return;
    writeNumber(this.out, WINDOW_UPDATE, stream.id, stream.owed);
    stream.receiveWindow += stream.owed;
    stream.owed = 0;
    this.touch();
  }
}
