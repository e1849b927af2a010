import type { DecisionEvents } from "../../src/decide/open.ts";

/** Nobody listens. */
export const EVENTS: DecisionEvents = {
  warn() {},
  cacheLooked() {},
  degraded() {},
  same() {},
  differs() {},
  skipped() {},
};
