import { TURN_BYTES } from "../crypto/hash-in-turns.ts";
import type { HeldBody } from "../model/egress.ts";
import type { Held } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import type { Hasher } from "../runtime/contract.ts";
import { Pieces } from "../wire/pieces.ts";
import type { Door } from "./door.ts";
import type { HeldShare } from "./held.ts";

/**
 * Collects one request body. What arrives in pieces is hashed as it comes and put together in the end, both in turns: a
 * runtime may deliver many megabytes in one, and fresh memory is dear to write to.
 */
export class BodyHolder {
  readonly #door: Pick<Door, "runtime" | "config">;
  readonly #share: HeldShare;
  readonly #pieces = new Pieces();
  #length = 0;
  #taken = 0;
  #hasher: Hasher | null = null;
  /** The next byte to hash: part, and offset in it. */
  #at = 0;
  #offset = 0;
  #whole: Uint8Array | null = null;
  #filled = 0;
  /** Bytes that were hashed or put together in this turn. */
  #spent = 0;
  #next = false;
  #trailers: HeaderList | null = null;
  #maxBytes = Number.POSITIVE_INFINITY;
  /** Some of it was not kept, for want of room: it is no body any more. */
  #dropped = false;
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

  /** No more of it should be read in this turn. */
  get sated(): boolean {
    return this.#spent >= TURN_BYTES;
  }

  add(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#dropped) return;
    if (this.#length > this.#maxBytes) {
      this.settle({ kind: "too_large" });
      return;
    }
    this.#taken += bytes.length;
    this.#share.take(bytes.length);
    if (!this.#share.keeps) {
      this.#dropped = true;
      this.settle({ kind: "exhausted" });
      return;
    }
    this.#pieces.push(bytes);
    if (this.awaited) this.#pieces.stay();
    this.#work();
  }

  end(trailers: HeaderList | null): void {
    this.complete = true;
    this.#pieces.close();
    this.#trailers = trailers;
    this.#work();
  }

  /** The body when it is already here, else a promise that `add`, `end` or `settle` keeps. */
  hold(maxBytes: number): Held | Promise<Held> {
    if (this.#dropped) return { kind: "exhausted" };
    this.#maxBytes = maxBytes;
    if (this.#length > maxBytes) return { kind: "too_large" };
    if (this.#ready) return this.#body();
    this.#pieces.stay();
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
    this.#pieces.clear();
    this.#whole = null;
    const taken = this.#taken;
    this.#taken = 0;
    this.#share.give(taken);
  }

  /** A body in one piece is hashed when it is asked for: it is no more than one read. */
  get #ready(): boolean {
    return this.complete && (this.#whole === null ? this.#pieces.count <= 1 : this.#filled === this.#length);
  }

  #body(): Held {
    const bytes = this.#whole ?? this.#pieces.first ?? new Uint8Array(0);
    const sha256 = this.#hasher === null ? this.#door.runtime.sha256(bytes) : this.#hasher.hex();
    const body: HeldBody = { bytes, sha256, trailers: this.#trailers };
    return { kind: "body", body };
  }

  #work(): void {
    while (this.#spent < TURN_BYTES && this.#step()) {
      // One piece after the other.
    }
    if (this.#spent > 0 && !this.#next) {
      this.#next = true;
      this.#door.runtime.afterTurn(() => {
        this.#next = false;
        this.#spent = 0;
        this.#work();
      });
    }
    if (this.#ready && this.#resolve !== null) this.settle(this.#body());
  }

  /** False when there is nothing to do before more bytes come. */
  #step(): boolean {
    return this.#whole === null ? this.#hash() : this.#gather(this.#whole);
  }

  #hash(): boolean {
    if (this.#pieces.count <= 1) return false;
    const part = this.#pieces.part(this.#at);
    if (part === undefined) {
      if (this.complete) this.#whole = new Uint8Array(this.#length);
      return this.complete;
    }
    const piece = part.subarray(this.#offset, this.#offset + TURN_BYTES - this.#spent);
    this.#hasher ??= this.#door.runtime.hasher();
    this.#hasher.update(piece);
    this.#spent += piece.length;
    this.#offset += piece.length;
    if (this.#offset === part.length) {
      this.#at += 1;
      this.#offset = 0;
    }
    return true;
  }

  /** What has been put together is let go of piece by piece. */
  #gather(whole: Uint8Array): boolean {
    const { first, at } = this.#pieces;
    if (first === undefined) return false;
    const piece = first.subarray(at, at + TURN_BYTES - this.#spent);
    whole.set(piece, this.#filled);
    this.#pieces.skip(piece.length);
    this.#filled += piece.length;
    this.#spent += piece.length;
    return true;
  }
}
