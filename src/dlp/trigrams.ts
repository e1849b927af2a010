/**
 * Where anything of interest may begin: a table over three bytes, looked at in every second place. A byte costs the same
 * however many anchors there are; an anchor found costs a comparison.
 */

import { lowered } from "./bytes.ts";
import type { ByteClass } from "./runs.ts";

/** Something that begins with these bytes is looked at more closely. */
export interface Anchor {
  /** Two bytes or more. */
  readonly literal: Uint8Array;
  /** Letters are equal in either case. */
  readonly fold: boolean;
  /** One of which must follow; empty for anything. */
  readonly next: readonly ByteClass[];
  /** It is no beginning: letters and digits may stand before it. */
  readonly inside?: boolean;
}

export const NUMBER = 1;
export const MARK = 2;
/** What the table says above these bits is a bucket. */
export const BUCKET_SHIFT = 2;

const DIGITS = 27;
const JOINERS = 28;
const DOT = 29;
const SLASHES = 30;
const MARKS = 31;
const ALL_SORTS = [...Array(32).keys()];
const BEFORE_A_WORD = [0, JOINERS, DOT, SLASHES, MARKS];
const ESCAPES = "nrtdf";
const FOLD = 0x20202020;

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

/** Anchors that may stand at one place, side by side. */
export class Trigrams {
  /** Three sorts → 0, or bits NUMBER, MARK and above them a bucket. */
  readonly table = new Uint16Array(1 << 15);
  /** Where the entries of a bucket begin; those of the next end them. */
  starts = new Uint32Array(0);
  /** Of an entry: the anchor, and how far before the place it begins. */
  indices = new Uint16Array(0);
  backs = new Int8Array(0);
  /** And of its anchor: its first bytes as a number, what of a text's is compared, and the bits set in it first. */
  keys = new Int32Array(0);
  masks = new Int32Array(0);
  folds = new Int32Array(0);
  /** Of a bucket: the bits that all its entries have in common in the three bytes, and which they are. */
  commonKeys = new Int32Array(0);
  commonMasks = new Int32Array(0);
  readonly #buckets: number[][] = [[]];
  readonly #anchors: readonly Anchor[];

  /** Nothing is in it until all of `fill` has run. */
  constructor(anchors: readonly Anchor[]) {
    this.#anchors = anchors;
  }

  /** Yields after a millisecond or less of work. `numbers`: beginnings of digits are told; `@` and `%` always are. */
  *fill({ numbers }: { readonly numbers: boolean }): Generator<void, void> {
    for (let a = 0; a < 32; a++) {
      for (let b = 0; b < 32; b++) {
        if (numbers && a !== DIGITS) this.#mark(a, DIGITS, b, NUMBER);
        if (numbers && b !== DIGITS) this.#mark(a, b, DIGITS, NUMBER);
        this.#mark(a, MARKS, b, MARK);
        this.#mark(a, b, MARKS, MARK);
      }
    }
    yield;
    for (let index = 0; index < this.#anchors.length; index++) {
      const anchor = this.#anchors[index] as Anchor;
      this.#add(anchor, index);
      if (index % 64 === 63) yield;
    }
    const buckets = this.#buckets;
    const count = buckets.reduce((sum, list) => sum + list.length / 2, 0);
    this.starts = new Uint32Array(buckets.length + 1);
    this.indices = new Uint16Array(count);
    this.backs = new Int8Array(count);
    this.keys = new Int32Array(count);
    this.masks = new Int32Array(count);
    this.folds = new Int32Array(count);
    this.commonKeys = new Int32Array(buckets.length);
    this.commonMasks = new Int32Array(buckets.length);
    let to = 0;
    buckets.forEach((list, bucket) => {
      this.starts[bucket] = to;
      let common = 0xffffff;
      for (let i = 0; i < list.length; i += 2) {
        const { literal, fold } = this.#anchors[list[i] as number] as Anchor;
        this.masks[to] = literal.length === 2 ? 0xffff : literal.length === 3 ? 0xffffff : -1;
        this.folds[to] = fold ? FOLD : 0;
        this.keys[to] = (packed(literal, 0) | (fold ? FOLD : 0)) & (this.masks[to] as number);
        const back = list[i + 1] as number;
        const key = here(this.keys[to] as number, back);
        common &= here((this.masks[to] as number) & ~(this.folds[to] as number), back);
        if (i === 0) this.commonKeys[bucket] = key;
        else common &= ~(key ^ (this.commonKeys[bucket] as number));
        this.indices[to] = list[i] as number;
        this.backs[to++] = back;
      }
      this.commonMasks[bucket] = common;
    });
    this.starts[buckets.length] = to;
    buckets.length = 0;
  }

