/** `sallyport run`: one process, or a parent that keeps N workers on one port. */
import { openAdmin, statusFacts } from "./admin.ts";
import type { Config } from "./config/config.ts";
import { workerAuditPath } from "./config/worker-log.ts";
import { ControlLink, type Message, type Question } from "./control.ts";
import { parentCounters } from "./counters.ts";
import type { Endpoint } from "./decide/host.ts";
import { type DefectCode, Fault } from "./errors.ts";
import { Gateway } from "./gateway.ts";
import { type HandedOver, handedOver } from "./handed-over.ts";
import { KillSwitch, watchKillSources } from "./kill.ts";
import type { Operated } from "./listen/admin.ts";
import type { Vitals } from "./listen/local.ts";
import { Log } from "./observe/log.ts";
import { statusOf } from "./observe/status.ts";
import type { Runtime } from "./runtime/contract.ts";
import { Supervisor } from "./supervisor.ts";
import { CONTROL_ENV, runParent, TOKEN_ENV, WORKER_ENV } from "./workers.ts";

/** Runs until told to stop. The exit code: 0 after an orderly drain. Rejects with the Fault that kept it from starting. */
export function startGateway(runtime: Runtime, config: Config, warnings: readonly string[]): Promise<number> {
  const log = new Log(runtime, { level: config.logLevel, format: config.logFormat, decisions: config.decisionLog });
  const control = runtime.env[CONTROL_ENV];
  if (control !== undefined) return runWorker(runtime, config, log, control);
  for (const warning of warnings) log.warn(warning);
  const given = handedOver(runtime);
  if (given !== null && config.workers > 1) {
    const why = "a socket was handed over, and of one socket the kernel would wake every worker";
    throw new Fault(
      "config_invalid",
      `EVE_PROXY_WORKERS is ${config.workers}: ${why}; set 1, or do without the socket unit`,
    );
  }
  return config.workers > 1 ? runParent(runtime, config, log) : runAlone(runtime, config, { log, given });
}

function watchFaults(runtime: Runtime, gateway: Gateway, log: Log): void {
  runtime.onUncaught((thrown) => {
    // A request that met a defect is cut by its own road; the process goes on, because exiting would drop every other.
    gateway.metrics.faults.with("uncaught" satisfies DefectCode).inc();
    log.error("uncaught fault", {
      problem: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    });
  });
}

interface Alone {
  readonly log: Log;
  readonly given: HandedOver | null;
}

async function runAlone(runtime: Runtime, config: Config, { log, given }: Alone): Promise<number> {
  const gateway = new Gateway(runtime, config, log);
  const supervisor = new Supervisor(runtime, log);
  watchFaults(runtime, gateway, log);
  const { promise: code, resolve: stopped } = Promise.withResolvers<number>();
  const stop = () => {
    supervisor.stopping();
    void gateway.drain().then(() => stopped(0));
  };
  const reload = () => supervisor.reloading(() => gateway.reload());
  const kill = new KillSwitch(async (order) => gateway.kill(order), runtime.now);
  const operated: Operated = {
    vitals: gateway.vitals(),
    status: async () =>
      statusOf(statusFacts(runtime, config, kill.order), [gateway.status()], [gateway.metrics.registry.snapshot()]),
    reload,
    kill: (on, reason) => kill.operate(on, reason),
    drain: stop,
  };
  const unwatch = await watchKillSources(runtime, config, { kill, log });
  const admin = await openAdmin(runtime, config, operated, log);
  const options = { reusePort: false, instance: null, vitals: null, admin, counters: null, fd: given?.fd ?? null };
  const listener = await gateway.start(options);
  const { address, port } = listener;
  log.info("listening", { host: address, port, ...(given !== null && { handed_over: given.name || true }) });
  if (given !== null && config.port !== 0 && config.port !== port)
    log.warn(
      "the socket that was handed over has another port than EVE_PROXY_PORT, which healthcheck and redirect go by",
      {
        port,
        configured: config.port,
      },
    );
  runtime.onSignal("SIGTERM", stop);
  runtime.onSignal("SIGINT", stop);
  runtime.onSignal("SIGHUP", () => void reload());
  supervisor.ready(`listening on port ${port}`);
  return code.finally(() => {
    supervisor.close();
    unwatch();
  });
}

/** A worker: its own chain, the parent's orders. It ends when its parent does. */
async function runWorker(runtime: Runtime, config: Config, log: Log, control: string): Promise<number> {
  const number = Number(runtime.env[WORKER_ENV]);
  const token = runtime.env[TOKEN_ENV] ?? "";
  // Not the token itself: this is written into requests.
  const instance = runtime.sha256(`instance ${token}`).slice(0, 16);
  const of = (path: string | null) => (path === null ? null : workerAuditPath(path, number));
  const own = {
    ...config,
    auditPath: workerAuditPath(config.auditPath, number),
    findingsPath: of(config.findingsPath),
    candidateLog: of(config.candidateLog),
  };
  const gateway = new Gateway(runtime, own, log);
  watchFaults(runtime, gateway, log);
  const { promise: code, resolve: stopped } = Promise.withResolvers<number>();
  const { promise: welcomed, resolve: welcome } = Promise.withResolvers<{ readonly admin: Endpoint | null }>();
  const stop = () => void gateway.drain().then(() => stopped(0));
  const answer = (what: Question, id: number, link: ControlLink): void => {
    if (what === "health") link.send({ kind: "health", id, all: [gateway.health.snapshot()] });
    else if (what === "metrics") link.send({ kind: "metrics", id, all: [gateway.metrics.registry.snapshot()] });
    else if (what === "status") link.send({ kind: "status", id, all: [gateway.status()] });
    else void gateway.reload().then((result) => link.send({ kind: "reloaded", id, ...result }));
  };
  const receive = (message: Message, link: ControlLink): void => {
    if (message.kind === "reload") void gateway.reload();
    else if (message.kind === "drain") stop();
    else if (message.kind === "kill")
      link.send({ kind: "killed", id: message.id, severed: gateway.kill(message.order) });
    else if (message.kind === "welcome") {
      gateway.kill(message.order);
      welcome(message);
    } else if (message.kind === "ask") answer(message.what, message.id, link);
  };
  const parked = { data() {}, end() {}, drain() {}, close() {} };
  const link = new ControlLink(await runtime.dial({ path: control }, parked).conn, receive, stop);
  const vitals: Vitals = {
    strict: config.readyStrict,
    async health() {
      const answer = await link.ask("health");
      // A parent that does not answer is a fleet nobody watches: not ready.
      return answer?.kind === "health" ? answer.all : [];
    },
    async metrics() {
      const answer = await link.ask("metrics");
      return answer?.kind === "metrics" ? answer.all : [gateway.metrics.registry.snapshot()];
    },
  };
  // The parent gets the terminal's signals too and passes them on.
  runtime.onSignal("SIGINT", () => {});
  runtime.onSignal("SIGUSR2", () => {});
  runtime.onSignal("SIGTERM", stop);
  runtime.onSignal("SIGHUP", () => void gateway.reload());
  // Before the first connection is taken: a worker that comes back does not forget what an operator ordered.
  link.send({ kind: "hello", worker: number, token });
  const known = await Promise.race([welcomed, code]);
  if (typeof known === "number") return known;
  const counters = config.redis === null ? parentCounters(link, config.enforceTimeoutMs / 2) : null;
  await gateway.start({ reusePort: true, instance, vitals, admin: known.admin, counters });
  link.send({ kind: "ready" });
  return code;
}
