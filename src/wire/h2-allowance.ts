/**
 * What a peer may do for nothing. Each of these costs the peer less than us, so each has a bucket that a caller's clock
 * refills; a peer that empties one is told ENHANCE_YOUR_CALM and loses the connection.
 */

interface Rule {
  /** What the end of a connection is called that emptied it. */
  readonly name: string;
  /** At once. */
  readonly burst: number;
  /** And again. */
  readonly perSecond: number;
}

const RULES = [
  // The peer resets a stream that was not over: "rapid reset", CVE-2023-44487.
  { name: "rapid_reset", burst: 200, perSecond: 50 },
  // The peer makes us reset a stream: malformed messages, windows passed or opened wrongly, frames behind an end; CVE-2025-8671.
  { name: "provoked_resets", burst: 100, perSecond: 10 },
  // Streams above what we said we take.
  { name: "refused_streams", burst: 500, perSecond: 100 },
  // CVE-2019-9515.
  { name: "settings_flood", burst: 32, perSecond: 2 },
  // CVE-2019-9512; answers to pings never sent too. A client that measures the way to us pings once per DATA frame it gets,
  // and updates two windows: see `credit`.
  { name: "ping_flood", burst: 500, perSecond: 50 },
  // CVE-2019-9511, CVE-2019-9517.
  { name: "window_update_flood", burst: 1000, perSecond: 200 },
  // DATA without data that ends nothing, CVE-2019-9518.
  { name: "empty_data_flood", burst: 100, perSecond: 10 },
  // CVE-2019-9513; unknown frames and those of other extensions too.
  { name: "ignored_frames", burst: 200, perSecond: 20 },
  // Frames for streams that we have reset: some were under way.
  { name: "late_frames", burst: 4096, perSecond: 512 },
] as const satisfies readonly Rule[];

/** The place of a rule, which is how it is taken from: a number, because every frame asks. */
function place(name: (typeof RULES)[number]["name"]): number {
  return RULES.findIndex((rule) => rule.name === name);
}

export const RESETS = place("rapid_reset");
export const PROVOKED = place("provoked_resets");
export const REFUSED = place("refused_streams");
export const SETTINGS_FRAMES = place("settings_flood");
export const PINGS = place("ping_flood");
export const UPDATES = place("window_update_flood");
export const EMPTY_DATA = place("empty_data_flood");
export const IGNORED = place("ignored_frames");
export const LATE = place("late_frames");

/** What the peer did too much of. */
export function nameOf(kind: number): string {
  return (RULES[kind] as Rule).name;
}

export class Allowance {
  readonly #left: Float64Array;
  readonly #burst: Float64Array;
  #now = -1;

  /** `streams`: how many the peer may have open; it may reset all of them at once, and the rest besides. */
  constructor(streams: number) {
    this.#burst = Float64Array.from(RULES, ({ burst }) => burst);
    this.#burst[RESETS] = (this.#burst[RESETS] as number) + streams;
    this.#left = this.#burst.slice();
  }

  /** Milliseconds of any clock that does not go back; a step back counts as none. */
  tick(now: number): void {
    const passed = this.#now === -1 ? 0 : Math.max(0, now - this.#now);
    this.#now = Math.max(now, this.#now);
    if (passed === 0) return;
    for (let kind = 0; kind < RULES.length; kind++) {
      const { perSecond } = RULES[kind] as Rule;
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