  #mark(a: number, b: number, c: number, bit: number): void {
    const at = (a << 10) | (b << 5) | c;
    this.table[at] = (this.table[at] as number) | bit;
  }

  #add({ literal, next, inside = false }: Anchor, index: number): void {
    const sort = (i: number): number => SORT[literal[i] as number] as number;
    if (literal.length >= 3) {
      this.#put(sort(0), sort(1), sort(2), index, 0);
      if (literal.length > 3) this.#put(sort(1), sort(2), sort(3), index, 1);
      else for (const c of sortsOf(next)) this.#put(sort(1), sort(2), c, index, 1);
      return;
    }
    for (const c of sortsOf(next)) this.#put(sort(0), sort(1), c, index, 0);
    // Two bytes at an odd place are seen as the last two of three: what stands before them is no letter or digit.
    if (inside) for (const a of ALL_SORTS) this.#put(a, sort(0), sort(1), index, -1);
    for (const a of BEFORE_A_WORD) this.#put(a, sort(0), sort(1), index, -1);
    // Or it is the letter of an escape.
    for (let i = 0; i < ESCAPES.length; i++)
      this.#put(SORT[ESCAPES.charCodeAt(i)] as number, sort(0), sort(1), index, -1);
  }

  #put(a: number, b: number, c: number, index: number, back: number): void {
    const at = (a << 10) | (b << 5) | c;
    let bucket = (this.table[at] as number) >> BUCKET_SHIFT;
    if (bucket === 0) {
      bucket = this.#buckets.length;
      this.#buckets.push([]);
      this.table[at] = (this.table[at] as number) | (bucket << BUCKET_SHIFT);
    }
    const list = this.#buckets[bucket] as number[];
    // An anchor is put by itself: of equal entries one is the last.
    for (let i = list.length - 2; i >= 0 && list[i] === index; i -= 2) if (list[i + 1] === back) return;
    list.push(index, back);
  }
}

/** What of an anchor's first four bytes, which begin `back` before a place, stands in the three from there. */
function here(four: number, back: number): number {
  return (back < 0 ? four << (-8 * back) : four >>> (8 * back)) & 0xffffff;
}

/** The first four bytes from `at` on as a number; what is behind the end is zero. */
export function packed(bytes: Uint8Array, at: number): number {
  const three = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return at + 3 < bytes.length ? three | ((bytes[at + 3] as number) << 24) : three;
}

/** How many bytes of the anchor stand at `at`, where its first two do. */
export function standsOn(bytes: Uint8Array, at: number, { literal, fold }: Anchor): number {
  let i = 2;
  if (fold) while (i < literal.length && lowered(bytes[at + i] as number) === literal[i]) i++;
  else while (i < literal.length && bytes[at + i] === literal[i]) i++;
  return i;
}

const sortsOfClass = new Map<Uint8Array, readonly number[]>();

function sortsOf(next: readonly ByteClass[]): readonly number[] {
  if (next.length === 0) return ALL_SORTS;
  const found = new Set<number>();
  for (const { has } of next) {
    let list = sortsOfClass.get(has);
    if (list === undefined) {
      const own = new Set<number>();
      for (let byte = 0; byte < 256; byte++) if (has[byte] === 1) own.add(SORT[byte] as number);
      list = [...own];
      sortsOfClass.set(has, list);
    }
    for (const sort of list) found.add(sort);
  }
  return [...found];
}
