/** What one egress has taken, until it is known what it came to. */
import type { Claim } from "../limits/claims.ts";
import { costMicros, type TokenUse, totalTokens } from "../limits/prices.ts";
import type { Adjustment, LimitStore, Need, Taken } from "../limits/store.ts";
import type { Runtime } from "../runtime/contract.ts";
import { giveBack } from "./limits-redis.ts";
import { UsageTap } from "./limits-tap.ts";

/** How an egress ended, as far as limits care. */
export interface Carried {
  /** A byte of it may have left. */
  readonly sent: boolean;
  /** The upstream's; null when it did not answer. */
  readonly status: number | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Why the answer is not whole, or null: what it says it used is then not all of it. */
  readonly error: string | null;
}

interface Held {
  readonly holder: string;
  readonly claims: readonly Claim[];
  readonly needs: readonly Need[];
  readonly taken: Taken;
}

interface Means {
  readonly store: LimitStore;
  /** Null: somebody else keeps the places. */
  readonly places: Places | null;
  readonly decode: Runtime["decode"];
}

export class Reservation {
  readonly #held: Held;
  readonly #means: Means;
  /** Wants to hear the answer; null when no limit counts what is in it. */
  readonly tap: UsageTap | null;
  #over = false;

  constructor(held: Held, means: Means) {
    this.#held = held;
    this.#means = means;
    const reads = held.claims.some(({ part }) => part === "tokens" || part === "money");
    this.tap = reads ? new UsageTap(means.decode) : null;
    for (const { kind, key } of held.needs) if (kind === "slots") means.places?.hold(held.holder, key);
  }

  /** Nothing has left: budgets and places are given back, as often as it is called once. */
  release(): void {
    if (!this.#end()) return;
    this.#means.store.adjust(this.#held.holder, giveBack(this.#held.needs, this.#held.taken));
  }

  /** What is not known to have been less stays as it was reserved. Never throws. */
  settle(carried: Carried): void {
    if (!carried.sent) {
      this.release();
      return;
    }
    if (!this.#end()) return;
    if (this.tap === null) this.#adjust(carried, null);
    else void this.tap.end().then((use) => this.#adjust(carried, use));
  }

  #end(): boolean {
    const first = !this.#over;
    this.#over = true;
    if (first) this.#means.places?.drop(this.#held.holder);
    return first;
  }

  #adjust(carried: Carried, use: TokenUse | null): void {
    const { holder, claims, needs, taken } = this.#held;
    const adjustments: Adjustment[] = [];
    for (const [i, need] of needs.entries()) {
      const claim = claims[i] as Claim;
      if (need.kind === "slots") adjustments.push({ kind: "slots", key: need.key });
      if (need.kind !== "window") continue;
      const actual = actualOf(claim, carried, use);
      if (actual === null || actual === need.amount) continue;
      const window = taken.levels[i]?.mark ?? 0;
      adjustments.push({ kind: "window", key: need.key, window, delta: actual - need.amount });
    }
    this.#means.store.adjust(holder, adjustments);
  }
}

/** Null: nobody knows. */
function actualOf({ part, price, need }: Claim, carried: Carried, use: TokenUse | null): number | null {
  if (part === "bytes") return carried.bytesUp + carried.bytesDown;
  // A payment that has left counts, whatever is answered.
  if (part === "payment") return null;
  if (need.kind !== "window") return null;
  if (use === null) {
    // A provider that refuses a request has not worked on it.
    return carried.status !== null && carried.status >= 400 && carried.status < 500 ? 0 : null;
  }
  const told = price === null ? totalTokens(use) : costMicros(price, use);
  // Whoever hangs up before the last count would pay for the first only.
  return carried.error === null ? told : Math.max(told, need.amount);
}

/** The places this process holds, renewed until they are given back: a process that dies leaves them to their lease. */
export class Places {
  readonly #store: LimitStore;
  readonly #leaseMs: number;
  readonly #held = new Map<string, string[]>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(store: LimitStore, leaseMs: number) {
    this.#store = store;
    this.#leaseMs = leaseMs;
  }

  hold(holder: string, key: string): void {
    const keys = this.#held.get(holder);
    if (keys === undefined) this.#held.set(holder, [key]);
    else keys.push(key);
    this.#timer ??= setInterval(() => this.#renew(), this.#leaseMs / 3);
  }

  drop(holder: string): void {
    if (this.#held.delete(holder) && this.#held.size === 0) this.close();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #renew(): void {
    const places = [...this.#held].flatMap(([holder, keys]) => keys.map((key) => ({ holder, key })));
    this.#store.renew(places, this.#leaseMs);
  }
}
