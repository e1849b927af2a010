/** The composition root: a configuration and a runtime become a running gateway. Read it top to bottom. */
import type { Config } from "./config/config.ts";
import { signerFromConfig } from "./crypto/keys.ts";
import { addressGuard } from "./decide/address.ts";
import type { Candidate } from "./decide/candidate.ts";
import { VetoDamper } from "./decide/damper.ts";
import { messageDecoder } from "./decide/decode.ts";
import { type Endpoint, type HostGate, hostGate, selfAddresses, servicesOf } from "./decide/host.ts";
import { type Limiter, openLimiter } from "./decide/limits-open.ts";
import { type Names, openNames } from "./decide/names.ts";
import { type OpenedDecider, openDecider } from "./decide/open.ts";
import type { TlsFor } from "./enforce/dial.ts";
import { LiveSet } from "./enforce/live.ts";
import type { TunnelEnv } from "./enforce/opening.ts";
import { Pool } from "./enforce/pool.ts";
import { directRoute, proxyRoute, type Route } from "./enforce/route.ts";
import { messageOf } from "./errors.ts";
import { type Evidence, openEvidence } from "./evidence/evidence.ts";
import { openInterceptor, upstreamTls } from "./intercepting.ts";
import type { LimitStore } from "./limits/store.ts";
import { ForwardDoor } from "./listen/forward.ts";
import { localAnswers, type Vitals } from "./listen/local.ts";
import { LocalRecord } from "./local-record.ts";
import type { Conn } from "./model/conn.ts";
import { Deadlines } from "./model/deadlines.ts";
import { KILL_OFF, type KillOrder } from "./model/kill-order.ts";
import { Outgoing } from "./model/outgoing.ts";
import { type GatewayMetrics, gatewayMetrics } from "./observe/gateway-metrics.ts";
import { gatewayObserver } from "./observe/gateway-observer.ts";
import { Health } from "./observe/health.ts";
import type { Log } from "./observe/log.ts";
import type { ProcessStatus } from "./observe/status.ts";
import { Pipeline } from "./pipeline.ts";
import type { Listener, Runtime } from "./runtime/contract.ts";

/** How late a deadline may be met. */
const SWEEP_MS = 250;
/** How often a drain looks whether everybody has left. */
const DRAIN_STEP_MS = 20;
/** How long a severed connection may take to be gone. */
const SEVER_MS = 1_000;
const VITALS_MS = 500;
/** After a reload: longer than evidence takes for what had been decided. */
const LATE_MS = 60_000;

export interface GatewayOptions {
  /** Several processes share the port on purpose. */
  readonly reusePort: boolean;
  /** Names this gateway in Via, the same for all processes of one port; null: this process is all. */
  readonly instance: string | null;
  /** Answers `/readyz` and `/metrics`; null: this process answers for itself alone. */
  readonly vitals: Vitals | null;
  /** Where this gateway's admin surface was bound, whichever process did it. */
  readonly admin: Endpoint | null;
  /** Who holds the counters of limits when no Redis does; null: this process. */
  readonly counters: LimitStore | null;
  /** The listening socket that was handed over; without it one is opened. */
  readonly fd?: number | null;
}

export class Gateway {
  readonly health = new Health();
  readonly metrics: GatewayMetrics = gatewayMetrics();
  readonly #config: Config;
  readonly #runtime: Runtime;
  readonly #log: Log;
  readonly #deadlines: Deadlines;
  readonly #live = new LiveSet();
  readonly #outgoing = new Outgoing();
  #evidence: Evidence | null = null;
  #record: LocalRecord | null = null;
  #decider: OpenedDecider | null = null;
  #limiter: Limiter | null = null;
  #door: ForwardDoor | null = null;
  #pool: Pool | null = null;
  #pipeline: Pipeline | null = null;
  #order = KILL_OFF;
  #reloadAsked = false;
  #recheckUntil = 0;
  #learnServices: (() => Promise<void>) | null = null;
  #vitalsTimer: ReturnType<typeof setInterval> | null = null;
  #drained: Promise<void> | null = null;

  constructor(runtime: Runtime, config: Config, log: Log) {
    this.#runtime = runtime;
    this.#config = config;
    this.#log = log;
    this.#deadlines = new Deadlines(() => runtime.monotonic());
  }

