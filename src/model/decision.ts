import type { Finding } from "./finding.ts";
import type { HeaderList } from "./headers.ts";

/** What was decided. There is no default and no zero value: every decision is made by one of the functions below. */
export type Verdict = "allow" | "sanitize" | "hold" | "block" | "fail_closed";

/** How the deciding side was running (`mode` in docs/certificate.md). */
export type Mode = "enforce" | "shadow" | "fail_open" | "degraded";

/**
 * The answers each verdict may be given as; `null`: it is none. A status that is not in it is not one of a decision, here and
 * where decisions are checked (`guarded`). 407 is reserved for credentials of agents that are missing or bad: nobody checks
 * any yet.
 */
export const STATUSES = {
  allow: [null],
  sanitize: [null],
  hold: [451],
  block: [451, 413, 407, 429, 508],
  fail_closed: [503],
} as const satisfies Readonly<Record<Verdict, readonly (number | null)[]>>;

type StatusOf<V extends Verdict> = (typeof STATUSES)[V][number];

/** The answer a refusal is given as. */
export type RefusalStatus = Exclude<StatusOf<Verdict>, null>;

export interface Decision {
  readonly verdict: Verdict;
  /** The verdict enforce mode would have given; null when it is the same. */
  readonly would: Verdict | null;
  readonly mode: Mode;
  readonly reason: string;
  /** "128", "CoreGuard", "114", or null for a plain allow. */
  readonly pillar: string | null;
  /** A stable code a program may switch over, or null for a plain allow. */
  readonly vector: string | null;
  readonly rule: string | null;
  readonly policyVersion: string | null;
  /** sha256 hex of the plane's attestation, or null. */
  readonly attestationHash: string | null;
  /** Bytes to send instead of the held body; only with `sanitize`. */
  readonly replacement: Uint8Array | null;
  readonly status: RefusalStatus | null;
  /** Seconds an allow may be remembered for, as whoever decided said; 0: not at all. */
  readonly ttlS: number;
  /** What it rests on: for the local findings file, never for a certificate. */
  readonly findings: readonly Finding[];
  /** More fields of the refusal's answer, or null. They are not certified. */
  readonly fields: HeaderList | null;
}

const PLAIN = {
  would: null,
  mode: "enforce",
  pillar: null,
  vector: null,
  rule: null,
  policyVersion: null,
  attestationHash: null,
  replacement: null,
  status: null,
  ttlS: 0,
  findings: [],
  fields: null,
} as const satisfies Partial<Decision>;

type Detail = Partial<Omit<Decision, "verdict" | "reason" | "status">>;

export function allow(reason: string, detail: Detail = {}): Decision {
  return { ...PLAIN, ...detail, verdict: "allow", reason };
}

/** A veto by policy, host, address, budget or Pillar 128. */
export function block(reason: string, vector: string, detail: Detail & { status?: StatusOf<"block"> } = {}): Decision {
  return { ...PLAIN, pillar: "CoreGuard", status: 451, ...detail, vector, verdict: "block", reason };
}

/** A decision that crashed, timed out, was malformed, or whose evidence could not be written. */
export function failClosed(reason: string, vector: string, detail: Detail = {}): Decision {
  return { ...PLAIN, ...detail, pillar: "114", vector, verdict: "fail_closed", reason, status: 503 };
}

/** True for the verdicts after which bytes may leave. */
export function permits(decision: Decision): boolean {
  return decision.verdict === "allow" || decision.verdict === "sanitize";
}
