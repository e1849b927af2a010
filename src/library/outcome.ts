import type { Certificate } from "../model/certificate.ts";
import type { Verdict } from "../model/decision.ts";

/** What a hook is told when all is settled. Nothing in it can be changed. */
export interface LibraryOutcome {
  readonly verdict: Verdict;
  readonly reason: string;
  readonly matched_pillar: string | null;
  readonly matched_vector: string | null;
  /** Null only when the signer failed. */
  readonly certificate: Certificate | null;
  readonly duration_ms: number;
}

export type OutcomeHook = (outcome: LibraryOutcome) => unknown;

/** Tells a hook. What it throws, rejects with or never settles changes nothing. */
export function tell(hook: OutcomeHook | undefined, outcome: LibraryOutcome): void {
  if (hook === undefined) return;
  try {
    Promise.resolve(hook(Object.freeze(outcome))).catch(() => {});
  } catch {
    // It has been told.
  }
}
