/**
 * Many byte strings found in one pass over a text (Aho and Corasick), as one dense table: the cost of a byte does not
 * depend on how many strings there are.
 */
import { Fault } from "../errors.ts";
import { lowered } from "./bytes.ts";

/** More states than this do not fit the table's entries. */
const MAX_STATES = 60_000;

/** A compiled set of byte strings. ASCII letters are equal in either case; whoever is told looks again. */
export class Automaton {
  /** Byte → column. */
  readonly columns: Uint8Array;
  /** (state << shift) | column → state. */
  readonly next: Uint16Array;
  readonly shift: number;
  /** States from here on have something to tell. 0 is the start. */
  readonly firstTelling: number;
  /** Of a state: how many of the last bytes may be the beginning of a string, or all of one. */
  readonly depth: Uint16Array;
  /** What the state `firstTelling + i` tells: indices into `strings`, the longest first. */
  readonly told: readonly (readonly number[])[];

  constructor(strings: readonly Uint8Array[]) {
    this.columns = columnsOf(strings);
    const width = Math.max(...this.columns) + 1;
    this.shift = Math.max(1, Math.ceil(Math.log2(width)));
    const trie = new Trie();
    strings.forEach((string, index) => {
      trie.add(string, this.columns, index);
    });
    trie.link();
    // States that tell come last, so that one comparison finds them.
    const { size, told, queue } = trie;
    const order = new Uint16Array(size);
    let quiet = 0;
    for (let s = 0; s < size; s++) if (told[s]?.length === 0) order[s] = quiet++;
    this.firstTelling = quiet;
    const telling: (readonly number[])[] = [];
    for (let s = 0; s < size; s++) {
      const list = told[s] as number[];
      if (list.length === 0) continue;
      order[s] = quiet + telling.length;
      telling.push(list);
    }
    this.told = telling;
    this.depth = new Uint16Array(size);
    for (let s = 0; s < size; s++) this.depth[order[s] as number] = trie.depth[s] as number;
    const next = new Uint16Array(size << this.shift);
    this.next = next;
    // Breadth first: where a string cannot go on, what its longest end that begins another does is what it does.
    for (const state of queue) {
      const row = (order[state] as number) << this.shift;
      const back = (order[trie.fallback[state] as number] as number) << this.shift;
      if (state !== 0) next.copyWithin(row, back, back + (1 << this.shift));
      for (let child = trie.first[state] as number; child !== 0; child = trie.sibling[child] as number)
        next[row + (trie.column[child] as number)] = order[child] as number;
    }
  }
}

function columnsOf(strings: readonly Uint8Array[]): Uint8Array {
  const columns = new Uint8Array(256);
  let used = 0;
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

/** Children of a state are a chain: tables are made when all is known. */
class Trie {
  readonly told: number[][] = [[]];
  readonly first: number[] = [0];
  readonly sibling: number[] = [0];
  readonly column: number[] = [0];
  readonly fallback: number[] = [0];
  readonly depth: number[] = [0];
  /** States, those of shorter strings before those of longer ones. */
  readonly queue: number[] = [0];

  get size(): number {
    return this.first.length;
  }

  add(string: Uint8Array, columns: Uint8Array, index: number): void {
    let state = 0;
    for (const byte of string) {
      const column = columns[byte] as number;
      let to = this.#child(state, column);
      if (to === 0) {
        to = this.size;
        if (to >= MAX_STATES)
          throw new Fault("policy_invalid", `too many words: over ${MAX_STATES} different beginnings`);
        this.told.push([]);
        this.sibling.push(this.first[state] as number);
        this.first[state] = to;
        this.first.push(0);
        this.column.push(column);
        this.fallback.push(0);
        this.depth.push((this.depth[state] as number) + 1);
      }
      state = to;
    }
    if (state !== 0) this.told[state]?.push(index);
  }

  #child(state: number, column: number): number {
    let child = this.first[state] as number;
    while (child !== 0 && this.column[child] !== column) child = this.sibling[child] as number;
    return child;
  }

  link(): void {
    const { queue, told } = this;
    for (let head = 0; head < queue.length; head++) {
      const state = queue[head] as number;
      for (let child = this.first[state] as number; child !== 0; child = this.sibling[child] as number) {
        queue.push(child);
        if (state === 0) continue;
        const column = this.column[child] as number;
        let back = this.fallback[state] as number;
        let to = this.#child(back, column);
        while (to === 0 && back !== 0) {
          back = this.fallback[back] as number;
          to = this.#child(back, column);
        }
        this.fallback[child] = to;
        const shorter = told[to] as number[];
        if (shorter.length > 0) told[child]?.push(...shorter);
      }
    }
  }
}
