/** What limits have lent to who settles it elsewhere: a relay that asked a plane. */
import type { Adjustment, LendingStore, Prolonged } from "../limits/store.ts";
import { type LimitClocks, MemoryLimits } from "./limits-memory.ts";

/** How long what is lent can be settled after it was last heard of; a relay tells three times in a lease what goes on. */
export const LENT_MS = 300_000;
/** Beyond it the oldest are forgotten, and stay as they were reserved. */
const MAX_LENT = 100_000;

/** The counters of one process that lends. */
export class LendingMemory extends MemoryLimits implements LendingStore {
  readonly #lent: Map<string, number> = new Map();
  readonly #clocks: LimitClocks;
  readonly #maxLent: number;

  constructor(clocks: LimitClocks, maxLent = MAX_LENT) {
    super(clocks);
    this.#clocks = clocks;
    this.#maxLent = maxLent;
  }

  lend(holder: string, ms: number): void {
    const now = this.#clocks.monotonic();
    for (const [oldest, until] of this.#lent) {
      if (until > now && this.#lent.size < this.#maxLent) break;
      this.#lent.delete(oldest);
    }
    this.#lent.set(holder, now + ms);
  }

  settle(holder: string, adjustments: readonly Adjustment[]): boolean {
    if (!this.#known(holder)) return false;
    this.#lent.delete(holder);
    this.adjust(holder, adjustments);
    return true;
  }

  prolong(holder: string, keys: readonly string[], { lentMs, leaseMs }: Prolonged): boolean {
    if (!this.#known(holder)) return false;
    // Behind the others again: they are in the order of their ends.
    this.#lent.delete(holder);
    this.#lent.set(holder, this.#clocks.monotonic() + lentMs);
    this.renew(
      keys.map((key) => ({ holder, key })),
      leaseMs,
    );
    return true;
  }

  #known(holder: string): boolean {
    return (this.#lent.get(holder) ?? 0) > this.#clocks.monotonic();
  }
}
