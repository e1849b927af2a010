/** Bytes that come in chunks, put together into pieces that are handed out. */
import { OVERLAP } from "../model/bounds.ts";
import { STEP } from "./_inner.ts";
import type { TextFilter } from "./markup-text.ts";

const PIECE = 1024 * 1024;

export function* cut(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

/** All there is of a text. */
export function* filtered(bytes: Uint8Array, filter: TextFilter): Generator<Uint8Array, void> {
  yield* pushed(bytes, filter);
  yield* last(filter);
}

function* pushed(bytes: Uint8Array, filter: TextFilter): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += STEP) yield filter.push(bytes.subarray(at, at + STEP));
}

function* last(filter: TextFilter): Generator<Uint8Array, void> {
  const held = filter.end?.();
  if (held !== undefined && held.length > 0) yield held;
}

export function* through(chunks: Generator<Uint8Array, void>, filter: TextFilter): Generator<Uint8Array, void> {
  for (const chunk of chunks) yield* pushed(chunk, filter);
  yield* last(filter);
}

export class Pieces {
  #bytes = new Uint8Array(4096);
  #count = 0;
  #given = 0;

  get full(): boolean {
    return this.#count === PIECE;
  }

  /** Something has come since the last piece. */
  get fresh(): boolean {
    return this.#count > this.#given;
  }

  take(chunk: Uint8Array): number {
    const part = chunk.subarray(0, PIECE - this.#count);
    const count = this.#count + part.length;
    if (count > this.#bytes.length) {
      const wide = new Uint8Array(Math.min(PIECE, Math.max(count, 2 * this.#bytes.length)));
      wide.set(this.#bytes.subarray(0, this.#count));
      this.#bytes = wide;
    }
    this.#bytes.set(part, this.#count);
    this.#count = count;
    return part.length;
  }

  /** A copy, for what is found in it is looked at while more comes in. */
  give(): Uint8Array {
    const piece = this.#bytes.slice(0, this.#count);
    this.#given = this.full ? OVERLAP : 0;
    this.#bytes.copyWithin(0, this.#count - this.#given, this.#count);
    this.#count = this.#given;
    return piece;
  }
}
