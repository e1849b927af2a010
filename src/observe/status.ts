import type { Config } from "../config/config.ts";
import type { KillOrder } from "../model/kill-order.ts";
import { NAMES } from "./gateway-metrics.ts";
import { type HealthSnapshot, standing } from "./health.ts";
import type { MetricsSnapshot } from "./metrics.ts";

/** What one process tells an operator of itself. Plain JSON, so that a worker can tell its parent. */
export interface ProcessStatus {
  readonly pid: number;
  readonly health: HealthSnapshot;
  readonly policyVersion: string | null;
  /** Why decisions are not what they should be, or null. */
  readonly policyProblem: string | null;
  /** The policy that is only compared; null when there is none. */
  readonly candidate: { readonly version: string | null; readonly problem: string | null } | null;
  readonly evidenceProblem: string | null;
}

/** What does not change while the program runs, and the one thing an operator changes. */
export interface StatusFacts {
  readonly version: string;
  readonly build: string;
  readonly runtime: string;
  readonly uptimeMs: number;
  readonly config: Pick<Config, "mode" | "failClosed" | "orgId" | "readyStrict">;
  readonly kill: KillOrder;
}

/** The body of `/v1/status`. It has no secret in it: nothing of it comes from one. */
export function statusOf(
  facts: StatusFacts,
  processes: readonly ProcessStatus[],
  metrics: readonly MetricsSnapshot[],
): Readonly<Record<string, unknown>> {
  const { config, kill } = facts;
  const health = processes.map((one) => one.health);
  const { down, degraded } = standing(health, config.readyStrict);
  return {
    version: facts.version,
    build: facts.build,
    runtime: facts.runtime,
    uptime_s: Math.floor(facts.uptimeMs / 1000),
    org_id: config.orgId,
    mode: config.mode,
    fail_closed: config.failClosed,
    status: down ?? "ready",
    degraded,
    kill_switch: kill,
    policy_version: common(processes.map((one) => one.policyVersion)),
    evidence: {
      writable: !health.some((one) => one.evidenceDown),
      problem: processes.find((one) => one.evidenceProblem !== null)?.evidenceProblem ?? null,
    },
    counts: {
      connections: total(metrics, NAMES.connections),
      tunnels: total(metrics, NAMES.tunnels),
      held_bytes: total(metrics, NAMES.heldBytes),
      rejected: total(metrics, NAMES.rejected),
      decisions: byFirstLabel(metrics, NAMES.decisions),
    },
    processes: processes.map((one) => ({
      pid: one.pid,
      phase: one.health.phase,
      policy_version: one.policyVersion,
      policy_problem: one.policyProblem,
      candidate: one.candidate,
      evidence_problem: one.evidenceProblem,
    })),
  };
}

/** Null when they differ: then each process says its own. */
function common(values: readonly (string | null)[]): string | null {
  const [first = null] = values;
  return values.every((value) => value === first) ? first : null;
}

function byFirstLabel(metrics: readonly MetricsSnapshot[], name: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const families of metrics) {
    for (const { labels, value } of families.find((family) => family.name === name)?.series ?? []) {
      const label = labels[0] ?? "";
      sums[label] = (sums[label] ?? 0) + value;
    }
  }
  return sums;
}

function total(metrics: readonly MetricsSnapshot[], name: string): number {
  return Object.values(byFirstLabel(metrics, name)).reduce((sum, value) => sum + value, 0);
}
