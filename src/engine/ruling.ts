import type { Finding } from "../model/finding.ts";
import { VERDICT_RANK } from "../policy/verdicts.ts";

export type RulingVerdict = "allow" | "sanitize" | "approval_needed" | "deny";

/** What an engine says of a question. It names the rule and what it rests on; there is no default ruling. */
export interface Ruling {
  readonly verdict: RulingVerdict;
  /** The verdict if nothing in the policy were in shadow; null when it is the same. */
  readonly would: RulingVerdict | null;
  readonly reason: string;
  /** "128", "CoreGuard", or null for a plain allow. */
  readonly pillar: string | null;
  /** A stable code, or null for a plain allow. */
  readonly vector: string | null;
  readonly rule: string | null;
  readonly policyVersion: string | null;
  /** The body to send instead; only with `sanitize`. */
  readonly replacement: Uint8Array | null;
  /** Ids of the controls the rule serves, such as LLM01. */
  readonly controls: readonly string[];
  /** Seconds an allow may be remembered for; 0: not at all. */
  readonly ttlS: number;
  /** What it rests on, at most `MAX_FINDINGS`. */
  readonly findings: readonly Finding[];
}

export const MAX_FINDINGS = 64;

/** True when `a` is the more severe: deny, approval_needed, sanitize, allow. */
export function outranks(a: RulingVerdict, b: RulingVerdict): boolean {
  return VERDICT_RANK[a] > VERDICT_RANK[b];
}

const PLAIN = {
  would: null,
  pillar: null,
  vector: null,
  rule: null,
  policyVersion: null,
  replacement: null,
  controls: [],
  ttlS: 0,
  findings: [],
} as const satisfies Partial<Ruling>;

/** True for the verdicts after which bytes may leave. */
export function permits(verdict: RulingVerdict): boolean {
  return verdict === "allow" || verdict === "sanitize";
}

export function ruling(verdict: RulingVerdict, reason: string, detail: Partial<Ruling> = {}): Ruling {
  return { ...PLAIN, ...detail, verdict, reason };
}

/** Where nothing speaks against a question, and no policy for it. */
export const UNRULED = ruling("allow", "no policy is configured");
