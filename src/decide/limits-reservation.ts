/** What one egress has taken, until it is known what it came to. */
import type { Claim } from "../limits/claims.ts";
import type { TokenUse } from "../limits/prices.ts";
import { type Carried, type Holding, readsUsage, settlementOf } from "../limits/settlement.ts";
import type { LimitStore, Need, Taken } from "../limits/store.ts";
import type { Runtime } from "../runtime/contract.ts";
import { UsageTap } from "./limits-tap.ts";

export const NOT_SENT: Carried = { sent: false, status: null, bytesUp: 0, bytesDown: 0, error: null };

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
    const reads = held.claims.some(({ part }) => readsUsage(part));
    this.tap = reads ? new UsageTap(means.decode) : null;
    for (const { kind, key } of held.needs) if (kind === "slots") means.places?.hold(held.holder, key);
  }

  /** Nothing has left: budgets and places are given back, as often as it is called once. */
  release(): void {
    if (!this.#end()) return;
    this.#adjust(NOT_SENT, null);
  }

  /** What is not known to have been less stays as it was reserved. Never throws. */
  settle(carried: Carried): void {
    if (!this.#end()) return;
    if (this.tap === null || !carried.sent) this.#adjust(carried, null);
    else void this.tap.end().then((use) => this.#adjust(carried, use));
  }

  get holder(): string {
    return this.#held.holder;
  }

  /** What of it may be given back. */
  get holdings(): readonly Holding[] {
    const { claims, taken } = this.#held;
    return claims.flatMap((claim, i): Holding[] => {
      const { key } = claim.need;
      if (claim.part === "rate") return [];
      if (claim.part === "concurrency") return [{ kind: "slots", key }];
      const { part, price, need } = claim;
      return [{ kind: "window", key, part, window: taken.levels[i]?.mark ?? 0, amount: need.amount, price }];
    });
  }

  #end(): boolean {
    const first = !this.#over;
    this.#over = true;
    if (first) this.#means.places?.drop(this.#held.holder);
    return first;
  }

  #adjust(carried: Carried, use: TokenUse | null): void {
    this.#means.store.adjust(this.holder, settlementOf(this.holdings, carried, use));
  }
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
