/** `sallyport governance`: a plane, from its settings to its end. Stateless: any number may stand beside each other. */
import type { PlaneConfig } from "../config/plane.ts";
import { type AttestationKey, attestationKey } from "../crypto/attestation.ts";
import { type Jwks, jwks } from "../crypto/jwk.ts";
import { loadPrivate } from "../crypto/keys.ts";
import { decodedCap } from "../decide/decode.ts";
import { LendingMemory } from "../decide/limits-lending.ts";
import { openCounters } from "../decide/limits-open.ts";
import { Poll } from "../decide/poll.ts";
import { seldom } from "../decide/seldom.ts";
import { messageOf } from "../errors.ts";
import { Health } from "../observe/health.ts";
import { Log } from "../observe/log.ts";
import { onlyWatched } from "../policy/watching.ts";
import type { Listener, Runtime } from "../runtime/contract.ts";
import { boundBy } from "../words/bound.ts";
import { Limiting } from "./limiting.ts";
import { planeMetrics } from "./metrics.ts";
import { QUESTION_ROOM } from "./question.ts";
import { Ruler } from "./ruler.ts";
import { asking, planeSurface } from "./surface.ts";
import { openTenancy, type Tenancy } from "./tenancy.ts";
import { unservedSections } from "./unserved.ts";

const DRAIN_STEP_MS = 20;
/** A question that was answered may still be on its way out. */
const LINGER_MS = 200;

export class Plane {
  readonly health = new Health();
  readonly metrics = planeMetrics();
  readonly #runtime: Runtime;
  readonly #config: PlaneConfig;
  readonly #log: Log;
  #tenancy: Tenancy | null = null;
  #limiting: Limiting | null = null;
  #listener: Listener | null = null;
  #poll: Poll | null = null;
  #drained: Promise<void> | null = null;

  constructor(runtime: Runtime, config: PlaneConfig, log: Log) {
    this.#runtime = runtime;
    this.#config = config;
    this.#log = log;
  }

  /** Reads tenants and policies, then binds. Rejects with a Fault; nothing listens then. */
  async start(): Promise<Listener> {
    const runtime = this.#runtime;
    const config = this.#config;
    const { metrics, health } = this;
    const fault = seldom(runtime, (message) => this.#log.error(message));
    const { opa, maxBody } = config;
    const shared =
      opa === null
        ? null
        : await (await import("../decide/opa-policy.ts")).openOpaPolicy(runtime, opa, { maxBody, fault });
    const tenancy = await openTenancy(runtime, config, shared);
    if (opa !== null && /^https?:/.test(opa.bundle)) this.#follow(tenancy, opa.intervalMs);
    this.#tenancy = tenancy;
    const clock = () => runtime.monotonic();
    const { key, set } = await keyOf(runtime, config.signingKey);
    const { enforceTimeoutMs } = config;
    const limiting = new Limiting({
      runtime,
      ...(await openCounters(runtime, config, { counters: new LendingMemory(runtime), log: this.#log })),
      hmac: settlingKey(runtime, config.signingKey),
      counted: (tenant, limit, result) => metrics.limits.with(tenant, limit, result).inc(),
    });
    this.#limiting = limiting;
    this.#remark(tenancy);
    const maxDecoded = decodedCap(maxBody);
    const handler = planeSurface({
      runtime,
      tenancy,
      ruler: new Ruler({ enforceTimeoutMs, maxBody, clock }),
      limiting,
      metrics,
      log: this.#log,
      key,
      jwks: set,
      maxDecoded,
      adminToken: config.adminToken,
      strict: config.readyStrict,
      decisionLog: config.decisionLog,
      health: () => {
        health.limitsDown = !limiting.up;
        return health.snapshot();
      },
    });
    metrics.registry.collect(() => {
      metrics.policyStale.set(tenancy.problem === null ? 0 : 1);
      metrics.limitsUp.set(limiting.up ? 1 : 0);
      metrics.memoryBytes.set(runtime.memory());
    });
    const serving = runtime.serve(
      {
        ...config.listen,
        maxBody: Math.ceil(maxDecoded / 3) * 4 + QUESTION_ROOM,
        maxBodies: config.maxHeld,
        known: (authorization, clientName) => asking({ runtime, tenancy }, authorization, clientName) !== null,
        maxConnections: config.maxConnections,
        idleMs: config.keepAliveTimeoutMs,
        ...(config.tls === null ? {} : { tls: config.tls }),
      },
      handler,
    );
    const listener = await boundBy("EVE_PROXY_GOVERNANCE_LISTEN", serving);
    this.#listener = listener;
    health.phase = "ready";
    return listener;
  }

  /** Reads tenants and policies again; what has a problem changes nothing. Never throws. */
  async reload(): Promise<void> {
    const tenancy = this.#tenancy;
    if (tenancy === null) return;
    const { ok, message } = await tenancy.reload();
    this.health.policyStale = !ok;
    if (ok) {
      this.#log.info("policies reloaded", { detail: message });
      this.#remark(tenancy);
    } else this.#log.error("policies not reloaded, those in force stay", { problem: message });
  }

  /** What of the policies is not as it looks: who relies on it hears of it at start and whenever they are read again. */
  #remark({ tenants }: Tenancy): void {
    const limited = tenants.filter(({ policy }) => (policy.limits()?.limits.length ?? 0) > 0);
    if (limited.length > 0 && this.#config.redis === null) {
      const named = names(limited);
      this.#log.warn(
        "limits are counted in this process alone: each replica allows as much again; set EVE_PROXY_REDIS_URL to count together",
        { tenants: named },
      );
    }
    if (limited.length > 0 && this.#config.redis !== null && this.#config.signingKey === null) {
      this.#log.warn(
        "without EVE_PROXY_SIGNING_KEY no replica can settle what another has reserved: it stays as it was reserved",
        { tenants: names(limited) },
      );
    }
    for (const { id, policy } of tenants) {
      const { program } = policy.engine;
      const watched = program === null ? null : onlyWatched(program);
      if (watched !== null) this.#log.warn(watched, { tenant: id });
      const sections = unservedSections(policy);
      if (sections.length === 0) continue;
      this.#log.warn(
        "parts of a policy do nothing for relays that ask this plane; they are obeyed where a relay has them in its own policy, or decides by the bundle",
        { tenant: id, sections: sections.join(", ") },
      );
    }
  }

