import type { RuleVerdict } from "./schema.ts";

/** The most severe wins: deny, approval_needed, sanitize, allow. */
export const VERDICT_RANK: Readonly<Record<RuleVerdict, number>> = {
  allow: 0,
  sanitize: 1,
  approval_needed: 2,
  deny: 3,
};
