import { secondsOf } from "./_values.ts";
import type { CacheSection } from "./schema.ts";

/** What a policy says of remembering decisions; null where it does not. */
export interface CacheTerms {
  /** No allow of a read is remembered for longer, whatever its rule or the plane says. Milliseconds. */
  readonly readsMs: number | null;
  readonly entries: number | null;
  /** How long an allow of the plane counts while it is down. Milliseconds. */
  readonly allowKnownMs: number | null;
}

export const NO_TERMS: CacheTerms = { readsMs: null, entries: null, allowKnownMs: null };

export function cacheTerms({ reads, entries, degraded }: CacheSection): CacheTerms {
  return {
    readsMs: reads === undefined ? null : secondsOf(reads) * 1000,
    entries: entries ?? null,
    allowKnownMs: degraded === undefined ? null : secondsOf(degraded.allow_known) * 1000,
  };
}
