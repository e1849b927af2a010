/** The parent of EVE_PROXY_WORKERS processes: it serves no traffic, it starts, watches, asks and stops them. */
import type { Config } from "./config/config.ts";
import { ControlLink, type Message } from "./control.ts";
import { constantTimeEqual } from "./crypto/digest.ts";
import { messageOf } from "./errors.ts";
import type { HealthSnapshot } from "./observe/health.ts";
import type { Log } from "./observe/log.ts";
import type { MetricsSnapshot } from "./observe/metrics.ts";
import type { Child, Runtime } from "./runtime/contract.ts";

export const CONTROL_ENV = "SALLYPORT_CONTROL";
export const WORKER_ENV = "SALLYPORT_WORKER";
export const TOKEN_ENV = "SALLYPORT_CONTROL_TOKEN";

const RESTART_MIN_MS = 200;
const RESTART_MAX_MS = 10_000;
/** A worker that lived this long has proven that starting works. */
const STEADY_MS = 10_000;
/** Severing and flushing come after the drain deadline. */
const STOP_GRACE_MS = 5_000;

const ABSENT: HealthSnapshot = { phase: "starting", evidenceDown: false, policyStale: false, planeDown: false };

interface Worker {
  readonly number: number;
  child: Child;
  link: ControlLink | null;
  startedAt: number;
  backoffMs: number;
}

export async function runParent(runtime: Runtime, config: Config, log: Log): Promise<number> {
  const directory = await runtime.makeTempDirectory();
  const path = `${directory}/control.sock`;
  const token = runtime.randomHex(32);
  const workers: Worker[] = [];
  let stopping = false;
  let firstReady: () => void = () => {};

  const collect = async (what: "health" | "metrics"): Promise<(Message | null)[]> =>
    Promise.all(workers.map((worker) => worker.link?.ask(what) ?? null));

  const receive = (message: Message, link: ControlLink): void => {
    if (message.kind === "hello") {
      const worker = workers[message.worker];
      if (worker === undefined || !constantTimeEqual(message.token, token)) {
        link.hangUp();
        return;
      }
      worker.link = link;
      if (stopping) link.send({ kind: "drain" });
      if (workers.every((each) => each.link !== null)) firstReady();
      return;
    }
    // Only a worker that said hello is told anything.
    if (message.kind !== "ask" || !workers.some((worker) => worker.link === link)) return;
    const { id, what } = message;
    void collect(what).then((answers) => {
      if (what === "health") {
        const all = answers.flatMap((answer) => (answer?.kind === "health" ? answer.all : [ABSENT]));
        link.send({ kind: "health", id, all });
      } else {
        const all = answers.flatMap((answer): readonly MetricsSnapshot[] =>
          answer?.kind === "metrics" ? answer.all : [],
        );
        link.send({ kind: "metrics", id, all });
      }
    });
  };

  const listener = await runtime.listenUnix(path, (conn) => {
    const link: ControlLink = new ControlLink(conn, receive, () => {
      for (const worker of workers) if (worker.link === link) worker.link = null;
    });
  });

  const spawn = (number: number): Child =>
    runtime.spawnSelf(["run"], { [CONTROL_ENV]: path, [WORKER_ENV]: String(number), [TOKEN_ENV]: token });

  return new Promise((resolve) => {
    const finish = async (code: number) => {
      await listener.close();
      await runtime.remove(path).catch(() => {});
      await runtime.remove(directory).catch(() => {});
      log.flush();
      resolve(code);
    };
    let left = config.workers;
    let worst = 0;

    const watch = (worker: Worker): void => {
      void worker.child.exited.then(({ code, signal }) => {
        worker.link = null;
        if (stopping || code === 78) {
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
          worker.startedAt = runtime.monotonic();
          watch(worker);
        }, worker.backoffMs);
      });
    };

    const stop = (): void => {
      if (stopping) return;
      stopping = true;
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
    };
    for (let number = 0; number < config.workers; number++) {
      const worker: Worker = {
        number,
        child: spawn(number),
        link: null,
        startedAt: runtime.monotonic(),
        backoffMs: RESTART_MIN_MS,
      };
      workers.push(worker);
      watch(worker);
    }
    runtime.onSignal("SIGTERM", stop);
    runtime.onSignal("SIGINT", stop);
    runtime.onSignal("SIGHUP", () => {
      for (const worker of workers) worker.link?.send({ kind: "reload" });
    });
    runtime.onUncaught((thrown) => log.error("uncaught fault", { problem: messageOf(thrown) }));
  });
}
