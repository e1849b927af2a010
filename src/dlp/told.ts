/** The findings of one body, as many as anybody can use. */
import type { DlpFinding } from "./finding.ts";

/** Of one name and mode: what vetoes vetoes once, and what is only watched leads to nothing. */
const MAX_ALIKE = 2000;
/** A body of which more has to be taken out is no body that anybody meant to send. */
const MAX_EVERY = 500_000;

export class Told {
  readonly findings: DlpFinding[] = [];
  /** More was found than may be told, though nothing may be left out. */
  full = false;
  readonly #every: boolean;
  readonly #watched = new Map<string, number>();
  readonly #enforced = new Map<string, number>();
  #joined = false;

  constructor(every: boolean) {
    this.#every = every;
  }

  /** False: nobody can use one more of these. */
  room(name: string, mode: DlpFinding["mode"]): boolean {
    if (this.#every || mode === "sanitize") return true;
    const counts = mode === "shadow" ? this.#watched : this.#enforced;
    const count = counts.get(name) ?? 0;
    if (count >= MAX_ALIKE) return false;
    counts.set(name, count + 1);
    return true;
  }

  add(finding: DlpFinding): void {
    if (this.findings.length >= MAX_EVERY) this.full = true;
    else this.findings.push(finding);
  }

  /** What was put together from several values: told where nothing surer stands by itself, and not redactable. */
  addJoined(found: readonly DlpFinding[]): void {
    // In the order of their starts, both: one pass.
    const sure = this.findings.filter(({ confidence }) => confidence === "high");
    let next = 0;
    for (const finding of found) {
      while (next < sure.length && (sure[next] as DlpFinding).end <= finding.start) next++;
      const other = sure[next];
      if (other !== undefined && other.start < finding.end) continue;
      this.#joined = true;
      this.add({ ...finding, redactable: false });
    }
  }

  /** In the order of their starts. */
  sorted(): DlpFinding[] {
    return this.#joined ? this.findings.sort((a, b) => a.start - b.start) : this.findings;
  }
}
