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
  readonly #held: boolean;

  /** `held`: nothing of it leaves before its end, so how far it may is not asked. */
  constructor({ profile, tally, host }: Reader, held: boolean) {
    this.#text = new RunningText(profile, tally, host);
    this.#held = held;
  }

  *take(bytes: Uint8Array): Generator<void, Ruled | null> {
    const text = this.#text;
    for (let at = 0; at < bytes.length; ) {
      const rest = at === 0 ? bytes : bytes.subarray(at);
      if (this.takeLittle(rest)) return null;
      const size = this.#next - text.length;
      text.add(rest.subarray(0, size));
      at += size;
      this.#next += Math.min(this.#next, MOST_GROWTH);
      const veto = text.grow();
      if (veto !== null) return veto;
      this.free = text.free;
      yield;
    }
    if (!this.#held) this.free = Math.max(this.free, text.look());
    return null;
  }

  /** As `take`, at once: what does not make it grow to where it is looked at. False: there is more to it, and nothing was taken. */
  takeLittle(bytes: Uint8Array): boolean {
    const text = this.#text;
    if (text.length + bytes.length >= this.#next) return false;
    text.add(bytes);
    if (!this.#held) this.free = Math.max(this.free, text.look());
    return true;
  }

  // biome-ignore lint/correctness/useYield: what is left is little.
  *end(): Generator<void, Ruled | null> {
    return this.endAtOnce();
  }

  /** As `end`, which has no steps. */
  endAtOnce(): Ruled | null {
    const veto = this.#text.grow() ?? this.#text.finish();
    if (veto === null) this.free = this.#text.length;
    return veto;
  }
}
