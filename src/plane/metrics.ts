import { type Counter, type Family, type Gauge, type Histogram, Metrics } from "../observe/metrics.ts";

const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Every metric of a governance plane. */
export interface PlaneMetrics {
  readonly registry: Metrics;
  /** Labels: tenant, decision. */
  readonly decisions: Family<Counter>;
  /** Labels: error. What was answered otherwise than by a decision. */
  readonly refused: Family<Counter>;
  /** From the whole question to its answer. */
  readonly seconds: Histogram;
  readonly inFlight: Gauge;
  /** Labels: tenant, limit, result. */
  readonly limits: Family<Counter>;
  /** Labels: result. */
  readonly outcomes: Family<Counter>;
  /** 1 while the counters of limits can be asked. */
  readonly limitsUp: Gauge;
  readonly policyStale: Gauge;
  readonly memoryBytes: Gauge;
}

export function planeMetrics(): PlaneMetrics {
  const registry = new Metrics();
  return {
    registry,
    decisions: registry.counter("sallyport_plane_decisions_total", "Decisions answered.", {
      labels: ["tenant", "decision"],
      maxSeries: 4096,
    }),
    refused: registry.counter("sallyport_plane_refused_total", "Requests answered without a decision.", {
      labels: ["error"],
    }),
    seconds: registry
      .histogram("sallyport_plane_decision_seconds", "From the whole question to its answer.", SECONDS)
      .with(),
    inFlight: registry.gauge("sallyport_plane_in_flight", "Questions being answered.", "sum").with(),
    limits: registry.counter("sallyport_plane_limit_results_total", "What limits said of questions they matched.", {
      labels: ["tenant", "limit", "result"],
      maxSeries: 4096,
    }),
    outcomes: registry.counter("sallyport_plane_outcomes_total", "Ends of requests that relays told.", {
      labels: ["result"],
    }),
    limitsUp: registry.gauge("sallyport_plane_limits_up", "1 while the counters of limits can be asked.", "min").with(),
    policyStale: registry
      .gauge("sallyport_plane_policy_stale", "1 while what is in force is older than the files.", "max")
      .with(),
    memoryBytes: registry.gauge("sallyport_plane_memory_bytes", "Resident memory.", "sum").with(),
  };
}
