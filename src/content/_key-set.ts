/**
 * The keys of the objects that are open while a JSON text is read, so that a key given twice is seen at once. Objects
 * close in the reverse order of opening, so a table with linear probing gives its places back in the reverse order too
 * and never holds more than what is open.
 */
import { decodeJsonText } from "./coding.ts";

interface Keyed {
  readonly bytes: Uint8Array;
  readonly start: Int32Array;
  readonly end: Int32Array;
  readonly parent: Int32Array;
  readonly escaped: Uint8Array;
}

/** More in one text than this, all open: what it costs to move the table would be felt. */
const MAX_OPEN = 1 << 16;
/** Steps of looking for a place, for every key there is and to begin with: only keys made to collide come here. */
const STEPS_A_KEY = 32;
const STEPS_FREE = 4096;

/** Unknown to whoever writes the keys, so that nobody can make them collide. */
const SECRET = crypto.getRandomValues(new Int32Array(257));

export class KeySet {
  /** Node + 1; 0 is free. */
  #table = new Int32Array(128);
  #hashes = new Int32Array(128);
  /** Places in the order they were taken. */
  #taken = new Int32Array(64);
  #count = 0;
  #steps = 0;
  #added = 0;
  #marks: number[] = [];

  clear(): void {
    this.#drop(0);
    this.#marks.length = 0;
    this.#steps = 0;
    this.#added = 0;
  }

  /** An object opens. */
  open(): void {
    this.#marks.push(this.#count);
  }

  close(): void {
    this.#drop(this.#marks.pop() ?? 0);
  }

  /** `full`: no answer, there is too much. */
  add(tape: Keyed, node: number): "new" | "known" | "full" {
    const parent = tape.parent[node] as number;
    let { bytes } = tape;
    let from = tape.start[node] as number;
    let to = tape.end[node] as number;
    if (tape.escaped[node] === 1) {
      bytes = decodeJsonText(bytes, from, to);
      from = 0;
      to = bytes.length;
    }
    const hash = hashOf(bytes, from, to, parent);
    const mask = this.#table.length - 1;
    let place = hash & mask;
    this.#added += 1;
    for (let there = this.#table[place] as number; there !== 0; there = this.#table[place] as number) {
      if (this.#hashes[place] === hash) {
        const other = there - 1;
        if (tape.parent[other] === parent && sameKey(tape, other, bytes, from, to)) return "known";
      }
      this.#steps += 1;
      place = (place + 1) & mask;
    }
    if (this.#steps > STEPS_FREE + STEPS_A_KEY * this.#added || this.#count === MAX_OPEN) return "full";
    this.#table[place] = node + 1;
    this.#hashes[place] = hash;
    this.#taken[this.#count] = place;
    this.#count += 1;
    if (this.#count === this.#taken.length) this.#grow();
    return "new";
  }

  #drop(to: number): void {
    for (let i = this.#count - 1; i >= to; i--) this.#table[this.#taken[i] as number] = 0;
    this.#count = to;
  }

  /** Twice the places, taken again in the order they were, or giving back in reverse would leave gaps. */
  #grow(): void {
    const size = this.#table.length * 2;
    const mask = size - 1;
    const table = new Int32Array(size);
    const hashes = new Int32Array(size);
    const taken = new Int32Array(size / 2);
    for (let i = 0; i < this.#count; i++) {
      const old = this.#taken[i] as number;
      const hash = this.#hashes[old] as number;
      let place = hash & mask;
      while (table[place] !== 0) place = (place + 1) & mask;
      table[place] = this.#table[old] as number;
      hashes[place] = hash;
      taken[i] = place;
    }
    this.#table = table;
    this.#hashes = hashes;
    this.#taken = taken;
  }
}

function hashOf(bytes: Uint8Array, from: number, to: number, parent: number): number {
  let hash = (SECRET[256] as number) ^ Math.imul(parent, 0x9e3779b1);
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (SECRET[bytes[i] as number] as number), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function sameKey(tape: Keyed, other: number, bytes: Uint8Array, from: number, to: number): boolean {
  let there = tape.bytes;
  let at = tape.start[other] as number;
  let end = tape.end[other] as number;
  if (tape.escaped[other] === 1) {
    there = decodeJsonText(there, at, end);
    at = 0;
    end = there.length;
  }
  if (end - at !== to - from) return false;
  for (let i = from; i < to; i++, at++) if (there[at] !== bytes[i]) return false;
  return true;
}
