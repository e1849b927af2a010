/** The counters of one process, or of a parent and its workers. Nothing here is waited for, so nothing comes between. */
import { Fault } from "../errors.ts";
import { poolOf } from "../limits/claims.ts";
import { type Period, windowAt, windowEnd } from "../limits/period.ts";
import type { Adjustment, Level, LimitStore, Need, RateNeed, SlotNeed, Taken, WindowNeed } from "../limits/store.ts";

export interface LimitClocks {
  /** Milliseconds since the epoch: of periods. */
  now(): number;
  /** Monotonic milliseconds: of paces and leases. */
  monotonic(): number;
}

/** `level` in the parts of `RateNeed`; `full`: when nothing of it is missing any more, and it may be forgotten. */
interface Bucket {
  level: number;
  at: number;
  full: number;
}

interface Window {
  number: number;
  spent: number;
  ends: number;
}

type Places = Map<string, number>;

/**
 * Counters kept at once: with an agent's name in the key, whoever asks can make them. Beyond it a pool (one part of one limit)
 * still gets new ones up to its even share, so that all together are never more than twice as many, and names invented for
 * one limit take nothing from another.
 */
const MAX_KEYS = 100_000;
const SWEEP_EVERY_US = 1_000_000;

export class MemoryLimits implements LimitStore {
  readonly up = true;
  readonly #clocks: LimitClocks;
  readonly #maxKeys: number;
  /** Counters in each pool that has any. */
  readonly #pools = new Map<string, number>();
  readonly #buckets = new Shelf<Bucket>(this.#pools);
  readonly #places = new Shelf<Places>(this.#pools);
  readonly #windows = new Shelf<Window>(this.#pools);
  #sweptUs = Number.NEGATIVE_INFINITY;

  constructor(clocks: LimitClocks, maxKeys = MAX_KEYS) {
    this.#clocks = clocks;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#buckets.size + this.#places.size + this.#windows.size;
  }

  /** Throws Fault `limits_uncounted` when there is no room for another counter: what cannot be counted cannot be limited. */
  take(holder: string, needs: readonly Need[]): Taken {
    const now = this.#clocks.now();
    const us = Math.floor(this.#clocks.monotonic() * 1000);
    if (this.size + needs.length > this.#maxKeys) this.#makeRoom(needs, now, us);
    const levels = needs.map((need) => this.#look(need, now, us));
    const taken = levels.every(({ fits }, i) => fits || needs[i]?.enforce === false);
    if (taken) for (const [i, need] of needs.entries()) this.#takeOne(holder, need, levels[i] as Level, us);
    return { taken, now, levels };
  }

  adjust(holder: string, adjustments: readonly Adjustment[]): void {
    for (const each of adjustments) {
      if (each.kind === "slots") {
        const places = this.#places.get(each.key);
        if (places?.delete(holder) === true && places.size === 0) this.#places.delete(each.key);
        continue;
      }
      const window = this.#windows.get(each.key);
      if (window?.number === each.window) window.spent = Math.max(0, addBounded(window.spent, each.delta));
    }
  }

  renew(places: readonly { readonly holder: string; readonly key: string }[], leaseMs: number): void {
    const until = Math.floor(this.#clocks.monotonic() * 1000) + leaseMs * 1000;
    for (const { holder, key } of places) this.#placesOf(key).set(holder, until);
  }

  close(): void {}

  #look(need: Need, now: number, us: number): Level {
    if (need.kind === "rate") return lookRate(need, this.#bucket(need, us).level);
    if (need.kind === "slots") return this.#lookSlots(need, us);
    const { number, spent } = this.#window(need, now);
    return { fits: spent + need.amount <= need.max && spent < need.max, value: spent, mark: number };
  }

  #takeOne(holder: string, need: Need, { fits, mark }: Level, us: number): void {
    if (need.kind === "rate") {
      const bucket = this.#bucket(need, us);
      if (fits) bucket.level -= need.periodUs;
      const capacity = need.burst * need.periodUs;
      bucket.full = us + Math.ceil((capacity - bucket.level) / need.requests);
      this.#buckets.set(need.key, bucket);
    } else if (need.kind === "slots") {
      this.#placesOf(need.key).set(holder, us + need.leaseMs * 1000);
    } else {
      const known = this.#windows.get(need.key);
      const spent = known?.number === mark ? known.spent : 0;
      this.#windows.set(need.key, {
        number: mark,
        spent: addBounded(spent, need.amount),
        ends: windowEnd(periodOf(need), mark),
      });
    }
  }

  /** As it is now, refilled; not kept unless something is taken. */
  #bucket(need: RateNeed, us: number): Bucket {
    const known = this.#buckets.get(need.key);
    return known === undefined ? { level: need.burst * need.periodUs, at: us, full: us } : refill(known, need, us);
  }