  /** Opens evidence, compiles policy, binds. Rejects with a Fault; nothing listens then. */
  async start(options: GatewayOptions): Promise<Listener> {
    const runtime = this.#runtime;
    const config = this.#config;
    const deadlines = this.#deadlines;
    const wireLimits = { maxHeaderBytes: config.maxHeaderBytes, maxHeaders: config.maxHeaders };
    const observer = gatewayObserver(this.#log, this.metrics);
    const record = new LocalRecord({ runtime, config, log: this.#log, metrics: this.metrics });
    this.#record = record;

    const signer = await signerFromConfig(config, runtime);
    const decider = await openDecider(runtime, config, record.events());
    record.candidate = decider.candidate;
    this.#decider = decider;
    const evidence = await openEvidence(runtime, config, signer);
    this.#evidence = evidence;

    const names = openNames(runtime, config);
    const limiter = await openLimiter(runtime, config, {
      program: () => decider.limits(),
      counters: options.counters,
      counted: (limit, result) => this.metrics.limits.with(limit, result).inc(),
      log: this.#log,
    });
    this.#limiter = limiter;
    // Now, so that the gate knows where they are before anybody is served.
    const known = servicesOf(config);
    const found = await Promise.all(known.map((service) => addressesOf(names, service)));
    const via = `1.1 sallyport-${options.instance ?? runtime.randomHex(8)}`;
    const pool = new Pool(deadlines, {
      limit: config.poolIdle,
      idleMs: config.poolIdleTimeoutMs,
      maxUnread: config.maxHeld,
    });
    this.#pool = pool;
    // The gate must know the bound port. Nothing is accepted before this turn of the event loop is over.
    let gate: HostGate | null = null;
    const tls = upstreamTls(config);
    const interceptor = await openInterceptor(runtime, config, tls);
    const route = this.#route(
      via,
      tls,
      wireLimits,
      (service, addresses) => gate?.learn(service, addresses),
      names.resolve,
    );

    let pipeline: Pipeline | null = null;
    const enforce: TunnelEnv = {
      afterTurn: runtime.afterTurn,
      deadlines,
      limits: wireLimits,
      pool,
      route,
      live: this.#live,
      settle: (carried, ended) => pipeline?.ends.settle(carried, ended),
      crashed: (thrown) => observer.fault("enforce_crashed", thrown),
      firstByteMs: config.firstByteTimeoutMs,
      gapMs: config.upstreamTimeoutMs,
      idleMs: config.idleTimeoutMs,
      interceptor,
      maxMessage: config.maxBody,
      room: (egress) => door.room(egress),
      decode: messageDecoder(runtime, config),
      serveInside: (taken, parked, inside) => door.serveInside(taken, parked, inside),
    };
    const door: ForwardDoor = new ForwardDoor({
      runtime,
      config,
      deadlines,
      wireLimits,
      handle: (exchange) => pipeline?.handle(exchange),
      local: localAnswers(options.vitals ?? this.vitals(), (address) => door.mayUse(address)),
      notice: (notice) => observer.noticed(notice.status, notice.code, notice.peer),
      opaque: (address, at) => config.connectPassthrough && decider.opaque(address, at),
      loops: (conn, original) => this.#outgoing.has(conn, original),
    });
    this.#door = door;
    const listener = await door.listen(options.reusePort, options.fd ?? null);

    const bound = {
      listeners: [{ address: options.fd == null ? config.host : listener.address, port: listener.port }],
      localAddresses: runtime.localAddresses(),
    };
    const own = selfAddresses(config, bound);
    // The configuration may have named the admin surface by a name; this is its address.
    const services = options.admin === null ? own.services : [...own.services, options.admin];
    gate = hostGate(config.blockedHosts, { ...own, services });
    for (const [i, service] of known.entries()) gate.learn(service, found[i] ?? [], "shared");
    if (known.length > 0) this.#watchServices(gate, names, known);
    const guard = addressGuard({ allow: config.allowAddresses, gate, policy: decider });
    pipeline = new Pipeline({
      runtime,
      config,
      gate,
      decider,
      limiter,
      names,
      guard,
      evidence,
      enforce,
      observer,
      certified: (passage, certificateId) => record.certified(passage, certificateId),
      found: (certificateId, findings) => record.found(certificateId, findings),
      damper: new VetoDamper(() => runtime.monotonic()),
      // Nobody else writes this pseudonym: a request that carries it has been here before.
      via: config.upstreamProxy === null ? null : via,
    });

    pipeline.kill(this.#order);
    this.#pipeline = pipeline;

    deadlines.start(SWEEP_MS);
    this.#watchVitals();
    this.health.phase = "ready";
    // A policy that was kept from before is in force, and not what it should be.
    this.health.policyStale = decider.problem !== null;
    this.health.limitsDown = !limiter.up;
    decider.watch((result) => this.#reloaded(decider, result));
    decider.prepare();
    if (this.#reloadAsked) await this.reload();
    return listener;
  }

  #route(
    via: string,
    tls: TlsFor,
    wireLimits: { maxHeaderBytes: number; maxHeaders: number },
    learn: (service: Endpoint, addresses: readonly string[]) => void,
    resolve: (host: string) => readonly string[] | Promise<readonly string[]>,
  ): Route {
    const { upstreamProxy, upstreamTimeoutMs, transparent } = this.#config;
    const dialled = transparent ? (conn: Conn): void => this.#outgoing.dialled(conn) : undefined;
    const dialEnv = { runtime: this.#runtime, timeoutMs: upstreamTimeoutMs, tls, ...(dialled && { dialled }) };
    if (upstreamProxy === null) return directRoute(dialEnv);
    return proxyRoute(dialEnv, upstreamProxy, via, wireLimits, async (host) => {
      const addresses = await resolve(host);
      learn(upstreamProxy, addresses);
      return addresses;
    });
  }

  /** Of this process alone. */
  vitals(): Vitals {
    return {
      strict: this.#config.readyStrict,
      health: () => [this.health.snapshot()],
      metrics: () => [this.metrics.registry.snapshot()],
    };
  }

  /** As an operator sees this process. */
  status(): ProcessStatus {
    return {
      pid: this.#runtime.pid,
      health: this.health.snapshot(),
      policyVersion: this.#decider?.policyVersion ?? null,
      policyProblem: this.#decider?.problem ?? null,
      candidate: candidateStatus(this.#decider?.candidate ?? null),
      evidenceProblem: this.#evidence?.problem ?? null,
    };
  }

  /** Obeys at once, also before `start`: while it is on everything is vetoed, and what runs is cut. How much that was. */
  kill(order: KillOrder): number {
    this.#order = order;
    this.#pipeline?.kill(order);
    this.metrics.killSwitch.set(order.on ? 1 : 0);
    // Whatever comes after it is decided anew.
    this.#decider?.forget();
    if (!order.on) return 0;
    const cut = this.#live.all();
    for (const live of cut) live.sever("killed");
    this.#pool?.clear();
    return cut.length;
  }

  /** They are nobody's destination, under other names neither: their addresses are looked up for as long as this runs. */
  #watchServices(gate: HostGate, names: Names, services: readonly Endpoint[]): void {
    this.#learnServices = async () => {
      for (const service of services) gate.learn(service, await addressesOf(names, service), "shared");
    };
  }

  #watchVitals(): void {
    const { metrics, health } = this;
    const look = () => {
      void this.#learnServices?.();
      // What was let go before a reload may have waited for a name or its evidence, and carry bytes only now.
      if (this.#decider !== null && this.#runtime.monotonic() < this.#recheckUntil) this.#cutDenied(this.#decider);
      const down = this.#evidence?.writable === false;
      if (down !== health.evidenceDown) {
        if (down)
          this.#log.error("evidence cannot be written: every request is refused", {
            problem: this.#evidence?.problem ?? "",
          });
        else this.#log.info("evidence can be written again");
      }
      health.evidenceDown = down;
      const planeDown = this.#decider?.planeDown ?? false;
      if (planeDown && !health.planeDown)
        this.#log.error("the governance plane is down: decisions fail closed", {
          problem: this.#decider?.planeTrouble ?? "",
        });
      else if (!planeDown && health.planeDown) this.#log.info("the governance plane answers again");
      health.planeDown = planeDown;
      health.limitsDown = this.#limiter?.up === false;
    };
    this.#vitalsTimer = setInterval(look, VITALS_MS);
    metrics.registry.collect(() => {
      metrics.connections.set(this.#door?.open ?? 0);
      metrics.tunnels.set(this.#live.tunnels);
      metrics.heldBytes.set(this.#door?.budget.used ?? 0);
      metrics.evidenceWritable.set(this.#evidence?.writable === false ? 0 : 1);
      metrics.policyStale.set(health.policyStale ? 1 : 0);
      metrics.limitsUp.set(this.#limiter?.up === false ? 0 : 1);
      metrics.planeDown.set(health.planeDown ? 1 : 0);
      metrics.memoryBytes.set(this.#runtime.memory());
      metrics.cpuSeconds.value = this.#runtime.cpuMicros() / 1e6;
    });
  }

  /** Reads the policy again; what it no longer allows is cut. Never throws. */
  async reload(): Promise<{ ok: boolean; message: string }> {
    const decider = this.#decider;
    if (decider === null) {
      // The files may have been read already, as they were before.
      this.#reloadAsked = true;
      return { ok: false, message: "the gateway is starting" };
    }
    const result = await decider.reload().catch((thrown: unknown) => ({ ok: false, message: messageOf(thrown) }));
    this.#reloaded(decider, result);
    return result;
  }

  #reloaded(decider: OpenedDecider, result: { readonly ok: boolean; readonly message: string }): void {
    this.health.policyStale = !result.ok;
    if (!result.ok) {
      this.#log.error("policy not reloaded, the one in force stays", { problem: result.message });
      return;
    }
    this.#log.info("policy reloaded", { policy: decider.policyVersion ?? "none", detail: result.message });
    const { enforceTimeoutMs, upstreamTimeoutMs } = this.#config;
    this.#recheckUntil = this.#runtime.monotonic() + enforceTimeoutMs + upstreamTimeoutMs + LATE_MS;
    this.#cutDenied(decider);
  }

  /** What the policy in force has something against, whichever one let it go. */
  #cutDenied(decider: OpenedDecider): void {
    for (const live of this.#live.all()) {
      const { host, port } = live.egress.destination;
      const seen = live.opaque !== true || decider.opaque(host, port);
      if (!seen || decider.recheck(live.egress) !== null) live.sever("revoked");
    }
  }

  /** Stops accepting, lets exchanges finish until the deadline, severs the rest, flushes evidence. */
  drain(): Promise<void> {
    // A second order (a signal to the whole process group, say) waits for the first.
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    this.health.phase = "draining";
    const door = this.#door;
    await door?.drain();
    await this.#emptied(this.#config.drainTimeoutMs);
    const left = door?.open ?? 0;
    if (left > 0) this.#log.warn("drain deadline passed: severing what is left", { connections: left });
    for (const live of this.#live.all()) live.sever("drained");
    door?.sever();
    // What was cut tells its outcome when its sockets have closed.
    await this.#emptied(SEVER_MS);
    this.#pool?.clear();
    this.#deadlines.stop();
    if (this.#vitalsTimer !== null) clearInterval(this.#vitalsTimer);
    await this.#evidence?.close();
    await this.#decider?.close();
    await this.#record?.close();
    this.#limiter?.close();
    this.#log.info("drained");
    this.#log.flush();
  }

  /** Until no client is left, or the time is over. */
  async #emptied(withinMs: number): Promise<void> {
    const until = this.#runtime.monotonic() + withinMs;
    while ((this.#door?.open ?? 0) + this.#live.size > 0 && this.#runtime.monotonic() < until) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS));
    }
  }
}

function candidateStatus(candidate: Candidate | null): ProcessStatus["candidate"] {
  return candidate === null ? null : { version: candidate.version, problem: candidate.problem };
}

/** None for a name that leads nowhere: by it nobody else gets anywhere either. */
async function addressesOf(names: Names, { host }: Endpoint): Promise<readonly string[]> {
  try {
    return await names.resolve(host);
  } catch {
    return [];
  }
}
