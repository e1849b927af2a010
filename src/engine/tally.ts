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
  /** Made for the first finding: most questions and answers have none. */
  #kinds: Map<string, number> | null = null;

  /** The first of equals stays. */
  add(reason: Reason, watched: boolean): void {
    if (this.every === null || outranks(reason.verdict, this.every.verdict)) this.every = reason;
    if (watched) return;
    if (this.enforced === null || outranks(reason.verdict, this.enforced.verdict)) this.enforced = reason;
  }

  /** When there is no more room, what is of a kind not noted yet takes the place of the last of a kind that is noted twice. */
  note(finding: Finding): void {
    const { findings } = this;
    this.#kinds ??= new Map();
    const kinds = this.#kinds;
    const kind = kindOf(finding);
    const count = kinds.get(kind) ?? 0;
    if (findings.length < MAX_FINDINGS) {
      findings.push(finding);
      kinds.set(kind, count + 1);
      return;
    }
    if (count > 0) return;
    for (let i = findings.length - 1; i >= 0; i--) {
      const other = kindOf(findings[i] as Finding);
      const others = kinds.get(other) ?? 0;
      if (others < 2) continue;
      findings[i] = finding;
      kinds.set(other, others - 1);
      kinds.set(kind, 1);
      return;
    }
  }
}

function kindOf({ vector, name }: Finding): string {
  return `${vector} ${name}`;
}
