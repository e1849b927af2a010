import type { Decision } from "../model/decision.ts";

const WINDOW_MS = 1_000;
/** Identical vetoes within the window that are answered at once. */
const FREE = 8;
const STEP_MS = 50;
const MAX_MS = 1_000;
const MAX_KEYS = 4096;

interface Run {
  count: number;
  last: number;
}

/**
 * Slows down a client that asks for the same forbidden thing in a tight loop (some SDKs reconnect without a pause): the
 * answer stays the same, it only comes later, by up to one second.
 */
export class VetoDamper {
  readonly #clock: () => number;
  #runs = new Map<string, Run>();

  /** `clock`: monotonic ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Milliseconds to wait before this veto is answered. */
  delay(peer: string, decision: Decision, host: string): number {
    const key = `${peer} ${decision.vector} ${host}`;
    const now = this.#clock();
    const run = this.#runs.get(key);
    if (run === undefined || now - run.last > WINDOW_MS + MAX_MS) {
      if (this.#runs.size >= MAX_KEYS) this.#runs.clear();
      this.#runs.set(key, { count: 1, last: now });
      return 0;
    }
    run.count++;
    run.last = now;
    return run.count <= FREE ? 0 : Math.min(MAX_MS, (run.count - FREE) * STEP_MS);
  }
}