  /** A policy that is fetched is asked for again and again. */
  #follow(tenancy: Tenancy, intervalMs: number): void {
    const poll = new Poll(this.#runtime, intervalMs);
    this.#poll = poll;
    let known: string | null = null;
    poll.start(async () => {
      const { ok, message } = await tenancy.reload();
      this.health.policyStale = !ok;
      const problem = ok ? null : message;
      if (problem !== known && problem !== null) this.#log.error("the policy is stale", { problem });
      known = problem;
    });
  }

  /** Refuses new questions, answers those under way until the deadline, then lets go of the port. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    const { monotonic } = this.#runtime;
    this.health.phase = "draining";
    const until = monotonic() + this.#config.drainTimeoutMs;
    while (this.metrics.inFlight.value > 0 && monotonic() < until) await sleep(DRAIN_STEP_MS);
    if (this.metrics.inFlight.value > 0) {
      this.#log.warn("drain deadline passed: what is left is cut", { questions: this.metrics.inFlight.value });
    }
    await sleep(LINGER_MS);
    this.#poll?.stop();
    await this.#listener?.close();
    this.#limiting?.close();
    this.#log.info("drained");
    this.#log.flush();
  }
}

async function keyOf(runtime: Runtime, text: string | null): Promise<{ key: AttestationKey | null; set: Jwks }> {
  if (text === null) return { key: null, set: { keys: [] } };
  const { key, publicJwk } = await loadPrivate(text, runtime);
  return { key: attestationKey(key, publicJwk, runtime), set: jwks([publicJwk], runtime) };
}

/** Under a key of its own, because a token must not be a signature of anything; without a key to share, a replica's own. */
function settlingKey({ hmacSha256, randomHex }: Runtime, signingKey: string | null): (text: string) => string {
  const bytes = new TextEncoder();
  return hmacSha256(bytes.encode(hmacSha256(bytes.encode(signingKey ?? randomHex(32)))("sallyport settle 1")));
}

function names(tenants: readonly { readonly id: string }[]): string {
  return tenants.map(({ id }) => id).join(", ");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs until told to end; the exit code. Rejects with the Fault that kept it from starting. */
export async function servePlane(runtime: Runtime, config: PlaneConfig, warnings: readonly string[]): Promise<number> {
  const log = new Log(runtime, { level: config.logLevel, format: config.logFormat, decisions: config.decisionLog });
  for (const warning of warnings) log.warn(warning);
  const plane = new Plane(runtime, config, log);
  runtime.onUncaught((thrown) => log.error("uncaught fault", { problem: messageOf(thrown) }));
  const { promise: code, resolve: stopped } = Promise.withResolvers<number>();
  const stop = () => void plane.drain().then(() => stopped(0));
  runtime.onSignal("SIGTERM", stop);
  runtime.onSignal("SIGINT", stop);
  runtime.onSignal("SIGHUP", () => void plane.reload());
  const listener = await plane.start();
  log.info("listening", { host: listener.address, port: listener.port, tls: config.tls !== null });
  return code;
}
