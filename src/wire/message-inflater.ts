/**
 * DEFLATE (RFC 1951) as permessage-deflate uses it (RFC 7692 section 7.2.2): whole messages without their last four bytes, one
 * window for all of them. Own code, because three things are needed together that no inflater at hand has: it stops at a bound
 * before the memory is taken, it goes on in slices, and what receivers read differently (a stream that ends inside a message, a
 * message that ends inside a block) is refused.
 */
import {
  DISTANCE_BASE,
  DISTANCE_EXTRA,
  FIXED_DISTANCES,
  FIXED_LITERALS,
  LENGTH_BASE,
  LENGTH_EXTRA,
  ORDER,
  TAIL,
} from "./deflate-tables.ts";
import { Huffman } from "./huffman.ts";

/** `done`: `take` has the message. */
export type Inflated = "done" | "more" | "too_large" | "malformed";

const WINDOW = 32 * 1024;
const FIRST_ROOM = 1024;
const NOTHING = new Uint8Array(0);

const HEADER = 0;
const STORED = 1;
const CODES = 2;

export class MessageInflater {
  readonly #takeover: boolean;
  readonly #farthest: number;
  readonly #bound: number;
  readonly #literals = new Huffman(10, 288);
  readonly #distances = new Huffman(8, 32);
  readonly #lengths = new Uint8Array(288 + 32);
  /** What earlier messages said, the last `#past` bytes of it up to `#end`. */
  #window = NOTHING;
  #end = 0;
  #past = 0;
  #in: Uint8Array = NOTHING;
  /** Next byte of `#in`, tail included; of those before it `#bits` bits are in `#hold`. */
  #at = 0;
  #hold = 0;
  #bits = 0;
  #state = HEADER;
  #stored = 0;
  /** The block just read was stored and empty. */
  #empty = false;
  #out = NOTHING;
  #length = 0;

  /** `windowBits`: what the sender promised. `bound`: bytes a message may come to. */
  constructor(takeover: boolean, windowBits: number, bound: number) {
    this.#takeover = takeover;
    this.#farthest = 2 ** windowBits;
    this.#bound = bound;
  }

  /** What has come of the current message so far; moves when it grows. */
  get output(): Uint8Array {
    return this.#out.subarray(0, this.#length);
  }

  /** The payload of one compressed message, which must not change before it is `done`. */
  start(payload: Uint8Array): void {
    this.#in = payload;
    this.#at = 0;
    this.#hold = 0;
    this.#bits = 0;
    this.#state = HEADER;
    this.#empty = false;
    this.#out = new Uint8Array(Math.min(this.#bound, Math.max(FIRST_ROOM, payload.length * 4)));
    this.#length = 0;
  }

  /** Goes on until about `budget` more bytes have come out. After anything but `more` and `done` it is of no use any more. */
  run(budget: number): Inflated {
    const until = this.#length + budget;
    for (let blocks = 0; ; blocks++) {
      if (this.#state === HEADER) {
        // Empty blocks cost time and give nothing.
        if (blocks > budget >>> 9) return "more";
        if (this.#at * 8 - this.#bits === (this.#in.length + TAIL.length) * 8) {
          return this.#empty ? "done" : "malformed";
        }
        if (!this.#header()) return "malformed";
      } else if (this.#length >= until) return "more";
      const state = this.#state === STORED ? this.#copy() : this.#codes(until);
      if (state !== null) return state;
    }
  }

  /** The message, which is the caller's; the inflater remembers its end. */
  take(): Uint8Array {
    const out = this.output;
    this.#in = NOTHING;
    this.#out = NOTHING;
    this.#length = 0;
    if (this.#takeover) this.#remember(out.length > WINDOW ? out.subarray(out.length - WINDOW) : out);
    return out;
  }

  #remember(last: Uint8Array): void {
    const keep = Math.min(this.#past, WINDOW - last.length);
    if (this.#end + last.length > this.#window.length) {
      const need = Math.min(2 * WINDOW, Math.max(FIRST_ROOM, 2 * (keep + last.length)));
      const kept = this.#window.subarray(this.#end - keep, this.#end);
      if (need > this.#window.length) {
        const larger = new Uint8Array(need);
        larger.set(kept);
        this.#window = larger;
      } else this.#window.copyWithin(0, this.#end - keep, this.#end);
      this.#end = keep;
    }
    this.#window.set(last, this.#end);
    this.#end += last.length;
    this.#past = keep + last.length;
  }

  /** So many bits, at most 16; behind the end they are zeros, and `#late` says so. */
  #take(count: number): number {
    while (this.#bits < count) {
      this.#hold |= this.#byte(this.#at++) << this.#bits;
      this.#bits += 8;
    }
    const value = this.#hold & ((1 << count) - 1);
    this.#hold >>>= count;
    this.#bits -= count;
    return value;
  }

  #byte(at: number): number {
    const { length } = this.#in;
    return (at < length ? this.#in[at] : TAIL[at - length]) ?? 0;
  }

  /** More was read than there is. */
  get #late(): boolean {
    return this.#at * 8 - this.#bits > (this.#in.length + TAIL.length) * 8;
  }

  #header(): boolean {
    // A stream that ends inside a message goes on in some receivers and not in others.
    if (this.#take(1) === 1) return false;
    const type = this.#take(2);
    this.#empty = false;
    if (type === 0) return this.#storedHeader();
    this.#state = CODES;
    if (type === 1) {
      this.#literals.build(FIXED_LITERALS, 0, 288, false);
      // Of these the last two mean nothing, and neither do the literals 286 and 287.
      return this.#distances.build(FIXED_DISTANCES, 0, 32, false);
    }
    return type === 2 && this.#dynamic() && !this.#late;
  }

  #storedHeader(): boolean {
    this.#take(this.#bits & 7);
    const length = this.#take(16);
    const inverse = this.#take(16);
    if (this.#late || (length ^ inverse) !== 0xffff) return false;
    // Whole bytes that were read ahead go back.
    this.#at -= this.#bits >>> 3;
    this.#hold = 0;
    this.#bits = 0;
    this.#empty = length === 0;
    this.#stored = length;
    this.#state = STORED;
    return this.#at + length <= this.#in.length || this.#empty;
  }

  #dynamic(): boolean {
    const literals = this.#take(5) + 257;
    const distances = this.#take(5) + 1;
    const count = this.#take(4) + 4;
    if (literals > 286 || distances > 30) return false;
    const lengths = this.#lengths;
    lengths.fill(0, 0, 19);
    for (let i = 0; i < count; i++) lengths[ORDER[i] as number] = this.#take(3);
    // Its table is that of the distances, which are not needed yet.
    const code = this.#distances;
    if (!code.build(lengths, 0, 19, false)) return false;
    for (let i = 0; i < literals + distances; ) {
      const symbol = this.#symbol(code);
      if (symbol < 0 || this.#late) return false;
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) return false;
      const value = symbol === 16 ? (lengths[i - 1] as number) : 0;
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (i + times > literals + distances) return false;
      lengths.fill(value, i, i + times);
      i += times;
    }
    if (lengths[256] === 0) return false;
    return (
      this.#literals.build(lengths, 0, literals, false) && this.#distances.build(lengths, literals, distances, true)
    );
  }

