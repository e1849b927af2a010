import type { RateNeed, SlotNeed, WindowNeed } from "../../src/limits/store.ts";

const DAY = 86_400;

export function rate(rest: Partial<RateNeed> = {}): RateNeed {
  return { kind: "rate", key: "rate", enforce: true, requests: 10, periodUs: 60_000_000, burst: 10, ...rest };
}

export function slots(rest: Partial<SlotNeed> = {}): SlotNeed {
  return { kind: "slots", key: "slots", enforce: true, max: 3, leaseMs: 60_000, ...rest };
}

export function budget(rest: Partial<WindowNeed> = {}): WindowNeed {
  return { kind: "window", key: "window", enforce: true, seconds: DAY, offset: 0, max: 100, amount: 1, ...rest };
}

/** A small repeatable stream of numbers in [0, 1). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
