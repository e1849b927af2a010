import type { Conn } from "../model/conn.ts";
import type { Responder } from "../model/exchange.ts";
import { type HealthSnapshot, liveness, readiness } from "../observe/health.ts";
import type { MetricsSnapshot } from "../observe/metrics.ts";
import { PROMETHEUS_TYPE, renderPrometheus } from "../observe/prometheus.ts";
import { pathIn } from "../wire/target.ts";

/** What is known of every process that shares the port. */
export interface Vitals {
  readonly strict: boolean;
  health(): readonly HealthSnapshot[] | Promise<readonly HealthSnapshot[]>;
  metrics(): readonly MetricsSnapshot[] | Promise<readonly MetricsSnapshot[]>;
}

/** Answers requests made to the gateway itself: health for everybody, metrics for those who may use the proxy, else 404. */
export function localAnswers(vitals: Vitals, mayUse: (address: string) => boolean) {
  return (method: string, target: string, responder: Responder, conn: Conn): void => {
    const path = pathIn(target);
    if (path !== "/healthz" && path !== "/readyz" && path !== "/metrics") {
      const hint =
        "this is a sallyport gateway: use it as an HTTP proxy; /healthz, /readyz and /metrics are served here\n";
      plain(responder, 404, "Not Found", hint);
      return;
    }
    if (method !== "GET" && method !== "HEAD") {
      responder.answer(405, "Method Not Allowed", ["Allow", "GET, HEAD", ...TEXT], "method not allowed\n", false);
      return;
    }
    if (path === "/metrics" && !mayUse(conn.remoteAddress)) {
      plain(responder, 403, "Forbidden", "this client may not read metrics\n");
      return;
    }
    if (path === "/healthz") {
      const { status, headers, body } = liveness();
      responder.answer(status, "OK", headers, body, false);
      return;
    }
    const answering = path === "/readyz" ? ready(vitals, responder) : metrics(vitals, responder);
    answering.catch(() => plain(responder, 503, "Service Unavailable", "not all processes answered\n"));
  };
}

const TEXT = ["Content-Type", "text/plain; charset=utf-8"];

function plain(responder: Responder, status: number, reason: string, body: string): void {
  responder.answer(status, reason, TEXT, body, false);
}

async function ready(vitals: Vitals, responder: Responder): Promise<void> {
  const { status, headers, body } = readiness(await vitals.health(), vitals.strict);
  responder.answer(status, status === 200 ? "OK" : "Service Unavailable", headers, body, false);
}

async function metrics(vitals: Vitals, responder: Responder): Promise<void> {
  const body = renderPrometheus(await vitals.metrics());
  responder.answer(200, "OK", ["Content-Type", PROMETHEUS_TYPE, "Cache-Control", "no-store"], body, false);
}
