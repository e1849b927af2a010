/** A text as it comes: it grows at lengths that double and then are even, and is let go in between as far as may be. */
import type { AnswerReading, Reader } from "./answer-reading.ts";
import type { Ruled } from "./engine.ts";
import { MOST_GROWTH, RunningText } from "./running-text.ts";

const FIRST_GROWTH = 512;

export class RawReading implements AnswerReading {
  readonly #text: RunningText;
  #next = FIRST_GROWTH;
  free = 0;
  readonly kept = 0;
  readonly between = false;

  constructor({ profile, tally, host }: Reader) {
    this.#text = new RunningText(profile, tally, host);
  }

  *take(bytes: Uint8Array): Generator<void, Ruled | null> {
    const text = this.#text;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + this.#next - text.length);
      text.add(bytes.subarray(at, end));
      at = end;
      if (text.length < this.#next) break;
      this.#next += Math.min(this.#next, MOST_GROWTH);
      const veto = text.grow();
      if (veto !== null) return veto;
      this.free = text.free;
      yield;
    }
    this.free = Math.max(this.free, text.look());
    return null;
  }

  // biome-ignore lint/correctness/useYield: what is left is little.
  *end(): Generator<void, Ruled | null> {
    const veto = this.#text.grow() ?? this.#text.finish();
    if (veto === null) this.free = this.#text.length;
    return veto;
  }
}
