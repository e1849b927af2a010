/** Keeps a plane that is down from costing every request its whole timeout. */

export interface Breaker {
  readonly state: "closed" | "open" | "half_open";
  /** False: do not ask now. After true exactly one of the three others must be called. */
  admit(): boolean;
  success(): void;
  failure(): void;
  /** It was not asked after all, or the outcome says nothing about the plane. */
  release(): void;
}

export interface BreakerSettings {
  /** Consecutive failures that open it. */
  readonly threshold: number;
  /** Milliseconds until one probe is let through. */
  readonly coolDownMs: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

export function breaker({ threshold, coolDownMs, clock }: BreakerSettings): Breaker {
  let failures = 0;
  let openUntil: number | null = null;
  let probing = false;
  return {
    get state() {
      return openUntil === null ? "closed" : probing || clock() >= openUntil ? "half_open" : "open";
    },
    admit() {
      if (openUntil === null) return true;
      if (probing || clock() < openUntil) return false;
      probing = true;
      return true;
    },
    success() {
      failures = 0;
      openUntil = null;
      probing = false;
    },
    failure() {
      failures += 1;
      probing = false;
      if (failures >= threshold) openUntil = clock() + coolDownMs;
    },
    release() {
      probing = false;
    },
  };
}
