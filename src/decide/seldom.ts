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

const EACH_MS = 60_000;
/** Whoever makes up causes fills the log with no more than these. */
const MAX_CAUSES = 32;

/** The same of several causes, each by its own text: one that goes on hides no other. */
export function seldomEach(clock: Pick<Runtime, "monotonic">, say: (cause: string) => void): (cause: string) => void {
  const said = new Map<string, number>();
  return (cause) => {
    const now = clock.monotonic();
    const before = said.get(cause);
    if (before !== undefined && now - before < EACH_MS) return;
    for (const [each, at] of said) if (now - at >= EACH_MS) said.delete(each);
    if (said.size >= MAX_CAUSES) return;
    said.set(cause, now);
    say(cause);
  };
}
