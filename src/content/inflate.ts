/**
 * DEFLATE (RFC 1951), a chunk at a time and to its own end: whoever wrote it may lie about lengths, so none is asked for. What
 * is read is never more than what a reader of the same bytes reads, and where it ended is known.
 */

/** "more": call again. "damaged": no reader goes on from here; what came before it was read. */
export type Inflated = "more" | "end" | "damaged";

const HISTORY = 32 * 1024;
/** What one step makes, give or take one match. */
const CHUNK = 64 * 1024;
const LONGEST_MATCH = 258;
/** Blocks of one step: blocks of nothing cost time as well. */
const MOST_BLOCKS = 32;
const NOTHING = new Uint8Array(0);
const FAST = 9;
const LITERALS = 288;
const DISTANCES = 32;

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = Array.from({ length: 30 }, (_, n) => (n < 4 ? n + 1 : ((2 + (n & 1)) << ((n >> 1) - 1)) + 1));
const DISTANCE_BITS = Array.from({ length: 30 }, (_, n) => (n < 4 ? 0 : (n >> 1) - 1));
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A canonical code: short ones by a table, long ones bit by bit, so that making it costs no more than what it is made from. */
class Code {
  readonly #fast = new Uint16Array(1 << FAST);
  readonly #count = new Uint16Array(16);
  readonly #symbols = new Uint16Array(LITERALS + DISTANCES);
  readonly #next = new Uint16Array(16);