  #lookSlots({ key, max }: SlotNeed, us: number): Level {
    const places = this.#places.get(key);
    if (places === undefined) return { fits: max > 0, value: 0, mark: 0 };
    for (const [holder, until] of places) if (until <= us) places.delete(holder);
    return { fits: places.size < max, value: places.size, mark: 0 };
  }

  /** The period never goes back: a clock that does would open a budget a second time. */
  #window(need: WindowNeed, now: number): { readonly number: number; readonly spent: number } {
    const number = windowAt(periodOf(need), now);
    const known = this.#windows.get(need.key);
    return known === undefined || known.number < number ? { number, spent: 0 } : known;
  }

  #placesOf(key: string): Places {
    let places = this.#places.get(key);
    if (places === undefined) {
      places = new Map();
      this.#places.set(key, places);
    }
    return places;
  }

  /** Those who are counted already go on being counted. */
  #makeRoom(needs: readonly Need[], now: number, us: number): void {
    if (this.#hasRoom(needs)) return;
    this.#sweep(now, us);
    if (!this.#hasRoom(needs)) throw new Fault("limits_uncounted", "there is no room for another counter");
  }

  #hasRoom(needs: readonly Need[]): boolean {
    const fresh = needs.filter(
      ({ kind, key }) => !(kind === "rate" ? this.#buckets : kind === "slots" ? this.#places : this.#windows).has(key),
    );
    if (this.size + fresh.length <= this.#maxKeys) return true;
    const grown = new Map(this.#pools);
    for (const { key } of fresh) add(grown, poolOf(key), 1);
    const share = this.#maxKeys / grown.size;
    return fresh.every(({ key }) => (grown.get(poolOf(key)) ?? 0) <= share);
  }

  /**
   * Drops what says nothing any more, and nothing else: a budget that is forgotten is one that begins anew. Once a second, or
   * a full memory would be walked for each request.
   */
  #sweep(now: number, us: number): void {
    if (us - this.#sweptUs < SWEEP_EVERY_US) return;
    for (const [key, bucket] of this.#buckets) if (bucket.full <= us) this.#buckets.delete(key);
    for (const [key, window] of this.#windows) if (window.ends <= now) this.#windows.delete(key);
    for (const [key, places] of this.#places) {
      for (const [holder, until] of places) if (until <= us) places.delete(holder);
      if (places.size === 0) this.#places.delete(key);
    }
    this.#sweptUs = us;
  }
}

/** A map that keeps the sizes of pools. */
class Shelf<V> extends Map<string, V> {
  readonly #pools: Map<string, number>;

  constructor(pools: Map<string, number>) {
    super();
    this.#pools = pools;
  }

  override set(key: string, value: V): this {
    if (!this.has(key)) add(this.#pools, poolOf(key), 1);
    return super.set(key, value);
  }

  override delete(key: string): boolean {
    const had = super.delete(key);
    if (had) add(this.#pools, poolOf(key), -1);
    return had;
  }
}

function add(sizes: Map<string, number>, pool: string, by: 1 | -1): void {
  const size = (sizes.get(pool) ?? 0) + by;
  if (size > 0) sizes.set(pool, size);
  else sizes.delete(pool);
}

function periodOf({ seconds, offset }: WindowNeed): Period {
  return { text: "", seconds, offset };
}

function refill(bucket: Bucket, { requests, periodUs, burst }: RateNeed, us: number): Bucket {
  const capacity = burst * periodUs;
  const elapsed = Math.max(0, us - bucket.at);
  const missing = Math.max(0, capacity - bucket.level);
  // Compared before it is multiplied: the product of a long silence is no safe integer.
  const level = elapsed >= missing / requests ? capacity : bucket.level + elapsed * requests;
  return { level: Math.min(level, capacity), at: us, full: bucket.full };
}

function lookRate({ requests, periodUs }: RateNeed, level: number): Level {
  const fits = level >= periodUs;
  return {
    fits,
    value: fits ? Math.floor(level / periodUs) - 1 : 0,
    mark: fits ? 0 : Math.ceil((periodUs - level) / requests),
  };
}

/** What is counted beyond the safe integers stays there. */
function addBounded(spent: number, amount: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, spent + amount);
}
