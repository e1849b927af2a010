/** The counters of many gateways in one Redis: one round trip a request, whatever the number of its limits. */
import { Fault, messageOf } from "../errors.ts";
import type { Adjustment, LendingStore, Level, Need, Prolonged, Taken } from "../limits/store.ts";
import type { RedisClient, RedisReply, Runtime } from "../runtime/contract.ts";
import { ADJUST, LEND, PROLONG, RENEW, SETTLE, TAKE } from "./limits-script.ts";

export interface RedisLimitsOptions {
  /** How long an answer is waited for. */
  readonly timeoutMs: number;
  /** Microseconds, instead of Redis's own clock; for tests only. */
  readonly clockUs?: () => number;
  /** Told of adjustments that could not be made. */
  readonly lost?: (thrown: unknown) => void;
}

/** How often it is looked whether it can be asked. */
const LOOK_MS = 500;
/** Needs no key and changes nothing. */
const HELLO = "return 1";

/** The braces keep all keys in one slot of a cluster: a script may only name keys of one. */
const PREFIX = "sallyport:{limits}:";
const RENEW_AT_ONCE = 500;

export class RedisLimits implements LendingStore {
  readonly #client: RedisClient;
  readonly #sha256: Runtime["sha256"];
  readonly #options: RedisLimitsOptions;
  /** The last one that was waited for did not answer in time. */
  #silent = false;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(client: RedisClient, sha256: Runtime["sha256"], options: RedisLimitsOptions) {
    this.#client = client;
    this.#sha256 = sha256;
    this.#options = options;
  }

  get up(): boolean {
    return this.#client.up && !this.#silent;
  }

  /** Why it cannot be asked, without a secret; null while it can be. */
  get problem(): string | null {
    return this.#client.problem ?? (this.#silent ? "no answer in time" : null);
  }

  /** Whether it answers now: a connection may stand to somebody who never says a word. */
  async answers(): Promise<boolean> {
    const { promise: over, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), this.#options.timeoutMs);
    // An error is an answer too.
    const asked = this.#client.eval(HELLO, [], []).then(
      () => true,
      () => this.#client.up,
    );
    this.#silent = !(await Promise.race([asked, over]));
    clearTimeout(timer);
    return this.up;
  }

  /** Tells from now on, until it is closed, whenever it can be asked no longer, or again. */
  watch(turned: (up: boolean) => void): void {
    let known = this.up;
    let asking = false;
    this.#timer = setInterval(() => {
      const { up } = this;
      if (up !== known) turned(up);
      known = up;
      // Nobody may be asking meanwhile, and whoever looks at the readiness sends nobody until it is well.
      if (!this.#silent || !this.#client.up || asking) return;
      asking = true;
      void this.answers().finally(() => {
        asking = false;
      });
    }, LOOK_MS);
  }

  /** Rejects with Fault `redis_failed`, or `limits_uncounted` when Redis has no memory left. What was taken by an answer that comes too late is given back. */
  take(holder: string, needs: readonly Need[]): Promise<Taken> {
    const args = [this.#clock, holder];
    for (const need of needs) args.push(...argumentsOf(need));
    const keys = needs.map(({ key }) => this.#key(key));
    const asked = this.#client.eval(TAKE, keys, args).then((reply) => readTaken(reply, needs.length));
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        this.#silent = true;
        reject(new Fault("redis_failed", "no answer in time"));
      }, this.#options.timeoutMs);
      asked.then(
        (taken) => {
          clearTimeout(timer);
          this.#silent = false;
          if (!late) resolve(taken);
          else if (taken.taken) this.adjust(holder, giveBack(needs, taken));
        },
        (thrown) => {
          clearTimeout(timer);
          reject(outOfMemory(thrown) ? new Fault("limits_uncounted", "Redis has no memory left") : thrown);
        },
      );
    });
  }

  adjust(holder: string, adjustments: readonly Adjustment[]): void {
    if (adjustments.length === 0) return;
    const keys = adjustments.map(({ key }) => this.#key(key));
    const args = this.#adjusting(holder, adjustments);
    this.#client.eval(ADJUST, keys, args).catch((thrown: unknown) => this.#options.lost?.(thrown));
  }

  lend(holder: string, ms: number): void {
    this.#client
      .eval(LEND, [this.#lent(holder)], [String(ms)])
      .catch((thrown: unknown) => this.#options.lost?.(thrown));
  }

  async settle(holder: string, adjustments: readonly Adjustment[]): Promise<boolean> {
    const keys = [...adjustments.map(({ key }) => this.#key(key)), this.#lent(holder)];
    return (await this.#client.eval(SETTLE, keys, this.#adjusting(holder, adjustments))) === 1;
  }

  async prolong(holder: string, places: readonly string[], { lentMs, leaseMs }: Prolonged): Promise<boolean> {
    const keys = [...places.map((key) => this.#key(key)), this.#lent(holder)];
    const args = [this.#clock, String(leaseMs), holder, String(lentMs)];
    return (await this.#client.eval(PROLONG, keys, args)) === 1;
  }

  renew(places: readonly { readonly holder: string; readonly key: string }[], leaseMs: number): void {
    for (let i = 0; i < places.length; i += RENEW_AT_ONCE) {
      const some = places.slice(i, i + RENEW_AT_ONCE);
      const args = [this.#clock, String(leaseMs), ...some.map(({ holder }) => holder)];
      const keys = some.map(({ key }) => this.#key(key));
      this.#client.eval(RENEW, keys, args).catch((thrown: unknown) => this.#options.lost?.(thrown));
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#client.close();
  }

  #adjusting(holder: string, adjustments: readonly Adjustment[]): string[] {
    const args = [this.#clock, holder];
    for (const each of adjustments) {
      if (each.kind === "slots") args.push("c", "0", "0");
      else args.push("w", String(each.window), String(each.delta));
    }
    return args;
  }

  /** No limit's key is so short. */
  #lent(holder: string): string {
    return this.#key(`lent ${holder}`);
  }

  get #clock(): string {
    return this.#options.clockUs === undefined ? "" : String(this.#options.clockUs());
  }

  /** A name of bounded length in which no agent's and no model's can be read. */
  #key(key: string): string {
    return `${PREFIX}${this.#sha256(key).slice(0, 32)}`;
  }
}

/** What undoes a taking: places and budgets; a pace that was set is not taken back. */
export function giveBack(needs: readonly Need[], { levels }: Taken): Adjustment[] {
  return needs.flatMap((need, i): Adjustment[] => {
    if (need.kind === "rate") return [];
    if (need.kind === "slots") return [{ kind: "slots", key: need.key }];
    return [{ kind: "window", key: need.key, window: levels[i]?.mark ?? 0, delta: -need.amount }];
  });
}

function argumentsOf(need: Need): string[] {
  const enforce = need.enforce ? "1" : "0";
  const numbers = (...all: readonly number[]): string[] => [...all, 0, 0, 0, 0, 0].slice(0, 5).map(String);
  if (need.kind === "rate") return ["r", enforce, ...numbers(need.requests, need.periodUs, need.burst)];
  if (need.kind === "slots") return ["c", enforce, ...numbers(need.max, need.leaseMs)];
  return ["w", enforce, ...numbers(need.seconds, need.offset, need.max, need.amount)];
}

/** It answers, so it is not out of reach; and names that clients invent can fill it. */
function outOfMemory(thrown: unknown): boolean {
  return /\bOOM\b/.test(messageOf(thrown));
}

/** Throws Fault `redis_failed` for what the script never says. */
function readTaken(reply: RedisReply, needs: number): Taken {
  const numbers = Array.isArray(reply) ? reply.map(Number) : [];
  if (numbers.length !== 2 + 3 * needs || !numbers.every((each) => Number.isSafeInteger(each))) {
    throw new Fault("redis_failed", "the answer of the script is malformed");
  }
  const at = (index: number): number => numbers[index] ?? 0;
  const levels: Level[] = [];
  for (let i = 2; i < numbers.length; i += 3) levels.push({ fits: at(i) === 1, value: at(i + 1), mark: at(i + 2) });
  return { taken: at(0) === 1, now: Math.floor(at(1) / 1000), levels };
}