  /** False: more codes than there is room for. */
  make(lengths: Uint8Array, from: number, to: number): boolean {
    const [count, next] = [this.#count, this.#next];
    count.fill(0);
    for (let i = from; i < to; i++) count[lengths[i] as number] = (count[lengths[i] as number] as number) + 1;
    count[0] = 0;
    let room = 1;
    let offset = 0;
    for (let length = 1; length < 16; length++) {
      room = (room << 1) - (count[length] as number);
      if (room < 0) return false;
      next[length] = offset;
      offset += count[length] as number;
    }
    for (let i = from; i < to; i++) {
      const length = lengths[i] as number;
      if (length === 0) continue;
      this.#symbols[next[length] as number] = i - from;
      next[length] = (next[length] as number) + 1;
    }
    this.#fast.fill(0);
    let code = 0;
    let index = 0;
    for (let length = 1; length <= FAST; length++, code <<= 1) {
      for (let n = count[length] as number; n > 0; n--, code++, index++) {
        const entry = ((this.#symbols[index] as number) << 4) | length;
        for (let at = reversed(code, length); at < 1 << FAST; at += 1 << length) this.#fast[at] = entry;
      }
    }
    return true;
  }

  /** Symbol and length of the code that `bits` begins with, as symbol * 16 + length; -1: none. */
  read(bits: number): number {
    const entry = this.#fast[bits & ((1 << FAST) - 1)] as number;
    if (entry !== 0) return entry;
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code |= (bits >>> (length - 1)) & 1;
      const count = this.#count[length] as number;
      if (code - count < first) return ((this.#symbols[index + code - first] as number) << 4) | length;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return -1;
  }
}

function reversed(code: number, length: number): number {
  let found = 0;
  for (let i = 0; i < length; i++) if ((code >> i) & 1) found |= 1 << (length - 1 - i);
  return found;
}

export class Inflater {
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  #hold = 0;
  #held = 0;
  readonly #out = new Uint8Array(HISTORY + CHUNK + LONGEST_MATCH);
  #to = HISTORY;
  /** How far back a match may reach. */
  #known = 0;
  #last = false;
  #block: "head" | "stored" | "codes" = "head";
  #left = 0;
  readonly #literals = new Code();
  readonly #distances = new Code();
  readonly #lengths = new Uint8Array(LITERALS + DISTANCES);

  /** Begins anew. */
  open(bytes: Uint8Array, from: number): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#hold = this.#held = this.#known = this.#left = 0;
    this.#to = HISTORY;
    this.#last = false;
    this.#block = "head";
  }

  /** Lets go of the bytes. */
  close(): this {
    this.#bytes = NOTHING;
    return this;
  }

  /** What the last step made; valid until the next. */
  get made(): Uint8Array {
    return this.#out.subarray(HISTORY, this.#to);
  }

  /** Behind the last byte that was read. */
  get end(): number {
    return this.#at - (this.#held >> 3);
  }

  /** Makes `most` bytes or a match more; less before the end of what is packed, or where there are many blocks. */
  step(most = CHUNK): Inflated {
    this.#out.copyWithin(0, this.#to - HISTORY, this.#to);
    this.#known = Math.min(HISTORY, this.#known + this.#to - HISTORY);
    this.#to = HISTORY;
    for (let blocks = 0; ; ) {
      if (this.#block === "head") {
        if (this.#last) return "end";
        if (blocks++ === MOST_BLOCKS) return "more";
        if (!this.#head()) return "damaged";
      } else if (this.#block === "stored") this.#stored(HISTORY + most);
      else if (!this.#codes(HISTORY + most)) return "damaged";
      if (this.#to >= HISTORY + most) return "more";
      if (this.end > this.#bytes.length || (this.#left > 0 && this.#at >= this.#bytes.length)) return "damaged";
    }
  }

  /** The next `count` (at most 16) bits; zeros behind the end, which is told by `end`. */
  #bits(count: number): number {
    while (this.#held < count) {
      this.#hold |= (this.#at < this.#bytes.length ? (this.#bytes[this.#at] as number) : 0) << this.#held;
      this.#at += 1;
      this.#held += 8;
    }
    const value = this.#hold & ((1 << count) - 1);
    this.#hold >>>= count;
    this.#held -= count;
    return value;
  }

  #head(): boolean {
    this.#last = this.#bits(1) === 1;
    const type = this.#bits(2);
    if (type === 3) return false;
    if (type === 0) {
      this.#at = this.end;
      this.#hold = this.#held = 0;
      const length = this.#bits(16);
      this.#left = length;
      this.#block = length === 0 ? "head" : "stored";
      return (length ^ this.#bits(16)) === 0xffff;
    }
    this.#block = "codes";
    if (type === 2) return this.#dynamic();
    this.#lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288).fill(5, 288, 320);
    return this.#literals.make(this.#lengths, 0, 288) && this.#distances.make(this.#lengths, 288, 318);
  }

  #dynamic(): boolean {
    const literals = this.#bits(5) + 257;
    const all = literals + this.#bits(5) + 1;
    const given = this.#bits(4) + 4;
    const lengths = this.#lengths.fill(0);
    for (let i = 0; i < given; i++) lengths[ORDER[i] as number] = this.#bits(3);
    if (!this.#literals.make(lengths, 0, 19)) return false;
    lengths.fill(0);
    for (let i = 0; i < all; ) {
      const entry = this.#peek(this.#literals);
      if (entry === -1 || this.end > this.#bytes.length) return false;
      const symbol = entry >> 4;
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) return false;
      const value = symbol === 16 ? (lengths[i - 1] as number) : 0;
      const repeat = symbol === 16 ? 3 + this.#bits(2) : symbol === 17 ? 3 + this.#bits(3) : 11 + this.#bits(7);
      if (i + repeat > all) return false;
      lengths.fill(value, i, i + repeat);
      i += repeat;
    }
    return this.#literals.make(lengths, 0, literals) && this.#distances.make(lengths, literals, all);
  }

  /** One symbol, consumed. */
  #peek(code: Code): number {
    while (this.#held < 15) {
      this.#hold |= (this.#at < this.#bytes.length ? (this.#bytes[this.#at] as number) : 0) << this.#held;
      this.#at += 1;
      this.#held += 8;
    }
    const entry = code.read(this.#hold);
    if (entry === -1) return -1;
    this.#hold >>>= entry & 15;
    this.#held -= entry & 15;
    return entry;
  }

  #stored(most: number): void {
    const part = this.#bytes.subarray(this.#at, this.#at + Math.min(this.#left, most - this.#to));
    this.#out.set(part, this.#to);
    this.#to += part.length;
    this.#at += part.length;
    this.#left -= part.length;
    if (this.#left === 0) this.#block = "head";
  }

  #codes(most: number): boolean {
    const out = this.#out;
    const first = HISTORY - this.#known;
    while (this.#to < most) {
      const entry = this.#peek(this.#literals);
      if (entry === -1 || this.end > this.#bytes.length) return false;
      const symbol = entry >> 4;
      if (symbol < 256) {
        out[this.#to++] = symbol;
        continue;
      }
      if (symbol === 256) {
        this.#block = "head";
        return true;
      }
      if (symbol > 285) return false;
      const length = (LENGTH_BASE[symbol - 257] as number) + this.#bits(LENGTH_BITS[symbol - 257] as number);
      const far = this.#peek(this.#distances);
      if (far === -1 || far >> 4 > 29) return false;
      const distance = (DISTANCE_BASE[far >> 4] as number) + this.#bits(DISTANCE_BITS[far >> 4] as number);
      const from = this.#to - distance;
      if (from < first || this.end > this.#bytes.length) return false;
      for (let i = 0; i < length; i++) out[this.#to + i] = out[from + i] as number;
      this.#to += length;
    }
    return true;
  }
}
