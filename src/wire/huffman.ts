/** Canonical Huffman codes of DEFLATE (RFC 1951 section 3.2.2), ready to be read from the low bits of a word. */

const MAX_BITS = 15;

/** One code; rebuilt in place, so an inflater needs two for its life. */
export class Huffman {
  /** Bits looked up at once. */
  readonly fast: number;
  /** By the next `fast` bits: symbol << 4 | length; 0 when the code is longer, or none. */
  readonly table: Uint16Array;
  readonly #counts = new Uint16Array(MAX_BITS + 1);
  readonly #symbols: Uint16Array;

  constructor(fast: number, symbols: number) {
    this.fast = fast;
    this.table = new Uint16Array(1 << fast);
    this.#symbols = new Uint16Array(symbols);
  }

  /**
   * The code of `count` lengths from `lengths[from]`. False when it says too much or too little: as in zlib, only a code of one
   * symbol, or `sparse` of none, may be incomplete.
   */
  build(lengths: Uint8Array, from: number, count: number, sparse: boolean): boolean {
    const counts = this.#counts.fill(0);
    for (let i = 0; i < count; i++)
      counts[lengths[from + i] as number] = (counts[lengths[from + i] as number] ?? 0) + 1;
    const used = count - (counts[0] as number);
    counts[0] = 0;
    this.table.fill(0);
    if (used === 0) return sparse;
    let left = 1;
    for (let bits = 1; bits <= MAX_BITS; bits++) {
      left = left * 2 - (counts[bits] as number);
      if (left < 0) return false;
    }
    if (left > 0 && (used !== 1 || counts[1] !== 1)) return false;
    this.#fill(lengths, from, count);
    return true;
  }

  #fill(lengths: Uint8Array, from: number, count: number): void {
    const starts = new Uint16Array(MAX_BITS + 2);
    const codes = new Uint16Array(MAX_BITS + 2);
    for (let bits = 1; bits <= MAX_BITS; bits++) {
      const many = this.#counts[bits] as number;
      starts[bits + 1] = (starts[bits] as number) + many;
      codes[bits + 1] = ((codes[bits] as number) + many) << 1;
    }
    for (let symbol = 0; symbol < count; symbol++) {
      const bits = lengths[from + symbol] as number;
      if (bits === 0) continue;
      const at = starts[bits] as number;
      starts[bits] = at + 1;
      this.#symbols[at] = symbol;
      const code = codes[bits] as number;
      codes[bits] = code + 1;
      if (bits > this.fast) continue;
      for (let i = reversed(code, bits); i < this.table.length; i += 1 << bits) this.table[i] = (symbol << 4) | bits;
    }
  }

  /** The slow way, for codes longer than `fast`: symbol << 4 | length, or 0 when `bits` begin no code. */
  find(bits: number): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= MAX_BITS; length++) {
      code |= (bits >>> (length - 1)) & 1;
      const many = this.#counts[length] as number;
      if (code - first < many) return ((this.#symbols[index + code - first] as number) << 4) | length;
      index += many;
      first = (first + many) << 1;
      code <<= 1;
    }
    return 0;
  }
}

function reversed(code: number, bits: number): number {
  let out = 0;
  for (let i = 0; i < bits; i++) out |= ((code >>> i) & 1) << (bits - 1 - i);
  return out;
}
