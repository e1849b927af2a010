/**
 * DEFLATE (RFC 1951) as permessage-deflate uses it (RFC 7692 section 7.2.2): whole messages without their last four bytes, one
 * window for all of them. A port of zlib's inflate reads it, block by block: it stops where the room ends that it is given, and
 * behind every block it says where it stands. So what receivers read differently (a stream that ends inside a message, a message
 * that ends inside a block) is seen, and refused.
 */
import { Z_BLOCK, Z_BUF_ERROR, Z_OK, ZStream, zlibInflate, zlibInflateInit2 } from "pako";

/** `done`: `take` has the message. */
export type Inflated = "done" | "more" | "too_large" | "malformed";

/** The empty block that senders leave out, behind its header of three bits (RFC 7692 section 7.2.1). */
const TAIL = Uint8Array.of(0, 0, 0xff, 0xff);
const HEADER_BITS = 3;
const MAX_WINDOW_BITS = 15;
const FIRST_ROOM = 1024;
const NOTHING = new Uint8Array(0);

/** Of zlib's `data_type`: bits that were read and are not used yet, and where that is. */
const UNUSED_BITS = 63;
const FINAL_BLOCK = 64;
const BETWEEN_BLOCKS = 128;

export class MessageInflater {
  readonly #takeover: boolean;
  readonly #windowBits: number;
  readonly #bound: number;
  /** Has the window; there is none while there is nothing to remember. */
  #stream: ZStream | null = null;
  #in: Uint8Array = NOTHING;
  /** The payload is read, and what was left out behind it is next. */
  #inTail = false;
  /** Bits of the message before the block that is being read. */
  #begun = 0;
  #out = NOTHING;
  #length = 0;

  /** `windowBits`: what the sender promised, 8 to 15. `bound`: bytes a message may come to. */
  constructor(takeover: boolean, windowBits: number, bound: number) {
    this.#takeover = takeover;
    this.#windowBits = windowBits;
    this.#bound = bound;
  }

  /** What has come of the current message so far; moves when it grows. */
  get output(): Uint8Array {
    return this.#out.subarray(0, this.#length);
  }

  /** Bytes of memory for what comes out of the current message. */
  get size(): number {
    return this.#out.length;
  }

  /** The payload of one compressed message, which must not change before it is `done`. */
  start(payload: Uint8Array): void {
    this.#in = payload;
    this.#inTail = false;
    this.#begun = 0;
    this.#out = new Uint8Array(Math.min(this.#bound, Math.max(FIRST_ROOM, payload.length * 4)));
    this.#length = 0;
    this.#stream ??= open(this.#windowBits);
    give(this.#stream, payload);
  }

  /** Goes on until about `budget` more bytes have come out. After anything but `more` and `done` it is of no use any more. */
  run(budget: number): Inflated {
    const stream = this.#stream;
    if (stream === null) throw new Error("no message was started");
    const until = this.#length + budget;
    // Blocks cost time also when they give nothing.
    for (let blocks = 0; blocks <= budget >>> 9; ) {
      if (!this.#step(stream, until)) return "malformed";
      if ((stream.data_type & BETWEEN_BLOCKS) !== 0) {
        blocks++;
        if (this.#inTail && stream.avail_in === 0) return this.#whole ? "done" : "malformed";
        this.#begun = (this.#inTail ? this.#in.length : 0) * 8 + stream.next_in * 8 - (stream.data_type & UNUSED_BITS);
      } else if (this.#length >= until) return "more";
      else if (stream.avail_in === 0) {
        // A message that ends inside a block.
        if (this.#inTail) return "malformed";
        this.#inTail = true;
        give(stream, TAIL);
      } else if (!this.#grow()) return "too_large";
    }
    return "more";
  }

  /** The message, which is the caller's; the inflater remembers its end. */
  take(): Uint8Array {
    const out = this.output;
    this.#in = NOTHING;
    this.#out = NOTHING;
    this.#length = 0;
    if (!this.#takeover) this.#stream = null;
    else if (this.#stream !== null) {
      this.#stream.input = NOTHING;
      this.#stream.output = NOTHING;
    }
    return out;
  }

  /** To the end of the block, of the input or of the room, whichever is first. False when no receiver may be given it. */
  #step(stream: ZStream, until: number): boolean {
    const room = Math.min(until, this.#out.length) - this.#length;
    stream.output = this.#out;
    stream.next_out = this.#length;
    stream.avail_out = room;
    const code = zlibInflate(stream, Z_BLOCK);
    this.#length = stream.next_out;
    // A stream that ends inside a message goes on in some receivers and not in others.
    return (code === Z_OK || code === Z_BUF_ERROR) && (stream.data_type & FINAL_BLOCK) === 0;
  }

  /** Everything was read, and the last block is the one whose end was left out: its header is what the payload ends in. */
  get #whole(): boolean {
    const header = this.#in.length * 8 - this.#begun;
    return header >= HEADER_BITS && header < HEADER_BITS + 8;
  }

  #grow(): boolean {
    if (this.#out.length === this.#bound) return false;
    const larger = new Uint8Array(Math.min(this.#bound, this.#out.length * 2));
    larger.set(this.output);
    this.#out = larger;
    return true;
  }
}

/** zlib checks how far back a distance goes only in a stream whose header names the window: less than all of it gets one. */
function open(windowBits: number): ZStream {
  const stream = new ZStream();
  stream.output = NOTHING;
  if (windowBits === MAX_WINDOW_BITS) {
    zlibInflateInit2(stream, -windowBits);
    return stream;
  }
  const method = ((windowBits - 8) << 4) | 8;
  give(stream, Uint8Array.of(method, 31 - ((method << 8) % 31)));
  if (zlibInflateInit2(stream, windowBits) !== Z_OK || zlibInflate(stream, Z_BLOCK) !== Z_OK || stream.avail_in > 0)
    throw new Error(`no window of ${windowBits} bits`);
  return stream;
}

function give(stream: ZStream, bytes: Uint8Array): void {
  stream.input = bytes;
  stream.next_in = 0;
  stream.avail_in = bytes.length;
}
