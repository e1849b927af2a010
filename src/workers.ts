/** The parent of EVE_PROXY_WORKERS processes: it serves no traffic, it starts, watches, asks and stops them. */
import { openAdmin, statusFacts } from "./admin.ts";
import type { Config } from "./config/config.ts";
import { ControlLink, type Message, type Question } from "./control.ts";
import { count } from "./counters.ts";
import { constantTimeEqual } from "./crypto/digest.ts";
import { MemoryLimits } from "./decide/limits-memory.ts";
import { messageOf } from "./errors.ts";
import { KillSwitch, watchKillSources } from "./kill.ts";
import type { Operated } from "./listen/admin.ts";
import type { KillOrder } from "./model/kill-order.ts";
import type { HealthSnapshot } from "./observe/health.ts";
import type { Log } from "./observe/log.ts";
import type { MetricsSnapshot } from "./observe/metrics.ts";
import { type ProcessStatus, statusOf } from "./observe/status.ts";
import type { Child, Runtime } from "./runtime/contract.ts";
import { Supervisor } from "./supervisor.ts";

export const CONTROL_ENV = "SALLYPORT_CONTROL";
export const WORKER_ENV = "SALLYPORT_WORKER";
export const TOKEN_ENV = "SALLYPORT_CONTROL_TOKEN";

const RESTART_MIN_MS = 200;
const RESTART_MAX_MS = 10_000;
/** A worker that lived this long has proven that starting works. */
const STEADY_MS = 10_000;
/** Severing and flushing come after the drain deadline. */
const STOP_GRACE_MS = 5_000;

const ABSENT: HealthSnapshot = {
  phase: "starting",
  evidenceDown: false,
  policyStale: false,
  planeDown: false,
  limitsDown: false,
};

interface Worker {
  readonly number: number;
  child: Child;
  link: ControlLink | null;
  /** Its present process has said hello: it knows the kill order of that moment. */
  greeted: boolean;
  ready: boolean;
  startedAt: number;
  backoffMs: number;
  /** It has said that it obeys the switch that is on now. */
  shut: boolean;
  /** How much its link had heard when it was last looked at. */
  heard: number;
  /** Looks in a row with not a word from it. */
  missed: number;
}

/** EX_OSERR: there was no process to run, for want of memory or processes. */
const NOT_RUN = { code: 71, signal: null };
const NEVER_STARTED: Child = { pid: 0, exited: Promise.resolve(NOT_RUN), signal() {} };

/** Longer in all than compiling a large policy may hold a worker's loop. */
const TIMING = { lookMs: 5_000, misses: 8 };