  /** The next symbol of the code, or -1. */
  #symbol(code: Huffman): number {
    while (this.#bits < 15) {
      this.#hold |= this.#byte(this.#at++) << this.#bits;
      this.#bits += 8;
    }
    const found = code.table[this.#hold & (code.table.length - 1)] || code.find(this.#hold);
    if (found === 0) return -1;
    this.#hold >>>= found & 15;
    this.#bits -= found & 15;
    return found >>> 4;
  }

  #copy(): Inflated | null {
    const length = this.#stored;
    if (!this.#fits(length)) return "too_large";
    this.#out.set(this.#in.subarray(this.#at, this.#at + length), this.#length);
    this.#length += length;
    this.#at += length;
    this.#state = HEADER;
    return null;
  }

  /** Room for so many more bytes, or false when they would go over the bound. */
  #fits(more: number): boolean {
    const need = this.#length + more;
    if (need <= this.#out.length) return true;
    if (need > this.#bound) return false;
    const larger = new Uint8Array(Math.min(this.#bound, Math.max(need, this.#out.length * 2)));
    larger.set(this.output);
    this.#out = larger;
    return true;
  }

  /** The inner loop: what is read bit by bit stands in locals, which is half of its time. */
  #codes(until: number): Inflated | null {
    const { table: literals, fast: literalBits } = this.#literals;
    const { table: distances, fast: distanceBits } = this.#distances;
    const input = this.#in;
    const { length: plain } = input;
    const end = (plain + TAIL.length) * 8;
    let at = this.#at;
    let hold = this.#hold;
    let bits = this.#bits;
    let state: Inflated | null = "more";
    while (this.#length < until) {
      for (; bits < 15; bits += 8, at++) hold |= (at < plain ? (input[at] as number) : this.#byte(at)) << bits;
      let found = literals[hold & ((1 << literalBits) - 1)] || this.#literals.find(hold);
      hold >>>= found & 15;
      bits -= found & 15;
      const symbol = found >>> 4;
      if (found === 0 || symbol > 285 || at * 8 - bits > end) {
        state = "malformed";
        break;
      }
      if (symbol < 256) {
        if (this.#length === this.#out.length && !this.#fits(1)) {
          state = "too_large";
          break;
        }
        this.#out[this.#length++] = symbol;
        continue;
      }
      if (symbol === 256) {
        this.#state = HEADER;
        state = null;
        break;
      }
      // Five bits more of a length, fifteen of a distance and thirteen more of that come in two portions.
      for (; bits < 20; bits += 8, at++) hold |= (at < plain ? (input[at] as number) : this.#byte(at)) << bits;
      let extra = LENGTH_EXTRA[symbol - 257] as number;
      const length = (LENGTH_BASE[symbol - 257] as number) + (hold & ((1 << extra) - 1));
      hold >>>= extra;
      bits -= extra;
      found = distances[hold & ((1 << distanceBits) - 1)] || this.#distances.find(hold);
      hold >>>= found & 15;
      bits -= found & 15;
      const far = found >>> 4;
      if (found === 0 || far > 29) {
        state = "malformed";
        break;
      }
      for (; bits < 13; bits += 8, at++) hold |= (at < plain ? (input[at] as number) : this.#byte(at)) << bits;
      extra = DISTANCE_EXTRA[far] as number;
      const distance = (DISTANCE_BASE[far] as number) + (hold & ((1 << extra) - 1));
      hold >>>= extra;
      bits -= extra;
      if (at * 8 - bits > end || distance > this.#farthest || distance > this.#length + this.#past) {
        state = "malformed";
        break;
      }
      if (!this.#fits(length)) {
        state = "too_large";
        break;
      }
      this.#repeat(length, distance);
    }
    this.#at = at;
    this.#hold = hold;
    this.#bits = bits;
    return state;
  }

  #repeat(length: number, distance: number): void {
    const out = this.#out;
    let to = this.#length;
    const stop = to + length;
    let from = to - distance;
    if (from < 0) {
      const window = this.#window;
      const base = this.#end;
      while (from < 0 && to < stop) out[to++] = window[base + from++] as number;
    }
    while (to < stop) out[to++] = out[from++] as number;
    this.#length = stop;
  }
}
