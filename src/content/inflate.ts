/**
 * DEFLATE (RFC 1951), a chunk at a time and to its own end: whoever wrote it may lie about lengths, so none is asked for. A port
 * of zlib's inflate reads it, so what most programs read of it is what is read here, and where it ended is known.
 */
import {
  Z_BLOCK,
  Z_BUF_ERROR,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
} from "pako";

/** "more": call again. "damaged": zlib goes no further from here; what came before it was read. */
export type Inflated = "more" | "end" | "damaged";

/** What one step makes at the most. */
const CHUNK = 64 * 1024;
/** Blocks of one step: blocks of nothing cost time as well. */
const MOST_BLOCKS = 32;
const NOTHING = new Uint8Array(0);
/** No header and no checksum, and the largest window there is. */
const BARE = -15;

export class Inflater {
  readonly #stream = new ZStream();
  readonly #out = new Uint8Array(CHUNK);

  constructor() {
    this.#stream.output = this.#out;
    zlibInflateInit2(this.#stream, BARE);
  }

  /** Begins anew. */
  open(bytes: Uint8Array, from: number): void {
    const stream = this.#stream;
    zlibInflateReset(stream);
    stream.input = bytes;
    stream.next_in = Math.min(from, bytes.length);
    stream.avail_in = bytes.length - stream.next_in;
    stream.next_out = 0;
  }

  /** Lets go of the bytes. */
  close(): this {
    this.#stream.input = NOTHING;
    this.#stream.avail_in = 0;
    return this;
  }

  /** What the last step made; valid until the next. */
  get made(): Uint8Array {
    return this.#out.subarray(0, this.#stream.next_out);
  }

  /** Behind the last byte that was read. */
  get end(): number {
    return this.#stream.next_in;
  }

  /** Makes at most `most` bytes (up to 64 KiB) more; less before the end of what is packed, or where there are many blocks. */
  step(most = CHUNK): Inflated {
    const stream = this.#stream;
    stream.next_out = 0;
    stream.avail_out = most;
    for (let blocks = 0; blocks < MOST_BLOCKS; blocks++) {
      const code = zlibInflate(stream, Z_BLOCK);
      if (code === Z_STREAM_END) return "end";
      if (code !== Z_OK && code !== Z_BUF_ERROR) return "damaged";
      if (stream.avail_out === 0) return "more";
      // No room was wanting, so bytes were: unless it only stopped behind a block.
      if (code === Z_BUF_ERROR) return "damaged";
    }
    return "more";
  }
}
