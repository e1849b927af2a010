/** The decision API over HTTP: routes, who may use them, and what each may end in. */
import { Hono } from "hono/tiny";
import type { AttestationKey } from "../crypto/attestation.ts";
import { bearerHash, mayScrape } from "../crypto/bearer.ts";
import type { Jwks } from "../crypto/jwk.ts";
import { MAX_OUTCOMES_BYTES } from "../decide/outcome-schema.ts";
import { Fault } from "../errors.ts";
import { type HealthSnapshot, healthResponse, liveness, readiness } from "../observe/health.ts";
import type { Log } from "../observe/log.ts";
import { PROMETHEUS_TYPE, renderPrometheus } from "../observe/prometheus.ts";
import type { Arrived, ServeHandler } from "../runtime/contract.ts";
import { answerOf, json, type LimitedRuling, type Machine, refusal } from "./answer.ts";
import { bundleOf } from "./bundle.ts";
import type { Limiting } from "./limiting.ts";
import type { PlaneMetrics } from "./metrics.ts";
import { openApiText } from "./openapi.ts";
import { type Asked, readOutcomes, readQuestion } from "./question.ts";
import type { Ruler } from "./ruler.ts";
import type { Tenancy, Tenant } from "./tenancy.ts";
import { tenantOf } from "./tenants.ts";

/** Questions that are answered at a time; more are told to come again. */
const MAX_IN_FLIGHT = 1024;
const REFUSAL_LOG_MS = 1_000;
const NO_METRICS = "metrics were asked for without EVE_PROXY_ADMIN_TOKEN: refused (401)";

export interface Surface {
  readonly runtime: Machine & { monotonic(): number };
  readonly tenancy: Tenancy;
  readonly ruler: Ruler;
  readonly limiting: Limiting;
  readonly metrics: PlaneMetrics;
  readonly log: Log;
  /** Null: answers carry no attestation. */
  readonly key: AttestationKey | null;
  readonly jwks: Jwks;
  /** Bytes that a body may have with its codings undone. */
  readonly maxDecoded: number;
  /** Of `/metrics` for peers elsewhere; null: only this host reads them. Secret. */
  readonly adminToken: string | null;
  readonly strict: boolean;
  readonly decisionLog: boolean;
  health(): HealthSnapshot;
}

interface Bindings {
  readonly peer: string;
  readonly arrived: Arrived;
}

