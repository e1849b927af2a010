/**
 * Many byte strings found in one pass over a text (Aho and Corasick), as one dense table: the cost of a byte does not
 * depend on how many strings there are.
 */
import { Fault } from "../errors.ts";
import { lowered } from "./bytes.ts";

/** More states than this do not fit the table's entries. */
export const MAX_STATES = 60_000;

const DIGIT = 1;

export interface AutomatonOptions {
  /** All digits are one class: strings match with any digit in a digit's place, and whoever is told looks again. */
  readonly anyDigit: boolean;
}

/** A compiled set of byte strings. ASCII letters are equal in either case; whoever is told looks again. */
export class Automaton {
  /** Byte → column. */
  readonly columns: Uint8Array;
  /** (state << shift) | column → state. */
  readonly next: Uint16Array;
  readonly shift: number;
  /** States from here on have something to tell. 0 is the start. */
  readonly firstTelling: number;
  /** What the state `firstTelling + i` tells: indices into `strings`, the longest first. */
  readonly told: readonly (readonly number[])[];

  constructor(strings: readonly Uint8Array[], { anyDigit }: AutomatonOptions) {
    this.columns = columnsOf(strings, anyDigit);
    const width = Math.max(...this.columns) + 1;
    this.shift = Math.max(1, Math.ceil(Math.log2(width)));
    const trie = new Trie(1 << this.shift);
    strings.forEach((string, index) => {
      trie.add(string, this.columns, index);
    });
    trie.link();
    // States that tell come last, so that one comparison finds them.
    const order = new Uint16Array(trie.size);
    let quiet = 0;
    for (let s = 0; s < trie.size; s++) if (trie.told[s]?.length === 0) order[s] = quiet++;
    this.firstTelling = quiet;
    const told: (readonly number[])[] = [];
    for (let s = 0; s < trie.size; s++) {
      const list = trie.told[s] as number[];
      if (list.length === 0) continue;
      order[s] = quiet + told.length;
      told.push(list);
    }
    this.told = told;
    this.next = new Uint16Array(trie.size << this.shift);
    for (let s = 0; s < trie.size; s++) {
      const from = s << this.shift;
      const to = (order[s] as number) << this.shift;
      for (let c = 0; c < 1 << this.shift; c++) this.next[to + c] = order[trie.next[from + c] as number] as number;
    }
  }
}

function columnsOf(strings: readonly Uint8Array[], anyDigit: boolean): Uint8Array {
  const columns = new Uint8Array(256);
  let used = 0;
  if (anyDigit) {
    used = DIGIT;
    columns.fill(DIGIT, 0x30, 0x3a);
  }
  for (const string of strings) {
    for (const byte of string) {
      const small = lowered(byte);
      if (columns[small] !== 0) continue;
      columns[small] = ++used;
      if (small >= 0x61 && small <= 0x7a) columns[small - 32] = used;
    }
  }
  return columns;
}

class Trie {
  readonly width: number;
  next: Uint16Array;
  readonly told: number[][] = [[]];
  size = 1;

  constructor(width: number) {
    this.width = width;
    this.next = new Uint16Array(width * 64);
  }

  add(string: Uint8Array, columns: Uint8Array, index: number): void {
    let state = 0;
    for (const byte of string) {
      const at = state * this.width + (columns[byte] as number);
      let to = this.next[at] as number;
      if (to === 0) {
        to = this.size++;
        if (to >= MAX_STATES)
          throw new Fault("policy_invalid", `too many words: over ${MAX_STATES} different beginnings`);
        this.told.push([]);
        if (this.size * this.width > this.next.length) this.#grow();
        this.next[at] = to;
      }
      state = to;
    }
    if (state !== 0) this.told[state]?.push(index);
  }

  #grow(): void {
    const larger = new Uint16Array(this.next.length * 2);
    larger.set(this.next);
    this.next = larger;
  }

  /** Breadth first: where a string cannot go on, its longest end that begins another does. */
  link(): void {
    const { width, next, told } = this;
    const fallback = new Uint16Array(this.size);
    const queue: number[] = [];
    for (let c = 0; c < width; c++) if (next[c] !== 0) queue.push(next[c] as number);
    for (let head = 0; head < queue.length; head++) {
      const state = queue[head] as number;
      const back = fallback[state] as number;
      told[state]?.push(...(told[back] as number[]));
      for (let c = 0; c < width; c++) {
        const to = next[state * width + c] as number;
        const other = next[back * width + c] as number;
        if (to === 0) next[state * width + c] = other;
        else {
          fallback[to] = other;
          queue.push(to);
        }
      }
    }
  }
}