/** The exit code, when all workers have ended. `timing`: how often a worker is looked at, and how many misses end it. */
export async function runParent(runtime: Runtime, config: Config, log: Log, timing = TIMING): Promise<number> {
  const directory = await runtime.makeTempDirectory();
  const path = `${directory}/control.sock`;
  const token = runtime.randomHex(32);
  const workers: Worker[] = [];
  /** Of all workers together, unless a Redis holds them. */
  const counters = new MemoryLimits(runtime);
  let stopping = false;
  let everReady = false;
  let firstReady: () => void = () => {};

  let stop: () => void = () => {};
  const supervisor = new Supervisor(runtime, log);

  /** Every off is one more: who did not obey an order that was taken back owes nothing. */
  let takenBack = 0;

  /** Resolves to how much was cut, when every worker obeys. */
  const tellAll = async (next: KillOrder): Promise<number> => {
    if (!next.on) {
      takenBack += 1;
      for (const worker of workers) worker.shut = false;
    }
    const round = takenBack;
    const cut = await Promise.all(
      workers.map(async (worker) => {
        const { number, child, link, greeted } = worker;
        const answer = link === null ? null : await link.kill(next);
        const current = round === takenBack && worker.child === child;
        if (answer?.kind === "killed") {
          if (current) worker.shut = next.on;
          return answer.severed;
        }
        // One that does not obey is ended, and comes back with the order. One that has not said hello yet will hear it.
        // Where nothing leaves since an earlier order, nothing does because this one, another reason, was not heard.
        if (next.on && greeted && current && !worker.shut) {
          log.error("worker does not obey the kill switch: ending it", { worker: number });
          child.signal("SIGKILL");
        }
        return 0;
      }),
    );
    return cut.reduce((sum, each) => sum + each, 0);
  };
  const kill = new KillSwitch(tellAll, runtime.now);

  const collect = (what: Question) => Promise.all(workers.map((worker) => worker.link?.ask(what) ?? null));
  const health = async () =>
    (await collect("health")).flatMap((answer) => (answer?.kind === "health" ? answer.all : [ABSENT]));
  const metrics = async () =>
    (await collect("metrics")).flatMap((answer): readonly MetricsSnapshot[] =>
      answer?.kind === "metrics" ? answer.all : [],
    );

  const receive = (message: Message, link: ControlLink): void => {
    if (message.kind === "hello") {
      const worker = workers.find(({ number }) => number === message.worker);
      if (worker === undefined || typeof message.token !== "string" || !constantTimeEqual(message.token, token)) {
        link.hangUp();
        return;
      }
      link.trust();
      worker.link = link;
      worker.missed = 0;
      worker.shut = false;
      worker.heard = 0;
      worker.greeted = true;
      link.send({ kind: "welcome", order: kill.order, admin });
      if (stopping) link.send({ kind: "drain" });
      return;
    }
    // Only a worker that said hello is told anything.
    const worker = workers.find((each) => each.link === link);
    if (worker === undefined) return;
    if (message.kind === "ready") {
      everReady = true;
      worker.ready = true;
      if (workers.every((each) => each.ready)) firstReady();
    } else if (message.kind === "take" || message.kind === "adjust" || message.kind === "renew") {
      count(counters, message, link);
    } else if (message.kind === "ask" && message.what === "health") {
      void health().then((all) => link.send({ kind: "health", id: message.id, all }));
    } else if (message.kind === "ask" && message.what === "metrics") {
      void metrics().then((all) => link.send({ kind: "metrics", id: message.id, all }));
    }
  };

  const operated: Operated = {
    vitals: { strict: config.readyStrict, health, metrics },
    async status() {
      const answers = await collect("status");
      const all = answers.flatMap((answer, index): readonly ProcessStatus[] =>
        answer?.kind === "status" ? answer.all : [absent(workers[index])],
      );
      return statusOf(statusFacts(runtime, config, kill.order), all, await metrics());
    },
    reload: () =>
      supervisor.reloading(async () => {
        const answers = (await collect("reload")).map((answer) =>
          answer?.kind === "reloaded" ? answer : { ok: false, message: "a worker did not answer" },
        );
        const messages = new Set(answers.map((answer) => answer.message));
        return { ok: answers.every((answer) => answer.ok), message: [...messages].join("; ") };
      }),
    kill: (on, reason) => kill.operate(on, reason),
    drain: () => stop(),
  };

  const unwatch = await watchKillSources(runtime, config, { kill, log });
  const listener = await runtime.listenUnix(path, (conn) => {
    const lost = (): void => {
      for (const worker of workers) if (worker.link === link) worker.link = null;
    };
    const link: ControlLink = new ControlLink(conn, receive, lost, true);
  });

  const admin = await openAdmin(runtime, config, operated, log).catch(async (thrown: unknown) => {
    unwatch();
    await listener.close();
    await runtime.remove(directory).catch(() => {});
    throw thrown;
  });

  const spawn = (number: number): Child => {
    try {
      return runtime.spawnSelf(["run"], { [CONTROL_ENV]: path, [WORKER_ENV]: String(number), [TOKEN_ENV]: token });
    } catch (thrown) {
      log.error("worker cannot be started", { worker: number, problem: messageOf(thrown) });
      return NEVER_STARTED;
    }
  };

  /** A worker whose loop stands still keeps its share of the port's connections, and none of them is answered. */
  const look = async (worker: Worker): Promise<void> => {
    const { link, child } = worker;
    if (link === null || stopping) return;
    const answer = await link.ask("health");
    if (worker.child !== child || worker.link !== link) return;
    // Whoever says anything, be it what was asked the last time, does not stand still: on a host with much to do it is slow.
    worker.missed = answer === null && link.heard === worker.heard ? worker.missed + 1 : 0;
    worker.heard = link.heard;
    if (worker.missed < timing.misses || stopping) return;
    log.error("worker does not answer: ending it", { worker: worker.number });
    worker.missed = 0;
    child.signal("SIGKILL");
  };
  const watching = setInterval(() => {
    for (const worker of workers) void look(worker);
  }, timing.lookMs);

  return new Promise((resolve) => {
    const finish = async (code: number) => {
      clearInterval(watching);
      supervisor.close();
      unwatch();
      await listener.close();
      await runtime.remove(path).catch(() => {});
      await runtime.remove(directory).catch(() => {});
      log.flush();
      resolve(code);
    };
    let left = config.workers;
    let worst = 0;

    const watch = (worker: Worker): void => {
      const ended = worker.child.exited.catch(() => NOT_RUN);
      void ended.then(({ code, signal }) => {
        worker.link = null;
        // Before any worker was ever ready, one that gives up (a taken port, a locked log) speaks for all of them.
        if (stopping || code === 78 || (!everReady && code !== null && code !== 0)) {
          if (code !== 0) worst = code ?? 1;
          left--;
          // A configuration one worker refuses, every worker refuses.
          if (!stopping) stop();
          if (left === 0) void finish(worst);
          return;
        }
        const lived = runtime.monotonic() - worker.startedAt;
        worker.backoffMs = lived >= STEADY_MS ? RESTART_MIN_MS : Math.min(RESTART_MAX_MS, worker.backoffMs * 2);
        log.error("worker ended, starting it again", {
          worker: worker.number,
          code: code ?? -1,
          signal: signal ?? "",
          wait_ms: worker.backoffMs,
        });
        setTimeout(() => {
          if (stopping) {
            left--;
            if (left === 0) void finish(worst);
            return;
          }
          worker.child = spawn(worker.number);
          worker.greeted = false;
          worker.shut = false;
          worker.missed = 0;
          worker.startedAt = runtime.monotonic();
          watch(worker);
        }, worker.backoffMs);
      });
    };

    stop = (): void => {
      if (stopping) return;
      stopping = true;
      supervisor.stopping();
      for (const worker of workers) {
        if (worker.link !== null) worker.link.send({ kind: "drain" });
        else worker.child.signal("SIGTERM");
      }
      setTimeout(() => {
        for (const worker of workers) worker.child.signal("SIGKILL");
      }, config.drainTimeoutMs + STOP_GRACE_MS);
    };

    firstReady = () => {
      firstReady = () => {};
      log.info("listening", { host: config.host, port: config.port, workers: config.workers });
      supervisor.ready(`${config.workers} workers listening on port ${config.port}`);
    };
    for (let number = 0; number < config.workers; number++) {
      const worker: Worker = {
        number,
        child: spawn(number),
        link: null,
        greeted: false,
        ready: false,
        startedAt: runtime.monotonic(),
        backoffMs: RESTART_MIN_MS,
        shut: false,
        heard: 0,
        missed: 0,
      };
      workers.push(worker);
      watch(worker);
    }
    runtime.onSignal("SIGTERM", stop);
    runtime.onSignal("SIGINT", stop);
    runtime.onSignal("SIGHUP", () => void operated.reload());
    runtime.onUncaught((thrown) => log.error("uncaught fault", { problem: messageOf(thrown) }));
  });
}

function absent(worker: Worker | undefined): ProcessStatus {
  const pid = worker?.child.pid ?? 0;
  return { pid, health: ABSENT, policyVersion: null, policyProblem: null, candidate: null, evidenceProblem: null };
}
