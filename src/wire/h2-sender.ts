/** Outgoing DATA: what the windows hold back, and whose turn it is. */
import { DATA, END_STREAM, FIRST_WINDOW, MAX_FRAME, writeHead } from "./h2-frames.ts";
import type { H2Limits } from "./h2-sink.ts";
import type { Stream } from "./h2-streams.ts";
import type { OutBuffer } from "./out-buffer.ts";

export interface SenderOwner {
  /** The queue of a stream that was told to stop is short again. May call anything. */
  drained(stream: Stream): void;
  /** The last byte left; what ends the stream is to be written now. Null: END_STREAM was on it. */
  ended(stream: Stream): void;
}

export class Sender {
  /** Of the connection. */
  window = FIRST_WINDOW;
  /** Bytes that wait, of all streams. */
  queued = 0;
  /** DATA frames ever written with data in them. */
  frames = 0;
  readonly #owner: SenderOwner;
  readonly #limits: Pick<H2Limits, "maxQueued" | "maxUnsent">;
  #ring: Stream[] = [];
  #next = 0;
  /** Streams that were dropped while in the ring, more or less: those taken out in turn are not counted off. */
  #stale = 0;

  constructor(owner: SenderOwner, limits: Pick<H2Limits, "maxQueued" | "maxUnsent">) {
    this.#owner = owner;
    this.#limits = limits;
  }

  /** What a stream may have waiting. Never nothing, or streams whose windows are closed would stop those that could be sent. */
  get #share(): number {
    const { maxQueued, maxUnsent } = this.#limits;
    return this.queued > maxUnsent ? maxQueued >>> 4 : maxQueued;
  }

  /**
   * False: the stream has more than its share waiting, or had and was not told that it drained. That is never taken back in
   * here: what was on its way when the owner was stopped still comes, and the owner waits to be told.
   */
  put(stream: Stream, bytes: Uint8Array): boolean {
    stream.queue.push(bytes);
    stream.queue.stay();
    this.queued += bytes.length;
    this.wake(stream);
    if (stream.queued > this.#share) stream.stalled = true;
    return !stream.stalled;
  }

  /** After its window may have opened. */
  wake(stream: Stream): void {
    if (stream.waiting || stream.closed || stream.queued === 0 || stream.sendWindow <= 0) return;
    stream.waiting = true;
    this.#ring.push(stream);
  }

  drop(stream: Stream): void {
    this.queued -= stream.queued;
    stream.dropQueue();
    if (!stream.waiting) return;
    // While the connection's window is closed nothing passes through the ring: it must not fill with what is over.
    this.#stale++;
    if (this.#stale < 64 || this.#stale * 2 < this.#ring.length - this.#next) return;
    this.#ring = this.#ring.slice(this.#next).filter((other) => !other.closed);
    this.#next = 0;
    this.#stale = 0;
  }

  /** Whether `fill` would write. */
  get ready(): boolean {
    return this.window > 0 && this.#next < this.#ring.length;
  }

  /** One frame of each stream in turn, until `out` holds `limit` bytes more or nothing may be sent. */
  fill(out: OutBuffer, limit: number): void {
    const full = out.length + limit;
    while (out.length < full && this.ready) {
      const stream = this.#ring[this.#next++] as Stream;
      stream.waiting = false;
      if (this.#next >= 64 && this.#next * 2 >= this.#ring.length) {
        this.#ring = this.#ring.slice(this.#next);
        this.#next = 0;
      }
      // Reset, or its window was taken back, since it was put here.
      if (stream.closed || stream.queued === 0 || stream.sendWindow <= 0) continue;
      this.frame(stream, out);
    }
  }

  /** One frame of a stream that has bytes waiting, and windows to send some. */
  frame(stream: Stream, out: OutBuffer): void {
    const size = Math.min(stream.queued, stream.sendWindow, this.window, MAX_FRAME);
    const last = size === stream.queued;
    const ends = last && stream.ending && stream.trailers === null;
    writeHead(out, size, DATA, ends ? END_STREAM : 0, stream.id);
    this.#take(stream, out, size);
    this.frames++;
    stream.sendWindow -= size;
    this.window -= size;
    this.queued -= size;
    if (last && stream.ending) {
      stream.localEnded = ends;
      this.#owner.ended(stream);
      return;
    }
    this.wake(stream);
    if (stream.stalled && stream.queued * 2 <= this.#share) {
      stream.stalled = false;
      this.#owner.drained(stream);
    }
  }

  #take({ queue }: Stream, out: OutBuffer, size: number): void {
    for (let left = size; left > 0; ) {
      const bytes = queue.first as Uint8Array;
      const from = queue.at;
      const count = Math.min(bytes.length - from, left);
      out.append(count === bytes.length ? bytes : bytes.subarray(from, from + count));
      queue.skip(count);
      left -= count;
    }
  }
}
