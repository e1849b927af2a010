/** The limiter a configuration asks for. */
import type { Config } from "../config/config.ts";
import { Fault, messageOf } from "../errors.ts";
import type { LimitProgram } from "../limits/compile.ts";
import type { LimitStore } from "../limits/store.ts";
import type { Log } from "../observe/log.ts";
import type { Runtime } from "../runtime/contract.ts";
import { bodyDecoder } from "./decode.ts";
import type { LimitResult, Limiter as Limits } from "./limits.ts";
import { MemoryLimits } from "./limits-memory.ts";
import { RedisLimits } from "./limits-redis.ts";
import { withoutPolicy } from "./no-policy.ts";

export type Limiter = Pick<Limits, "program" | "reserve" | "up" | "close">;

export interface LimiterEnv {
  readonly program: () => LimitProgram | null;
  /** Who holds the counters when no Redis does; null: this process. */
  readonly counters: LimitStore | null;
  readonly counted: (limit: string, result: LimitResult) => void;
  readonly log: Log;
}

const COMPLAIN_MS = 5_000;

/** With a Redis it waits for the first try to reach it, so that a gateway that starts beside it refuses nobody. */
export async function openLimiter(runtime: Runtime, config: Config, env: LimiterEnv): Promise<Limiter> {
  const counters = env.counters ?? new MemoryLimits(runtime);
  const { store, failed } = await openCounters(runtime, config, { counters, log: env.log });
  // Limits are a policy's. What reads bodies for them takes longer to load than all the rest.
  if (withoutPolicy(config)) return unlimited(store);
  const { Limiter } = await import("./limits.ts");
  return new Limiter({
    runtime,
    program: env.program,
    store,
    tenant: config.orgId,
    shadow: config.mode === "shadow",
    decode: bodyDecoder(runtime, config),
    counted: env.counted,
    failed,
  });
}

function unlimited(store: LimitStore): Limiter {
  return {
    program: null,
    reserve: (_egress, { decision }) => ({ decision, reservation: null }),
    get up() {
      return store.up;
    },
    close: () => store.close(),
  };
}

export interface Counters<S extends LimitStore> {
  readonly store: S;
  /** Tells the log now and then that they cannot be asked. */
  readonly failed: (thrown: unknown) => void;
}

/** Waits as `openLimiter`. */
export async function openCounters<S extends LimitStore>(
  runtime: Runtime,
  config: Pick<Config, "redis" | "enforceTimeoutMs">,
  env: Counting<S>,
): Promise<Counters<S | RedisLimits>> {
  let told = Number.NEGATIVE_INFINITY;
  const failed = (thrown: unknown): void => {
    if (runtime.monotonic() - told < COMPLAIN_MS) return;
    told = runtime.monotonic();
    const full = thrown instanceof Fault && thrown.code === "limits_uncounted";
    const whose = config.redis === null ? "" : " (EVE_PROXY_REDIS_URL)";
    const what = full ? "limits cannot count any more names" : `the counters of limits cannot be asked${whose}`;
    env.log.error(what, { problem: messageOf(thrown) });
  };
  return { store: await openStore(runtime, config, env, failed), failed };
}

interface Counting<S> {
  /** Who counts when no Redis does. */
  readonly counters: S;
  readonly log: Log;
}

async function openStore<S extends LimitStore>(
  runtime: Runtime,
  { redis, enforceTimeoutMs }: Pick<Config, "redis" | "enforceTimeoutMs">,
  { counters, log }: Counting<S>,
  failed: (thrown: unknown) => void,
): Promise<S | RedisLimits> {
  if (redis === null) return counters;
  const ca = redis.ca === null ? {} : { ca: redis.ca };
  const client = runtime.redis({ url: redis.url, connectTimeoutMs: enforceTimeoutMs, ...ca });
  await soon(client.tried, enforceTimeoutMs + LOADING_MS);
  // A part of the time a decision may take: the other is the engine's.
  const store = new RedisLimits(client, runtime.sha256, { timeoutMs: enforceTimeoutMs / 2, lost: failed });
  const down = (): void => log.error(UNREACHABLE, { problem: store.problem ?? "" });
  if (!client.up || !(await store.answers())) down();
  store.watch((up) => {
    if (up) log.info("Redis answers again: limits count");
    else down();
  });
  return store;
}

const UNREACHABLE = "EVE_PROXY_REDIS_URL: Redis cannot be asked: limits fail closed unless they say on_outage: open";
/** What speaks to Redis has to be loaded too. */
const LOADING_MS = 1_000;

/** At the latest after `ms`: a server that takes a connection and asks for nothing keeps nobody from starting. */
async function soon(tried: Promise<void>, ms: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([tried, over]);
  clearTimeout(timer);
}
