import type { Finding } from "../model/finding.ts";
import { MAX_FINDINGS, outranks, type RulingVerdict } from "./ruling.ts";

/** One reason for a verdict. */
export interface Reason {
  readonly verdict: RulingVerdict;
  readonly reason: string;
  readonly pillar: string | null;
  readonly vector: string | null;
  readonly rule: string | null;
  readonly controls: readonly string[];
}

/** What an engine has found so far: every finding, and the most severe reasons, with and without what is only watched. */
export class Tally {
  readonly findings: Finding[] = [];
  enforced: Reason | null = null;
  every: Reason | null = null;

  /** The first of equals stays. */
  add(reason: Reason, watched: boolean): void {
    if (this.every === null || outranks(reason.verdict, this.every.verdict)) this.every = reason;
    if (watched) return;
    if (this.enforced === null || outranks(reason.verdict, this.enforced.verdict)) this.enforced = reason;
  }

  note(finding: Finding): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(finding);
  }
}