export function planeSurface(surface: Surface): ServeHandler {
  const { runtime, metrics, log } = surface;
  const adminHash = surface.adminToken === null ? null : runtime.sha256(surface.adminToken);
  let inFlight = 0;
  let refusalLogged = Number.NEGATIVE_INFINITY;
  const app = new Hono<{ Bindings: Bindings }>();

  function refused(status: number, error: string, detail: Parameters<typeof refusal>[2]): Response {
    metrics.refused.with(error).inc();
    return refusal(status, error, detail);
  }

  function stranger(peer: string, what = "a question with no tenant's token was refused (401)"): Response {
    const now = runtime.monotonic();
    // Whoever has the wrong token may ask often; the counter has them all.
    if (now - refusalLogged >= REFUSAL_LOG_MS) {
      refusalLogged = now;
      log.warn(what, { peer });
    }
    const headers = { "WWW-Authenticate": 'Bearer realm="sallyport governance"' };
    return refused(401, "unauthorized", { message: "the token or certificate of a tenant is needed", headers });
  }

  function known(authorization: string | undefined, { clientName }: Pick<Arrived, "clientName">): Tenant | null {
    return asking(surface, authorization, clientName);
  }

  async function decide(tenant: Tenant, body: Uint8Array): Promise<Response> {
    const began = runtime.monotonic();
    let asked: Asked;
    try {
      const { monotonic: clock, now } = runtime;
      asked = await readQuestion(body, { maxBody: surface.maxDecoded, clock, now });
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      return refused(400, "question_malformed", { message: thrown.message });
    }
    // Taken once: a policy that is read again meanwhile is the next question's.
    const { engine } = tenant.policy;
    const { policyVersion } = engine;
    const limits = { tenant: tenant.id, program: tenant.policy.limits() };
    let ruled: LimitedRuling | "exhausted" | null = null;
    let response: Response;
    try {
      const ruling = await surface.ruler.rule(engine, asked.question);
      ruled = ruling === "exhausted" ? ruling : await surface.limiting.apply(limits, asked, ruling);
      response =
        ruled === "exhausted"
          ? refused(422, "inspection_exhausted", { message: "the inspection ran out of its budget", policyVersion })
          : await answerOf(asked, ruled, { runtime, key: surface.key, tenant: tenant.id });
    } catch (thrown) {
      if (ruled !== null && ruled !== "exhausted") surface.limiting.release(ruled);
      // Its text may hold anything, the question's secrets too; where it happened is ours.
      log.error("a decision crashed", { tenant: tenant.id, id: asked.id, at: placeOf(thrown) });
      return refused(500, "decision_crashed", { message: "the decision crashed", policyVersion });
    }
    const took = runtime.monotonic() - began;
    metrics.seconds.observe(took / 1000);
    const decision = ruled === "exhausted" || isOutage(ruled) ? "fail_closed" : ruled.verdict;
    metrics.decisions.with(tenant.id, decision).inc();
    if (surface.decisionLog) {
      const { question, id } = asked;
      const { vector, rule, would } = ruled === "exhausted" ? { vector: null, rule: null, would: null } : ruled;
      const { org, method, host, port } = question;
      const at = { org, method, host, port, policy: policyVersion };
      log.record("decision", {
        tenant: tenant.id,
        id,
        decision,
        vector,
        rule,
        would,
        ...at,
        ms: Math.round(took * 1000) / 1000,
      });
    }
    return response;
  }

  async function settle(tenant: Tenant, body: Uint8Array): Promise<Response> {
    if (body.length > MAX_OUTCOMES_BYTES) return refused(413, "too_long", { message: "too many outcomes at a time" });
    const read = readOutcomes(body);
    if (read === null) return refused(400, "outcomes_malformed", { message: "these are no outcomes" });
    const { outcomes } = read;
    try {
      const known = await surface.limiting.settle(tenant.id, outcomes);
      metrics.outcomes.with("known").add(known);
      metrics.outcomes.with("unknown").add(outcomes.length - known);
      return json({ known }, 200);
    } catch {
      // Told again, those that were settled already are not known any more.
      return refused(503, "limits_unavailable", { message: "the counters cannot be asked" });
    }
  }

  app.get("/healthz", () => healthResponse(liveness()));
  app.get("/readyz", () => healthResponse(readiness([surface.health()], surface.strict)));
  app.get("/metrics", (c) => {
    if (!mayScrape(runtime, adminHash, c.env.peer, c.req.header("Authorization")))
      return stranger(c.env.peer, NO_METRICS);
    return c.body(renderPrometheus([metrics.registry.snapshot()]), 200, { "Content-Type": PROMETHEUS_TYPE });
  });
  app.get("/openapi.json", (c) => c.body(openApiText(), 200, { "Content-Type": "application/json" }));
  app.get("/.well-known/jwks.json", (c) =>
    c.body(JSON.stringify(surface.jwks), 200, {
      "Content-Type": "application/jwk-set+json",
      "Cache-Control": "public, max-age=300",
    }),
  );
  app.get("/v1/bundle", async (c) => {
    const tenant = known(c.req.header("Authorization"), c.env.arrived);
    if (tenant === null) return stranger(c.env.peer);
    const { version, sources } = tenant.policy;
    if (version === null || sources.length === 0) {
      return refused(404, "no_policy", { message: "this tenant has no policy of files" });
    }
    const headers = { ETag: `"${version}"`, "Cache-Control": "private, no-cache" };
    if (c.req.header("If-None-Match") === headers.ETag) return new Response(null, { status: 304, headers });
    return json(await bundleOf(tenant.id, { version, sources }, surface.key, runtime.now()), 200, headers);
  });
  app.post("/v1/decisions", async (c) => {
    const { arrived, peer } = c.env;
    const tenant = known(c.req.header("Authorization"), arrived);
    if (tenant === null) return stranger(peer);
    if (surface.health().phase === "draining") {
      return refused(503, "draining", { message: "this plane is ending", headers: { Connection: "close" } });
    }
    if (!/^application\/json *(?:;|$)/i.test(c.req.header("Content-Type") ?? "")) {
      return refused(415, "not_json", { message: "the content type must be application/json" });
    }
    if (inFlight >= MAX_IN_FLIGHT) return refused(503, "busy", { message: "too many questions at a time" });
    metrics.inFlight.set(++inFlight);
    try {
      return await decide(tenant, arrived.body);
    } finally {
      metrics.inFlight.set(--inFlight);
    }
  });
  app.post("/v1/outcomes", async (c) => {
    const { arrived, peer } = c.env;
    const tenant = known(c.req.header("Authorization"), arrived);
    if (tenant === null) return stranger(peer);
    if (!/^application\/json *(?:;|$)/i.test(c.req.header("Content-Type") ?? "")) {
      return refused(415, "not_json", { message: "the content type must be application/json" });
    }
    return settle(tenant, arrived.body);
  });
  app.all("/v1/outcomes", () => refused(405, "method_not_allowed", { message: "POST", headers: { Allow: "POST" } }));
  app.all("/v1/decisions", () => refused(405, "method_not_allowed", { message: "POST", headers: { Allow: "POST" } }));
  app.notFound(() => refused(404, "not_found", { message: "see /openapi.json" }));
  app.onError((thrown) => {
    log.error("a request crashed", { at: placeOf(thrown) });
    return refused(500, "internal", { message: "internal error" });
  });
  return (request, peer, arrived) => app.fetch(request, { peer, arrived });
}

/** The relay answers 503: what the counters could not be asked about is refused. */
function isOutage({ limit }: LimitedRuling): boolean {
  return limit !== undefined && "status" in limit && limit.status === 503;
}

/** Whose head this is, or null. */
export function asking(
  { runtime, tenancy }: Pick<Surface, "runtime" | "tenancy">,
  authorization: string | undefined,
  clientName: string | null,
): Tenant | null {
  return tenantOf(tenancy.tenants, { tokenHash: bearerHash(runtime, authorization), clientName });
}

/** The kind of a fault and its frames, without its message. */
function placeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return typeof thrown;
  const frames = (thrown.stack ?? "").split("\n").filter((line) => /^\s*at /.test(line));
  return `${thrown.name} ${frames
    .slice(0, 4)
    .map((line) => line.trim())
    .join(" ")}`;
}
