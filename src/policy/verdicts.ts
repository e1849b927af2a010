/** What whoever only asks a policy has to know of verdicts; the schema is not loaded for it. */
import type { RuleVerdict } from "./schema.ts";

/** Controls that one ruling may name. An answer of the decision API has room for no more. */
export const MAX_CONTROLS = 64;

/** The most severe wins: deny, approval_needed, sanitize, allow. */
export const VERDICT_RANK: Readonly<Record<RuleVerdict, number>> = {
  allow: 0,
  sanitize: 1,
  approval_needed: 2,
  deny: 3,
};
