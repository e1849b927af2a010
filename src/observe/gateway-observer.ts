import { messageOf } from "../errors.ts";
import type { CertificateDraft } from "../model/certificate.ts";
import type { GatewayMetrics } from "./gateway-metrics.ts";
import type { Log } from "./log.ts";
import type { Counter } from "./metrics.ts";
import type { Observer } from "./observer.ts";

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
  function decided({
    verdict,
    would,
    matched_pillar: pillar,
    matched_vector: vector,
    latency_ms,
  }: CertificateDraft): void {
    if (verdict === "allow" && pillar === null && vector === null) allowed.inc();
    else metrics.decisions.with(verdict, pillar ?? "", vector ?? "").inc();
    if (would !== null) metrics.shadowed.with(would, vector ?? "").inc();
    metrics.decisionSeconds.observe(latency_ms / 1000);
  }

  return {
    decided,
    decidedInside(draft, certificateId, peer) {
      decided(draft);
      const nothing = { status: null, bytesUp: 0, bytesDown: 0, error: null };
      log.decision({ certificateId, decided: draft, peer, ...nothing });
    },
    concluded(draft, certificateId, peer, end, durationMs) {
      if (end.answered !== null) answered(end.answered).inc();
      if (end.error !== null) metrics.upstreamErrors.with(end.error).inc();
      up.add(end.bytesUp);
      down.add(end.bytesDown);
      metrics.requestSeconds.observe(durationMs / 1000);
      const { answered: status, bytesUp, bytesDown, error } = end;
      log.decision({ certificateId, decided: draft, status, peer, bytesUp, bytesDown, error });
    },
    noticed(status, code, peer) {
      answered(status).inc();
      metrics.rejected.with(code).inc();
      log.decision({ certificateId: null, decided: null, status, peer, bytesUp: null, bytesDown: null, error: code });
    },
    fault(code, thrown) {
      metrics.faults.with(code).inc();
      log.error("internal fault", { code, problem: messageOf(thrown) });
    },
  };
}
