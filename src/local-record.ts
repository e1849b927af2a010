/** What is kept on this host besides evidence: findings, and what a candidate policy would change. Nothing waits for it. */
import type { Config } from "./config/config.ts";
import type { Candidate } from "./decide/candidate.ts";
import type { DecisionEvents } from "./decide/open.ts";
import type { Finding } from "./model/finding.ts";
import { findingsLine } from "./observe/findings-line.ts";
import type { GatewayMetrics } from "./observe/gateway-metrics.ts";
import { LocalLines } from "./observe/local-lines.ts";
import type { Log } from "./observe/log.ts";
import type { Passage } from "./passage.ts";
import type { Runtime } from "./runtime/contract.ts";

export interface LocalRecordParts {
  readonly runtime: Runtime;
  readonly config: Pick<Config, "findingsPath" | "candidatePath" | "candidateLog">;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
}

export class LocalRecord {
  /** Compared with behind every answer; null without one. */
  candidate: Pick<Candidate, "compare"> | null = null;
  readonly #parts: LocalRecordParts;
  readonly #findings: LocalLines | null;
  readonly #differences: LocalLines | null;

  constructor(parts: LocalRecordParts) {
    const { findingsPath, candidatePath, candidateLog } = parts.config;
    this.#parts = parts;
    this.#findings = this.#lines(findingsPath, "findings");
    this.#differences = this.#lines(candidatePath === null ? null : candidateLog, "candidate");
  }

  /** For the decider. */
  events(): DecisionEvents {
    const { metrics, log } = this.#parts;
    const hits = metrics.decisionCache.with("hit");
    const misses = metrics.decisionCache.with("miss");
    const same = metrics.candidate.with("same");
    return {
      warn: (message) => log.warn(message),
      cacheLooked: (result) => (result === "hit" ? hits : misses).inc(),
      degraded: () => metrics.degraded.inc(),
      same: () => same.inc(),
      skipped: () => metrics.candidate.with("skipped").inc(),
      differs: (from, to, line) => {
        metrics.candidate.with("differs").inc();
        metrics.candidateDiffers.with(from, to).inc();
        this.#differences?.add(line);
      },
    };
  }

  /** Called for each egress whose certificate is written. Never throws and never waits. */
  certified({ exchange, body, decision, ruled }: Passage, certificateId: string): void {
    this.found(certificateId, decision?.findings ?? []);
    // Only what the decider was asked can be asked of another one.
    if (this.candidate === null || ruled === null) return;
    this.candidate.compare({ egress: exchange.egress, held: body, decision: ruled, certificateId });
  }

  /** What the decision of a written certificate rests on; also of one within an exchange. Never throws and never waits. */
  found(certificateId: string, findings: readonly Finding[]): void {
    if (findings.length === 0 || this.#findings === null) return;
    const at = new Date(this.#parts.runtime.now()).toISOString();
    this.#findings.add(findingsLine(certificateId, at, findings));
  }

  async close(): Promise<void> {
    await Promise.all([this.#findings?.close(), this.#differences?.close()]);
  }

  #lines(path: string | null, file: string): LocalLines | null {
    if (path === null) return null;
    const { runtime, log, metrics } = this.#parts;
    const lost = metrics.linesLost.with(file);
    return new LocalLines(runtime, {
      path,
      failed: (problem) => log.error(`the ${file} file cannot be written: its lines are lost`, { path, problem }),
      lost: (count) => lost.add(count),
    });
  }
}
