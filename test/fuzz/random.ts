/** A seeded stream of choices (mulberry32): the same seed gives the same inputs on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer of 0 ≤ n < limit. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * limit);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  /** A copy of `bytes` with up to four bytes changed, removed, doubled or put in. */
  mutate(bytes: Uint8Array): Uint8Array {
    const out = [...bytes];
    for (let left = 1 + this.below(4); left > 0; left--) {
      const at = this.below(out.length + 1);
      switch (this.below(5)) {
        case 0:
          out.splice(at, 1);
          break;
        case 1:
          out.splice(at, 0, this.pick(SPECIAL));
          break;
        case 2:
          if (at < out.length) out[at] = this.below(256);
          break;
        case 3:
          if (at < out.length) out[at] = this.pick(SPECIAL);
          break;
        default:
          out.splice(at, 0, ...out.slice(at, at + 1 + this.below(12)));
      }
    }
    return Uint8Array.from(out);
  }

  /** Cuts `bytes` into pieces: all single bytes, or a few of any length, empty ones too. */
  split(bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    const longest = this.once(4) ? 1 : 1 + this.below(bytes.length + 1);
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + (longest === 1 ? 1 : this.below(longest + 1)));
      // A copy, so that a parser that kept a view of a chunk would be seen when the chunk is overwritten.
      pieces.push(bytes.slice(at, end));
      at = end;
    }
    return pieces;
  }
}

/** Bytes at which parsers change their mind. */
const SPECIAL = [
  0x0d, 0x0a, 0x20, 0x09, 0x00, 0x3a, 0x3b, 0x2c, 0x2f, 0x40, 0x5c, 0x5f, 0x30, 0x78, 0x7f, 0x80, 0xa0, 0xff, 0x0b,
  0x23,
];

export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
}

export function demand(holds: boolean, claim: string, input: Uint8Array | string): void {
  if (holds) return;
  throw new Error(`${claim}: ${JSON.stringify(typeof input === "string" ? input : latin1(input))}`);
}
