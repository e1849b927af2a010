/** The admin surface: what an operator with the token may see and do. A port of its own, and nobody's destination. */
import { Hono } from "hono/tiny";
import * as z from "zod/mini";
import { constantTimeEqual } from "../crypto/digest.ts";
import { type KillOrder, MAX_KILL_REASON } from "../model/kill-order.ts";
import { healthResponse, liveness, readiness } from "../observe/health.ts";
import type { Log } from "../observe/log.ts";
import { PROMETHEUS_TYPE, renderPrometheus } from "../observe/prometheus.ts";
import type { Runtime, ServeHandler } from "../runtime/contract.ts";
import type { Vitals } from "./local.ts";

/** What the surface operates: one process, or a parent with its workers. */
export interface Operated {
  readonly vitals: Vitals;
  status(): Promise<Readonly<Record<string, unknown>>>;
  reload(): Promise<{ readonly ok: boolean; readonly message: string }>;
  /**
   * Resolves when every process obeys. `order` is what holds then, which others may have a say in; `severed` counts the
   * exchanges and tunnels that were cut.
   */
  kill(on: boolean, reason: string): Promise<{ readonly order: KillOrder; readonly severed: number }>;
  drain(): void;
}

/** Failures of one peer before it is answered 429, and how long they are remembered. */
const MAX_FAILURES = 10;
const FAILURES_MS = 60_000;
const MAX_PEERS = 1024;
const ANSWER_MS = 100;

const killRequest = z.strictObject({
  on: z.boolean(),
  reason: z.optional(z.string().check(z.maxLength(MAX_KILL_REASON), z.regex(/^[^\p{Cc}]*$/u, "control characters"))),
});

export function adminSurface(
  runtime: Pick<Runtime, "sha256" | "monotonic">,
  token: string,
  operated: Operated,
  log: Log,
): ServeHandler {
  const wanted = runtime.sha256(`Bearer ${token}`);
  const failures = new Failures(() => runtime.monotonic());
  const app = new Hono<{ Bindings: { readonly peer: string } }>();

  app.use(async (c, next) => {
    await next();
    c.header("Cache-Control", "no-store");
    c.header("X-Content-Type-Options", "nosniff");
  });
  app.get("/healthz", () => healthResponse(liveness()));
  app.use(async (c, next) => {
    // Hashes are compared, so that not even the token's length shows in the time it takes.
    const given = (c.req.header("Authorization") ?? "").replace(/^bearer +/i, "Bearer ");
    if (constantTimeEqual(runtime.sha256(given), wanted)) return next();
    const { peer } = c.env;
    // Whoever has the token is let in whatever others on the same address do: this is where the kill switch is.
    const count = failures.add(peer);
    if (count > MAX_FAILURES) {
      return c.text("too many failures\n", 429, { "Retry-After": String(FAILURES_MS / 1000) });
    }
    log.warn("admin request refused", { peer, problem: given === "" ? "no token" : "wrong token" });
    return c.text("a bearer token is needed\n", 401, { "WWW-Authenticate": 'Bearer realm="sallyport admin"' });
  });

  app.get("/readyz", async () => healthResponse(readiness(await operated.vitals.health(), operated.vitals.strict)));
  app.get("/metrics", async (c) =>
    c.body(renderPrometheus(await operated.vitals.metrics()), 200, { "Content-Type": PROMETHEUS_TYPE }),
  );
  app.get("/v1/status", async () => json(await operated.status(), 200));
  app.post("/v1/reload", async (c) => {
    log.info("policy reload asked for", { peer: c.env.peer });
    const result = await operated.reload();
    return json(result, result.ok ? 200 : 422);
  });
  app.post("/v1/kill", async (c) => {
    const asked = killRequest.safeParse(await c.req.json().catch(() => null));
    if (!asked.success) {
      const message = 'the body must be {"on": true or false, "reason": "up to 200 characters, optional"}';
      return json({ ok: false, message }, 400);
    }
    const { on, reason = "" } = asked.data;
    log.warn(on ? "kill switch on: nothing leaves" : "kill switch off", { peer: c.env.peer, reason });
    const { order, severed } = await operated.kill(on, reason);
    if (order.on && !on) log.warn("kill switch still on", { sources: order.sources.join(", ") });
    return json({ ok: true, ...order, severed }, 200);
  });
  app.post("/v1/drain", (c) => {
    log.warn("drain asked for", { peer: c.env.peer });
    // A gateway without connections has drained at once, and the answer is to get out before the process ends.
    setTimeout(() => operated.drain(), ANSWER_MS);
    return json({ ok: true, message: "draining; the process ends when it is done" }, 202);
  });
  for (const path of ["/v1/reload", "/v1/kill", "/v1/drain"]) {
    app.all(path, (c) => c.text("method not allowed\n", 405, { Allow: "POST" }));
  }
  app.notFound((c) => c.text("not found\n", 404));
  app.onError((error, c) => {
    log.error("admin request failed", { path: c.req.path, problem: error.message });
    return c.text("internal error\n", 500);
  });
  return (request, peer) => app.fetch(request, { peer });
}

function json(value: object, status: number): Response {
  return new Response(`${JSON.stringify(value)}\n`, { status, headers: { "Content-Type": "application/json" } });
}

/** Wrong tokens by peer, bounded and forgotten after a while. */
class Failures {
  readonly #clock: () => number;
  readonly #peers = new Map<string, { count: number; readonly until: number }>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** How many there are now, this one included. */
  add(peer: string): number {
    const now = this.#clock();
    const known = this.#peers.get(peer);
    if (known !== undefined && known.until > now) return ++known.count;
    if (this.#peers.size >= MAX_PEERS) this.#peers.clear();
    this.#peers.set(peer, { count: 1, until: now + FAILURES_MS });
    return 1;
  }
}
