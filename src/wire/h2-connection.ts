/** What an owner does with an HTTP/2 connection, either role: bodies, trailers, windows, and the bytes to be sent. */
import { Fault } from "../errors.ts";
import type { HeaderList } from "../model/headers.ts";
import { PINGS, UPDATES } from "./h2-allowance.ts";
import {
  DATA,
  END_STREAM,
  ErrorCode,
  FIRST_WINDOW,
  FRAME_HEAD,
  frameBlock,
  RST_STREAM,
  WINDOW_UPDATE,
  writeGoaway,
  writeHead,
  writeNumber,
  writeSettings,
} from "./h2-frames.ts";
import { H2Incoming } from "./h2-incoming.ts";
import { RESET_BY_US, type Stream } from "./h2-streams.ts";
import { sameName } from "./http1-chars.ts";
import type { OutBuffer } from "./out-buffer.ts";

const NONE: readonly string[] = [];
/** Bytes that `fill` puts together at most in one go, give or take one frame. */
const FILL = 64 * 1024;

export abstract class H2Connection extends H2Incoming {
  /** Bytes of bodies that wait to be sent, of all streams. */
  get queued(): number {
    return this.sender.queued;
  }

  /** Bytes of heads and control frames that wait to be sent: nothing stops those but the connection's end. */
  get unsent(): number {
    return this.out.length;
  }

  /** Nothing is under way and nothing is left to be sent. */
  get drained(): boolean {
    return this.live === 0 && this.out.length === 0;
  }

  /** Bytes of a stream that wait to be sent. */
  queuedOf(stream: number): number {
    return this.streams.get(stream)?.queued ?? 0;
  }

  /** Our message has not left to its end: something of it waits, or is not said yet. */
  speaking(id: number): boolean {
    const stream = this.streams.get(id);
    return stream !== undefined && !stream.closed && !stream.localEnded;
  }

  /**
   * Appends what is to be sent to `out`, which may be one buffer of the whole process: control frames first, then bodies in
   * turn, about `limit` bytes. True: there is more. To be called while the socket takes bytes, and only then.
   */
  fill(out: OutBuffer, limit = FILL): boolean {
    this.told = true;
    const { sender } = this;
    const frames = sender.frames;
    this.writeInto(out, () => {
      if (!this.over) sender.fill(out, limit);
    });
    // Whoever gets a DATA frame may ping for it, and open two windows.
    this.allowance.credit(PINGS, sender.frames - frames);
    this.allowance.credit(UPDATES, 2 * (sender.frames - frames));
    this.told = false;
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
      this.sent(stream);
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
    if (stream.queued === 0) this.sent(stream);
  }

  /** The owner is done with `bytes` of the stream's data: the peer may send as many again. */
  consumed(id: number, bytes: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined || this.over) return;
    const count = Math.min(bytes, stream.unconsumed);
    stream.unconsumed -= count;
    this.giveBack(count);
    if (stream.closed) {
      if (stream.unconsumed === 0) this.streams.delete(id);
    } else this.giveBackOf(stream, count);
  }

  /** Cuts the stream, both ways. What was queued of it is dropped; nothing more is told of it. */
  reset(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined || stream.closed || this.over) return;
    writeNumber(this.out, RST_STREAM, id, code);
    this.touch();
    this.close(stream, RESET_BY_US);
  }

  /** Ends the connection: the peer does not take what it asked for. */
  giveUp(): void {
    this.die(ErrorCode.ENHANCE_YOUR_CALM, "answers_unread", "too much waits for the peer to take it");
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
    // `:authority` says it; a second saying is a second reading.
    const request = pseudo.length > 2;
    for (let i = 0; i + 1 < pseudo.length; i += 2) encoder.field(out, pseudo[i] as string, pseudo[i + 1] as string);
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = fields[i] as string;
      if (name.charCodeAt(0) === 0x3a || (request && sameName(name, "host"))) continue;
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

  /** The queue is empty and the end is due, or was just written. */
  protected sent(stream: Stream): void {
    const { trailers } = stream;
    stream.trailers = null;
    if (!stream.localEnded) {
      stream.localEnded = true;
      this.writeBlock(stream.id, NONE, trailers ?? NONE, true);
    }
    this.touch();
    this.settle(stream);
  }
}
