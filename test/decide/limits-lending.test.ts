/** Takings that somebody else settles: by the memory of one process, and by a Redis. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { runtime } from "#runtime";
import { LendingMemory } from "../../src/decide/limits-lending.ts";
import { RedisLimits } from "../../src/decide/limits-redis.ts";
import type { Adjustment, LendingStore } from "../../src/limits/store.ts";
import { killEveryRedis, type RedisServer, startRedis } from "../_redis-server.ts";
import { testUnless, tool } from "../_skip.ts";
import { budget, slots } from "./_needs.ts";

const NO_REDIS = tool("redis-server");
let server: RedisServer | null = null;
const stores: RedisLimits[] = [];
beforeAll(async () => {
  if (NO_REDIS === null) server = await startRedis();
});
afterAll(() => {
  for (const store of stores) store.close();
  killEveryRedis();
});

let ms = 1e12;
const memory = (): LendingStore => new LendingMemory({ now: () => ms, monotonic: () => ms });
async function redis(): Promise<LendingStore> {
  const client = runtime.redis({ url: server?.url ?? "", connectTimeoutMs: 2_000 });
  await client.tried;
  await client.eval("return redis.call('FLUSHALL')", [], []);
  const store = new RedisLimits(client, runtime.sha256, { timeoutMs: 5_000 });
  stores.push(store);
  return store;
}

const SUM = budget({ key: "sum", max: 1_000, amount: 100 });
const PLACE = slots({ key: "place", max: 1 });
const back = (delta: number, window: number): Adjustment => ({ kind: "window", key: "sum", window, delta });

async function spent(store: LendingStore): Promise<number> {
  return (await store.take("probe", [{ ...SUM, amount: 0 }])).levels[0]?.value ?? -1;
}

for (const [kind, open, missing] of [
  ["memory", async () => memory(), null],
  ["Redis", redis, NO_REDIS],
] as const) {
  testUnless(missing, `${kind}: a holder is settled once, whoever else is settled again and again`, async () => {
    const store = await open();
    const taken = await store.take("a", [SUM, PLACE]);
    const window = taken.levels[0]?.mark ?? 0;
    const ends: Adjustment[] = [back(-40, window), { kind: "slots", key: "place" }];
    expect(await store.settle("a", ends)).toBe(false);
    expect(await spent(store)).toBe(100);
    store.lend("a", 60_000);
    expect((await store.take("b", [PLACE])).taken).toBe(false);
    expect(await store.settle("b", ends)).toBe(false);
    expect(await store.prolong("b", ["place"], { lentMs: 60_000, leaseMs: 60_000 })).toBe(false);
    const all = await Promise.all(Array.from({ length: 20 }, () => store.settle("a", ends)));
    expect(all.filter(Boolean)).toHaveLength(1);
    expect(await spent(store)).toBe(60);
    expect(await store.prolong("a", ["place"], { lentMs: 60_000, leaseMs: 60_000 })).toBe(false);
    expect((await store.take("b", [PLACE])).taken).toBe(true);
  });

  testUnless(
    missing,
    `${kind}: what is not heard of any more stays as it was reserved, and its place is free`,
    async () => {
      const store = await open();
      // The clock of Redis goes on by itself: what must not be over yet has time.
      const shortMs = kind === "memory" ? 40 : 2_000;
      const short = { ...PLACE, leaseMs: shortMs };
      const window = (await store.take("a", [SUM, short])).levels[0]?.mark ?? 0;
      store.lend("a", shortMs);
      expect(await store.prolong("a", ["place"], { lentMs: 60_000, leaseMs: 150 })).toBe(true);
      ms += 100;
      const other = () => Promise.resolve(store.take("b", [short])).then(({ taken }) => taken);
      if (kind === "memory") expect(await other()).toBe(false);
      ms += 100;
      while (!(await other())) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await store.settle("a", [back(-1, window)])).toBe(true);
      await store.take("c", [SUM]);
      store.lend("c", 40);
      ms += 50;
      const late = async (): Promise<boolean> => store.prolong("c", [], { lentMs: 1, leaseMs: 1 });
      while (await late()) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await store.settle("c", [back(-100, window)])).toBe(false);
      expect(await spent(store)).toBe(199);
    },
  );
}

describe("the memory", () => {
  test("forgets the oldest of too many, which stay reserved", () => {
    const store = new LendingMemory({ now: () => ms, monotonic: () => ms }, 100);
    for (let i = 0; i < 150; i++) store.lend(`h${i}`, 1_000);
    const known = Array.from({ length: 150 }, (_, i) => store.settle(`h${i}`, []));
    expect(known.filter(Boolean)).toHaveLength(100);
    expect(known.indexOf(true)).toBe(50);
  });
});
