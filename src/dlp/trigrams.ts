/**
 * Where anything of interest may begin: a table over three bytes, looked at in every second place. A byte costs the same
 * however many anchors there are; an anchor found costs a comparison.
 */

import { lower } from "./automaton.ts";

/** Something that begins with these bytes is looked at more closely. */
export interface Anchor {
  /** Two bytes or more. */
  readonly literal: Uint8Array;
  /** Letters are equal in either case. */
  readonly fold: boolean;
  /** Which bytes may follow; null for any. */
  readonly next: Uint8Array | null;
  /** It is no beginning: letters and digits may stand before it. */
  readonly inside?: boolean;
}

export const NUMBER = 1;
export const MARK = 2;
const BUCKETS = 2;

const DIGITS = 27;
const JOINERS = 28;
const DOT = 29;
const SLASHES = 30;
const MARKS = 31;

/** Byte → one of 32 sorts. */
export const SORT: Uint8Array = sorts();

function sorts(): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < 26; i++) table[0x61 + i] = table[0x41 + i] = i + 1;
  table.fill(DIGITS, 0x30, 0x3a);
  table[0x2d] = table[0x5f] = JOINERS;
  table[0x2e] = DOT;
  table[0x2f] = table[0x3a] = SLASHES;
  table[0x25] = table[0x40] = MARKS;
  return table;
}

export class Trigrams {
  /** Three sorts → 0, or bits NUMBER, MARK and above them a bucket. */
  readonly table = new Uint16Array(1 << 15);
  /** Bucket → pairs of an anchor's index and how far before the place it begins. */
  readonly buckets: number[][] = [[]];
  readonly #anchors: readonly Anchor[];

  /** `numbers`: beginnings of digits are told; `marks`: `@` and `%` are. */
  constructor(anchors: readonly Anchor[], { numbers, marks }: { readonly numbers: boolean; readonly marks: boolean }) {
    this.#anchors = anchors;
    for (let a = 0; a < 32; a++) {
      for (let b = 0; b < 32; b++) {
        if (numbers && a !== DIGITS) this.#mark(a, DIGITS, b, NUMBER);
        if (numbers && b !== DIGITS) this.#mark(a, b, DIGITS, NUMBER);
        if (marks) this.#mark(a, MARKS, b, MARK);
        if (marks) this.#mark(a, b, MARKS, MARK);
      }
    }
    anchors.forEach((anchor, index) => {
      this.#add(anchor, index);
    });
  }

  #mark(a: number, b: number, c: number, bit: number): void {
    const at = (a << 10) | (b << 5) | c;
    this.table[at] = (this.table[at] as number) | bit;
  }

  #add({ literal, next, inside = false }: Anchor, index: number): void {
    const sort = (i: number): number => SORT[literal[i] as number] as number;
    const behind = literal.length > 3 ? [sort(3)] : sortsOf(next);
    if (literal.length >= 3) {
      this.#put(sort(0), sort(1), sort(2), index, 0);
      for (const c of behind) this.#put(sort(1), sort(2), c, index, 1);
      return;
    }
    for (const c of sortsOf(next)) this.#put(sort(0), sort(1), c, index, 0);
    // Two bytes at an odd place are seen as the last two of three: what stands before them is no letter or digit.
    if (inside) for (let a = 0; a < 32; a++) this.#put(a, sort(0), sort(1), index, -1);
    for (const a of [0, JOINERS, DOT, SLASHES, MARKS]) this.#put(a, sort(0), sort(1), index, -1);
    // Or it is the letter of an escape.
    for (const letter of "nrtdf") this.#put(SORT[letter.charCodeAt(0)] as number, sort(0), sort(1), index, -1);
  }

  #put(a: number, b: number, c: number, index: number, back: number): void {
    const at = (a << 10) | (b << 5) | c;
    let bucket = (this.table[at] as number) >> BUCKETS;
    if (bucket === 0) {
      bucket = this.buckets.length;
      this.buckets.push([]);
      this.table[at] = (this.table[at] as number) | (bucket << BUCKETS);
    }
    const list = this.buckets[bucket] as number[];
    for (let i = 0; i < list.length; i += 2) if (list[i] === index && list[i + 1] === back) return;
    list.push(index, back);
  }

  /** The bucket of what the table said; 0 when there is none. */
  static bucketOf(told: number): number {
    return told >> BUCKETS;
  }

  /** True when the anchor stands at `at`. */
  stands(index: number, bytes: Uint8Array, at: number): boolean {
    const anchor = this.#anchors[index] as Anchor;
    const { literal } = anchor;
    if (at < 0 || at + literal.length > bytes.length) return false;
    if (anchor.fold) {
      for (let i = 0; i < literal.length; i++) if (lower(bytes[at + i] as number) !== literal[i]) return false;
    } else {
      for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false;
    }
    return anchor.next === null || anchor.next[bytes[at + literal.length] as number] === 1;
  }
}

function sortsOf(next: Uint8Array | null): number[] {
  const found = new Set<number>();
  for (let byte = 0; byte < 256; byte++) if (next === null || next[byte] === 1) found.add(SORT[byte] as number);
  return [...found];
}
