import { messageOf } from "../errors.ts";
import type { GatewayMetrics } from "./gateway-metrics.ts";
import type { DecisionRecord, Log } from "./log.ts";
import type { Counter } from "./metrics.ts";
import type { Observer } from "./observer.ts";

/** A request that no decision was made about has nothing else to tell: its head was never a request. */
const UNDECIDED: Omit<DecisionRecord, "status" | "peer" | "error"> = {
  certificateId: null,
  verdict: null,
  would: null,
  mode: "enforce",
  pillar: null,
  vector: null,
  rule: null,
  door: "",
  method: "",
  scheme: "",
  host: "",
  port: 0,
  path: "",
  latencyMs: 0,
  bytesUp: null,
  bytesDown: null,
};

/** The observer that writes decision lines to `log` and counts in `metrics`. */
export function gatewayObserver(log: Log, metrics: GatewayMetrics): Observer {
  // The usual answer by far: its series is looked up once.
  const allowed = metrics.decisions.with("allow", "", "");
  const up = metrics.bytes.with("up");
  const down = metrics.bytes.with("down");
  const answers: (Counter | undefined)[] = [];
  const answered = (status: number): Counter => {
    const index = status >= 100 && status <= 599 ? status : 0;
    const known = answers[index] ?? metrics.answers.with(index === 0 ? "none" : String(index));
    answers[index] = known;
    return known;
  };
  return {
    decided({ verdict, matched_pillar: pillar, matched_vector: vector, latency_ms }) {
      if (verdict === "allow" && pillar === null && vector === null) allowed.inc();
      else metrics.decisions.with(verdict, pillar ?? "", vector ?? "").inc();
      metrics.decisionSeconds.observe(latency_ms / 1000);
    },
    concluded(draft, certificateId, peer, end, durationMs) {
      const { request } = draft;
      if (end.answered !== null) answered(end.answered).inc();
      if (end.error !== null) metrics.upstreamErrors.with(end.error).inc();
      up.add(end.bytesUp);
      down.add(end.bytesDown);
      metrics.requestSeconds.observe(durationMs / 1000);
      log.decision({
        certificateId,
        verdict: draft.verdict,
        would: draft.would,
        mode: draft.mode,
        pillar: draft.matched_pillar,
        vector: draft.matched_vector,
        rule: draft.rule,
        door: request?.door ?? "",
        method: request?.method ?? "",
        scheme: request?.scheme ?? "",
        host: request?.host ?? "",
        port: request?.port ?? 0,
        path: request?.path ?? "",
        status: end.answered,
        latencyMs: draft.latency_ms,
        peer,
        bytesUp: end.bytesUp,
        bytesDown: end.bytesDown,
        error: end.error,
      });
    },
    noticed(status, code, peer) {
      answered(status).inc();
      metrics.rejected.with(code).inc();
      log.decision({ ...UNDECIDED, status, peer, error: code });
    },
    fault(code, thrown) {
      metrics.faults.with(code).inc();
      log.error("internal fault", { code, problem: messageOf(thrown) });
    },
  };
}
