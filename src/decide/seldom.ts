import type { Runtime } from "../runtime/contract.ts";

const SELDOM_MS = 10_000;

/** A policy that is broken is so for every request: the log hears of it now and then. */
export function seldom(clock: Pick<Runtime, "monotonic">, say: (message: string) => void): (message: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (message) => {
    const now = clock.monotonic();
    if (now - last < SELDOM_MS) return;
    last = now;
    say(message);
  };
}
