/** What is asked of whoever holds the counters: this process, its parent, or a Redis that many share. */

/** Requests at a pace. Levels are counted in `requests × periodUs` parts, so that every refill is a whole number. */
export interface RateNeed {
  readonly kind: "rate";
  readonly key: string;
  /** False: counted, never refused. */
  readonly enforce: boolean;
  readonly requests: number;
  readonly periodUs: number;
  readonly burst: number;
}

/** One of `max` places, kept until it is given back or `leaseMs` pass without renewal. */
export interface SlotNeed {
  readonly kind: "slots";
  readonly key: string;
  readonly enforce: boolean;
  readonly max: number;
  readonly leaseMs: number;
}

/** `amount` of what may be spent in the period the store's clock is in. */
export interface WindowNeed {
  readonly kind: "window";
  readonly key: string;
  readonly enforce: boolean;
  /** As in `Period`. */
  readonly seconds: number;
  readonly offset: number;
  readonly max: number;
  readonly amount: number;
}

export type Need = RateNeed | SlotNeed | WindowNeed;

/** Of one need. `fits` is what would have been said of it alone. */
export interface Level {
  readonly fits: boolean;
  /** rate: whole requests left behind this one; slots: places taken before it; window: spent before it. */
  readonly value: number;
  /** rate: microseconds until one would fit (0 when it fits); slots: 0; window: the number of the period. */
  readonly mark: number;
}

/** `taken`: every need that is enforced fits, and all were taken; else none was, the ones that are not enforced neither. */
export interface Taken {
  readonly taken: boolean;
  /** Milliseconds since the epoch, by the clock that rules the periods. */
  readonly now: number;
  readonly levels: readonly Level[];
}

/** What becomes of something taken: `delta` is added to what was spent in `window`, if that is still the period. */
export type Adjustment =
  | { readonly kind: "slots"; readonly key: string }
  | { readonly kind: "window"; readonly key: string; readonly window: number; readonly delta: number };

export interface LimitStore {
  /**
   * All or nothing, in one step that nobody else comes between. Rejects, or throws, when the counters cannot be had: Fault
   * `redis_failed` or `limits_unreachable` when whoever holds them does not answer, `limits_uncounted` when there is no room
   * for another one. Whoever asks can bring about the last, so nothing may be let through for it.
   */
  take(holder: string, needs: readonly Need[]): Taken | Promise<Taken>;
  /** Best effort: what cannot be told stays as it was reserved. Never throws. */
  adjust(holder: string, adjustments: readonly Adjustment[]): void;
  /** Keeps the places of `holders` for another lease. Never throws. */
  renew(places: readonly { readonly holder: string; readonly key: string }[], leaseMs: number): void;
  /** False while it cannot be asked. */
  readonly up: boolean;
  close(): void;
}

/** A store whose takings somebody else settles, once, or not at all: then they stay as they were reserved. */
export interface LendingStore extends LimitStore {
  /** What `holder` has taken may be settled for so long. Best effort, and never throws: what is not lent stays reserved. */
  lend(holder: string, ms: number): void;
  /** Adjusts, and forgets the holder; false when it is not known (any more). Rejects when the counters cannot be had. */
  settle(holder: string, adjustments: readonly Adjustment[]): boolean | Promise<boolean>;
  /** Keeps a holder, and its places, for longer; false when it is not known. Rejects as `settle`. */
  prolong(holder: string, keys: readonly string[], times: Prolonged): boolean | Promise<boolean>;
}

export interface Prolonged {
  readonly lentMs: number;
  readonly leaseMs: number;
}
