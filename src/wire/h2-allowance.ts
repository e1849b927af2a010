/**
 * What a peer may do for nothing. Each of these costs the peer less than us, so each has a bucket that a caller's clock
 * refills; a peer that empties one is told ENHANCE_YOUR_CALM and loses the connection.
 */

/** The peer resets a stream that was not over: "rapid reset", CVE-2023-44487. */
export const RESETS = 0;
/** The peer makes us reset a stream: malformed messages, windows passed or opened wrongly, frames behind an end; CVE-2025-8671. */
export const PROVOKED = 1;
/** Streams above what we said we take. */
export const REFUSED = 2;
/** CVE-2019-9515. */
export const SETTINGS_FRAMES = 3;
/** CVE-2019-9512; answers to pings never sent too. */
export const PINGS = 4;
/** CVE-2019-9511, CVE-2019-9517. */
export const UPDATES = 5;
/** DATA without data that ends nothing, CVE-2019-9518. */
export const EMPTY_DATA = 6;
/** CVE-2019-9513; unknown frames and those of other extensions too. */
export const IGNORED = 7;
/** Frames for streams that we have reset: some were under way. */
export const LATE = 8;

export const ALLOWANCE_NAMES = [
  ...(["rapid_reset", "provoked_resets", "refused_streams", "settings_flood", "ping_flood"] as const),
  ...(["window_update_flood", "empty_data_flood", "ignored_frames", "late_frames"] as const),
] as const;

/** At once, and again every second. */
const RULES: readonly (readonly [burst: number, perSecond: number])[] = [
  [200, 50],
  [100, 10],
  [500, 100],
  [32, 2],
  // A client that measures the way to us pings once per DATA frame it gets, and updates two windows: see `credit`.
  [500, 50],
  [1000, 200],
  [100, 10],
  [200, 20],
  [4096, 512],
];

export class Allowance {
  readonly #left: Float64Array;
  readonly #burst: Float64Array;
  #now = -1;

  /** `streams`: how many the peer may have open; it may reset all of them at once, and the rest besides. */
  constructor(streams: number) {
    this.#burst = Float64Array.from(RULES, ([burst]) => burst);
    this.#burst[RESETS] = (this.#burst[RESETS] as number) + streams;
    this.#left = this.#burst.slice();
  }

  /** Milliseconds of any clock that does not go back; a step back counts as none. */
  tick(now: number): void {
    const passed = this.#now === -1 ? 0 : Math.max(0, now - this.#now);
    this.#now = Math.max(now, this.#now);
    if (passed === 0) return;
    for (let kind = 0; kind < RULES.length; kind++) {
      const [, perSecond] = RULES[kind] as readonly [number, number];
      this.credit(kind, (passed * perSecond) / 1000);
    }
  }

  /** False: nothing was left of it. */
  take(kind: number): boolean {
    const left = (this.#left[kind] as number) - 1;
    this.#left[kind] = left;
    return left >= 0;
  }

  credit(kind: number, amount: number): void {
    this.#left[kind] = Math.min(this.#burst[kind] as number, (this.#left[kind] as number) + amount);
  }
}
