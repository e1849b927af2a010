import type { Verdict } from "../model/decision.ts";

export type FindingCode =
  | "malformed"
  | "duplicate_key"
  | "unknown_version"
  | "bad_signature"
  | "unknown_key"
  | "wrong_algorithm"
  | "broken_link"
  | "gap"
  | "duplicate"
  | "chain_changed"
  | "chain_split"
  | "chains_unchecked"
  | "unchained"
  | "unwritten_mismatch"
  | "torn_tail"
  | "torn_recovered"
  | "recovery_interrupted"
  | "certificates_lost"
  | "continues_from"
  | "new_chain"
  | "clock_step"
  | "outcome_malformed"
  | "outcome_broken_link"
  | "outcomes_mismatch"
  | "outcomes_missing"
  | "outcomes_unchecked"
  | "outcomes_lost"
  | "outcome_unknown"
  | "place_unchecked"
  | "empty"
  | "unreadable";

export type Severity = "error" | "warning" | "info";

export interface Finding {
  readonly severity: Severity;
  readonly code: FindingCode;
  readonly file: string;
  /** From 1; 0 when it is about the file as a whole. */
  readonly line: number;
  readonly detail: string;
}

/** Findings of one severity that are kept; all are counted. */
const MAX_FINDINGS = 20;

/** What a verification found, in memory that does not grow with the log. */
export class Report {
  certificates = 0;
  recoveries = 0;
  readonly verdicts: Record<Verdict, number> = { allow: 0, sanitize: 0, hold: 0, block: 0, fail_closed: 0 };
  readonly counts: Record<Severity, number> = { error: 0, warning: 0, info: 0 };
  readonly findings: Record<Severity, Finding[]> = { error: [], warning: [], info: [] };

  /** The logs that do not begin at seq 0: how many, and the first of them. */
  late: { readonly logs: number; readonly log: string; readonly seq: number } | null = null;

  beginsLate(log: string, seq: number): void {
    this.late = this.late === null ? { logs: 1, log, seq } : { ...this.late, logs: this.late.logs + 1 };
  }

  add(finding: Finding): void {
    this.counts[finding.severity]++;
    const kept = this.findings[finding.severity];
    if (kept.length < MAX_FINDINGS) kept.push(finding);
  }

  get ok(): boolean {
    return this.counts.error === 0;
  }
}
