import type { Deadlined, Deadlines } from "../model/deadlines.ts";
import type { Taken } from "../model/exchange.ts";
import { FirstBytes, type Spoken } from "../wire/first-bytes.ts";
import { Parked } from "./parked.ts";

/** How long a tunnel may stay silent before it is a veto. */
export const SILENCE_MS = 2_000;

export type First = Spoken | { readonly kind: "silent" } | { readonly kind: "gone" };

/** Reads a tunnel's first bytes until they say what it carries. The bytes stay parked, none is lost. */
export class Sniffer extends Parked implements Deadlined {
  deadline: number;
  readonly first: Promise<First>;
  readonly #deadlines: Deadlines;
  #resolve: ((first: First) => void) | null = null;
  readonly #gathered = new FirstBytes();

  constructor(taken: Taken, deadlines: Deadlines) {
    super();
    this.#deadlines = deadlines;
    this.deadline = deadlines.now + SILENCE_MS;
    this.first = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    deadlines.add(this);
    this.attach(taken.conn);
    if (taken.leftover !== null) this.data(taken.leftover);
    if (taken.ended) this.end();
  }

  override data(bytes: Uint8Array): void {
    if (this.#resolve === null) {
      super.data(bytes);
      return;
    }
    const look = this.#gathered.push(bytes);
    if (look !== null) this.#settle(look);
  }

  override end(): void {
    super.end();
    this.#settle({ kind: "gone" });
  }

  override close(error: Error | null): void {
    super.close(error);
    this.#settle({ kind: "gone" });
  }

  expired(): void {
    this.#settle({ kind: "silent" });
  }

  #settle(first: First): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    if (this.#gathered.length > 0) this.chunks.push(this.#gathered.bytes);
    this.deadline = Number.POSITIVE_INFINITY;
    this.#deadlines.remove(this);
    this.conn?.pause();
    resolve(first);
  }
}
