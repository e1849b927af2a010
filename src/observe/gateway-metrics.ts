import type { Counter, Family, Gauge, Histogram } from "./metrics.ts";
import { Metrics } from "./metrics.ts";

/** From half a millisecond to the minutes a model thinks. */
const LATENCY_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600];

/** Names that the status is made of, too. */
export const NAMES = {
  connections: "sallyport_connections",
  tunnels: "sallyport_tunnels",
  heldBytes: "sallyport_held_bytes",
  rejected: "sallyport_rejected_total",
  decisions: "sallyport_decisions_total",
} as const;

/** Every metric of the gateway; the one place where their names are. */
export interface GatewayMetrics {
  readonly registry: Metrics;
  /** Labels: verdict, pillar, vector ("" when null). */
  readonly decisions: Family<Counter>;
  /** Labels: would, vector. What would have been decided, had nothing been in shadow. */
  readonly shadowed: Family<Counter>;
  /** Labels: result (hit, miss). Plain reads, looked up among remembered decisions. */
  readonly decisionCache: Family<Counter>;
  /** Allows while the plane was down. */
  readonly degraded: Counter;
  /** Labels: from, to. What the candidate policy would have decided otherwise. */
  readonly candidateDiffers: Family<Counter>;
  /** Labels: result (same, differs, skipped). */
  readonly candidate: Family<Counter>;
  /** Labels: file. Lines of local files (findings, candidate) that could not be written. */
  readonly linesLost: Family<Counter>;
  /** Labels: status. Every answer a client was given, refusals and malformed requests included. */
  readonly answers: Family<Counter>;
  /** Labels: code. Requests about which nothing was decided (400, 408, 417, 431, …). */
  readonly rejected: Family<Counter>;
  /** Time the decision took, waiting for the client excluded. */
  readonly decisionSeconds: Histogram;
  /** From the request's head to the end of its answer. */
  readonly requestSeconds: Histogram;
  /** Labels: direction (up, down). */
  readonly bytes: Family<Counter>;
  readonly connections: Gauge;
  readonly tunnels: Gauge;
  readonly heldBytes: Gauge;
  /** Labels: code of the fault. */
  readonly upstreamErrors: Family<Counter>;
  /** Labels: code. Defects of ours that were caught. */
  readonly faults: Family<Counter>;
  /** 1 while evidence can be written. */
  readonly evidenceWritable: Gauge;
  /** 1 while the policy in force is older than the file. */
  readonly policyStale: Gauge;
  /** 1 while the governance plane cannot be reached. */
  readonly planeDown: Gauge;
  /** Labels: limit, result (allowed, refused, shadow, unavailable). */
  readonly limits: Family<Counter>;
  /** 1 while the counters of limits can be asked. */
  readonly limitsUp: Gauge;
  /** 1 while an operator has stopped everything. */
  readonly killSwitch: Gauge;
  readonly memoryBytes: Gauge;
  readonly cpuSeconds: Counter;
}

export function gatewayMetrics(): GatewayMetrics {
  const m = new Metrics();
  const latency = (name: string, help: string) => m.histogram(name, help, LATENCY_SECONDS).with();
  return {
    registry: m,
    decisions: m.counter(NAMES.decisions, "Decisions by verdict.", {
      labels: ["verdict", "pillar", "vector"],
      maxSeries: 256,
    }),
    shadowed: m.counter("sallyport_shadow_total", "Decisions that would have been others without shadow.", {
      labels: ["would", "vector"],
      maxSeries: 256,
    }),
    decisionCache: m.counter("sallyport_decision_cache_total", "Plain reads looked up among remembered decisions.", {
      labels: ["result"],
    }),
    degraded: m.counter("sallyport_degraded_total", "Allows while the governance plane was down.").with(),
    candidateDiffers: m.counter("sallyport_candidate_differences_total", "What the candidate policy would change.", {
      labels: ["from", "to"],
    }),
    candidate: m.counter("sallyport_candidate_total", "Decisions compared with the candidate policy's.", {
      labels: ["result"],
    }),
    linesLost: m.counter("sallyport_local_lines_lost_total", "Lines of local files that could not be written.", {
      labels: ["file"],
    }),
    answers: m.counter("sallyport_answers_total", "Answers given to clients.", { labels: ["status"], maxSeries: 128 }),
    rejected: m.counter(NAMES.rejected, "Requests refused before a decision.", { labels: ["code"] }),
    decisionSeconds: latency("sallyport_decision_seconds", "Time a decision took, waiting for the client excluded."),
    requestSeconds: latency("sallyport_request_seconds", "Time from a request's head to the end of its answer."),
    bytes: m.counter("sallyport_bytes_total", "Body and tunnel bytes carried.", { labels: ["direction"] }),
    connections: m.gauge(NAMES.connections, "Client connections open.", "sum").with(),
    tunnels: m.gauge(NAMES.tunnels, "Tunnels and WebSockets open.", "sum").with(),
    heldBytes: m.gauge(NAMES.heldBytes, "Bytes held: not decided yet, or not taken yet.", "sum").with(),
    upstreamErrors: m.counter(
      "sallyport_upstream_errors_total",
      "Exchanges that were allowed and did not end well, by what ended them.",
      {
        labels: ["code"],
      },
    ),
    faults: m.counter("sallyport_faults_total", "Internal faults that were caught.", { labels: ["code"] }),
    evidenceWritable: m.gauge("sallyport_evidence_writable", "1 while evidence can be written.", "min").with(),
    policyStale: m.gauge("sallyport_policy_stale", "1 while the policy in force is not the file's.", "max").with(),
    planeDown: m.gauge("sallyport_plane_down", "1 while the governance plane is out of reach.", "max").with(),
    limits: m.counter("sallyport_limit_results_total", "What limits said of requests they matched.", {
      labels: ["limit", "result"],
      maxSeries: 1024,
    }),
    limitsUp: m.gauge("sallyport_limits_up", "1 while the counters of limits can be asked.", "min").with(),
    killSwitch: m.gauge("sallyport_kill_switch", "1 while the kill switch is on.", "max").with(),
    memoryBytes: m.gauge("process_resident_memory_bytes", "Resident memory.", "sum").with(),
    cpuSeconds: m.counter("process_cpu_seconds_total", "CPU time used.").with(),
  };
}
