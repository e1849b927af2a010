/** The webhook over HTTP: routes, what may come in, and one line for each decision. */
import { Hono } from "hono/tiny";
import { mayScrape } from "../crypto/bearer.ts";
import { type HealthSnapshot, healthResponse, liveness, readiness } from "../observe/health.ts";
import type { Log } from "../observe/log.ts";
import { type Counter, type Family, type Gauge, type Histogram, Metrics } from "../observe/metrics.ts";
import { PROMETHEUS_TYPE, renderPrometheus } from "../observe/prometheus.ts";
import type { Arrived, ServeHandler } from "../runtime/contract.ts";
import { admit } from "./admit.ts";
import type { Injection } from "./injection.ts";
import { type AdmissionRequest, answerReview, readReview, type Verdict } from "./review.ts";

/** What the API server itself takes of a request; of one pod etcd takes half of it. */
export const MAX_REVIEW = 3 * 1024 * 1024;
/** Of all that are under way; with what is made of them and not yet collected, 415 MiB at most were seen: the chart gives 512. */
export const MAX_REVIEWS = 12 * 1024 * 1024;

/** What is put into pods now, and what tells it from what was before. */
export interface InForce {
  readonly injection: Injection;
  readonly mark: string;
}

export interface WebhookMetrics {
  readonly registry: Metrics;
  /** Labels: operation, verdict. */
  readonly admissions: Family<Counter>;
  /** Labels: error. Requests that are no review. */
  readonly malformed: Family<Counter>;
  readonly seconds: Histogram;
  readonly stale: Gauge;
  readonly memoryBytes: Gauge;
}

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];

export function webhookMetrics(): WebhookMetrics {
  const registry = new Metrics();
  return {
    registry,
    admissions: registry.counter("sallyport_webhook_admissions_total", "Requests of the API server, decided.", {
      labels: ["operation", "verdict"],
    }),
    malformed: registry.counter("sallyport_webhook_malformed_total", "Requests that were no review.", {
      labels: ["error"],
    }),
    seconds: registry.histogram("sallyport_webhook_seconds", "From the whole review to its answer.", SECONDS).with(),
    stale: registry.gauge("sallyport_webhook_stale", "1 while what is in force is older than the files.", "max").with(),
    memoryBytes: registry.gauge("sallyport_webhook_memory_bytes", "Resident memory.", "sum").with(),
  };
}

export interface WebhookSurface {
  readonly runtime: { monotonic(): number; sha256(text: string): string };
  readonly metrics: WebhookMetrics;
  readonly log: Log;
  /** Of `/metrics` for peers elsewhere; null: only this host reads them. Secret. */
  readonly adminToken: string | null;
  inForce(): InForce;
  health(): HealthSnapshot;
}

interface Bindings {
  readonly peer: string;
  readonly arrived: Arrived;
}

/** `/mutate` governs pods that ask for it, `/mutate/all` every one; `/validate` and `/validate/all` refuse what is not governed by then. */
const ROUTES = [
  { path: "/mutate", all: false, last: false },
  { path: "/mutate/all", all: true, last: false },
  { path: "/validate", all: false, last: true },
  { path: "/validate/all", all: true, last: true },
] as const;

export function webhookSurface(surface: WebhookSurface): ServeHandler {
  const { runtime, metrics, log } = surface;
  const adminHash = surface.adminToken === null ? null : runtime.sha256(surface.adminToken);
  const app = new Hono<{ Bindings: Bindings }>();
  const refused = (status: number, error: string, words: string): Response => {
    metrics.malformed.with(error).inc();
    return new Response(`${words}\n`, { status });
  };

  for (const { path, all, last } of ROUTES) {
    app.post(path, (c) => {
      const began = runtime.monotonic();
      if (!/^application\/json *(?:;|$)/i.test(c.req.header("Content-Type") ?? "")) {
        return refused(415, "not_json", "the content type must be application/json");
      }
      const request = readReview(c.env.arrived.body);
      if (typeof request === "string") return refused(400, "not_a_review", request);
      const { injection, mark } = surface.inForce();
      const verdict = admit(request, { injection, mark, all, last });
      const { operation } = request;
      metrics.admissions.with(operation, verdict.allowed ? verdict.did : "refused").inc();
      metrics.seconds.observe((runtime.monotonic() - began) / 1000);
      log.info("admission", lineOf(request, verdict, path));
      return Response.json(answerReview(request.uid, verdict));
    });
    app.all(path, () => new Response("POST\n", { status: 405, headers: { Allow: "POST" } }));
  }
  app.get("/healthz", () => healthResponse(liveness()));
  app.get("/readyz", () => healthResponse(readiness([surface.health()], false)));
  app.get("/metrics", (c) => {
    if (!mayScrape(runtime, adminHash, c.env.peer, c.req.header("Authorization"))) {
      const headers = { "WWW-Authenticate": 'Bearer realm="sallyport webhook"' };
      return new Response("EVE_PROXY_ADMIN_TOKEN is needed\n", { status: 401, headers });
    }
    return c.body(renderPrometheus([metrics.registry.snapshot()]), 200, { "Content-Type": PROMETHEUS_TYPE });
  });
  app.notFound(() => refused(404, "not_found", "POST /mutate, /mutate/all, /validate or /validate/all"));
  app.onError((thrown) => {
    // Of a pod nothing is repeated: its variables may be secrets.
    log.error("an admission crashed", { kind: thrown instanceof Error ? thrown.name : typeof thrown });
    return refused(500, "crashed", "internal error");
  });
  return (request, peer, arrived) => app.fetch(request, { peer, arrived });
}

function lineOf(request: AdmissionRequest, verdict: Verdict, path: string) {
  const { uid, operation, namespace = "", name, subResource = null, dryRun = false, userInfo, object } = request;
  const metadata: unknown = object === null || object === undefined ? null : Reflect.get(object, "metadata");
  const generated: unknown =
    typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, "generateName") : null;
  return {
    uid,
    path,
    operation,
    subresource: subResource,
    namespace,
    // Of a pod that a set makes there is no name yet.
    name: name || (typeof generated === "string" ? `${generated}*` : ""),
    user: userInfo?.username ?? null,
    dry_run: dryRun === true,
    verdict: verdict.allowed ? verdict.did : "refused",
    reason: verdict.allowed ? null : verdict.words,
    changes: verdict.allowed ? verdict.patch.length : 0,
  };
}
