/** The words around a number that tell what it is. A text is read for them once, and only where numbers stand. */
import type { Automaton } from "./automaton.ts";
import { ALNUM, KIND } from "./bytes.ts";

/** Bytes before and behind a number in which such a word has to stand whole. */
const BEFORE = 48;
const BEHIND = 32;
const RING = 128;

/** Which word stands for whom: a bit a recognizer, 32 in `low` and 32 in `high`. */
export interface NearTable {
  readonly automaton: Automaton;
  readonly lengths: Uint8Array;
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** 1: no letter or digit stands before; 2: none behind. */
  readonly bounds: Uint8Array;
}

export class NearWords {
  /** Whose words stand near the place that was asked for last. */
  low = 0;
  high = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #state = 0;
  #upTo = 0;
  #count = 0;
  /** The words met last: start, end, low, high. */
  readonly #ring = new Int32Array(RING * 4);

  reset(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#state = this.#upTo = this.#count = 0;
  }

  /**
   * Sets `low` and `high`. Answers whether any word at all stands near what is from `start` to `end`, or to an end up to
   * `most`; within the former none counts.
   */
  look(table: NearTable, start: number, end: number, most: number): boolean {
    const to = Math.min(this.#bytes.length, most + BEHIND);
    const from = Math.max(0, start - BEFORE);
    if (from > this.#upTo) {
      this.#upTo = from;
      this.#state = 0;
    }
    if (to > this.#upTo) this.#read(table, to);
    let low = 0;
    let high = 0;
    const ring = this.#ring;
    const oldest = Math.max(0, this.#count - RING);
    for (let n = this.#count - 1; n >= oldest; n--) {
      const at = (n % RING) * 4;
      const wordEnd = ring[at + 1] as number;
      if (wordEnd <= from) break;
      const wordStart = ring[at] as number;
      if (wordStart < from || wordEnd > to || (wordStart < end && wordEnd > start)) continue;
      low |= ring[at + 2] as number;
      high |= ring[at + 3] as number;
    }
    this.low = low;
    this.high = high;
    return (low | high) !== 0;
  }

  #read({ automaton, lengths, low, high, bounds }: NearTable, to: number): void {
    const bytes = this.#bytes;
    const { next, columns, shift, firstTelling, told } = automaton;
    let state = this.#state;
    for (let i = this.#upTo; i < to; i++) {
      state = next[(state << shift) | (columns[bytes[i] as number] as number)] as number;
      if (state < firstTelling) continue;
      for (const word of told[state - firstTelling] as readonly number[]) {
        const start = i + 1 - (lengths[word] as number);
        const bound = bounds[word] as number;
        if ((bound & 1) !== 0 && isWord(bytes[start - 1] ?? 0)) continue;
        if ((bound & 2) !== 0 && isWord(bytes[i + 1] ?? 0)) continue;
        const at = (this.#count++ % RING) * 4;
        this.#ring[at] = start;
        this.#ring[at + 1] = i + 1;
        this.#ring[at + 2] = low[word] as number;
        this.#ring[at + 3] = high[word] as number;
      }
    }
    this.#state = state;
    this.#upTo = to;
  }
}

function isWord(byte: number): boolean {
  return ((KIND[byte] as number) & ALNUM) !== 0 || byte === 0x5f;
}
