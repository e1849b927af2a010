import type { HeldBody } from "../model/egress.ts";
import type { Held } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import type { Hasher } from "../runtime/contract.ts";
import type { Door } from "./door.ts";
import type { HeldShare } from "./held.ts";

/**
 * Collects one request body. The hash of a body that arrives in pieces is taken piece by piece, so that a large one
 * never holds the event loop.
 */
export class BodyHolder {
  readonly #door: Pick<Door, "runtime" | "config">;
  readonly #share: HeldShare;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #taken = 0;
  #hasher: Hasher | null = null;
  #trailers: HeaderList | null = null;
  #maxBytes = Number.POSITIVE_INFINITY;
  #resolve: ((held: Held) => void) | null = null;
  /** When it was first waited for, put off by every wait for room. */
  #since = 0;
  complete = false;

  constructor(door: Pick<Door, "runtime" | "config">, share: HeldShare) {
    this.#door = door;
    this.#share = share;
  }

  get length(): number {
    return this.#length;
  }

  /** Somebody waits for this body now. */
  get awaited(): boolean {
    return this.#resolve !== null;
  }

  /** The wait for the client's bytes begins. `now` is monotonic ms, here and below. */
  begin(now: number): void {
    this.#since = now;
  }

  /** It was ours to wait for `ms`, not the client's. */
  excuse(ms: number): void {
    this.#since += ms;
  }

  /**
   * When the next bytes are overdue: after the longest gap, and for a body that drips as soon as it has, since it began,
   * lagged behind the least rate by as much.
   */
  due(now: number): number {
    const { bodyTimeoutMs, bodyMinRate } = this.#door.config;
    if (bodyMinRate === 0) return now + bodyTimeoutMs;
    return Math.min(now, this.#since + (this.#length * 1000) / bodyMinRate) + bodyTimeoutMs;
  }

  add(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#length > this.#maxBytes) {
      this.settle({ kind: "too_large" });
      return;
    }
    this.#taken += bytes.length;
    this.#share.take(bytes.length);
    const first = this.#chunks[0];
    if (first !== undefined && this.#hasher === null) {
      this.#hasher = this.#door.runtime.hasher();
      this.#hasher.update(first);
    }
    this.#hasher?.update(bytes);
    this.#chunks.push(bytes);
  }

  end(trailers: HeaderList | null): void {
    this.complete = true;
    this.#trailers = trailers;
    if (this.#resolve !== null) this.settle(this.#whole());
  }

  /** The body when it is already here, else a promise that `add`, `end` or `settle` keeps. */
  hold(maxBytes: number): Held | Promise<Held> {
    this.#maxBytes = maxBytes;
    if (this.#length > maxBytes) return { kind: "too_large" };
    if (this.complete) return this.#whole();
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Ends the wait, if any, with this result. */
  settle(held: Held): void {
    const resolve = this.#resolve;
    this.#resolve = null;
    if (held.kind !== "body") {
      // Whatever still arrives is dropped, not kept.
      this.#maxBytes = -1;
      this.release();
    }
    resolve?.(held);
  }

  release(): void {
    this.#chunks = [];
    const taken = this.#taken;
    this.#taken = 0;
    this.#share.give(taken);
  }

  #whole(): Held {
    const chunks = this.#chunks;
    const first = chunks[0];
    const bytes = chunks.length === 1 && first !== undefined ? first : concat(chunks, this.#length);
    const sha256 = this.#hasher === null ? this.#door.runtime.sha256(bytes) : this.#hasher.hex();
    const body: HeldBody = { bytes, sha256, trailers: this.#trailers };
    return { kind: "body", body };
  }
}

export function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
