import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { resolve } from "node:path";
import { runtime } from "#runtime";
import { MemoryLimits } from "../../src/decide/limits-memory.ts";
import { giveBack, RedisLimits, type RedisLimitsOptions } from "../../src/decide/limits-redis.ts";
import { Fault } from "../../src/errors.ts";
import type { Need, Taken } from "../../src/limits/store.ts";
import { killEveryRedis, type RedisServer, startRedis } from "../_redis-server.ts";
import { testUnless, tool } from "../_skip.ts";
import { budget, numbers, rate, slots } from "./_needs.ts";

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

function redis(): RedisServer {
  if (server === null) throw new Error("no redis-server was started");
  return server;
}

async function store(options: Partial<RedisLimitsOptions> = {}, url = redis().url): Promise<RedisLimits> {
  const client = runtime.redis({ url, connectTimeoutMs: 2_000 });
  await client.tried;
  const made = new RedisLimits(client, runtime.sha256, { timeoutMs: 5_000, ...options });
  stores.push(made);
  return made;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 5));
}

testUnless(NO_REDIS, "an unreachable server rejects at once", async () => {
  const client = runtime.redis({ url: "redis://127.0.0.1:1", connectTimeoutMs: 500 });
  await client.tried;
  const lost = new RedisLimits(client, runtime.sha256, { timeoutMs: 60_000 });
  stores.push(lost);
  expect(lost.up).toBe(false);
  await expect(lost.take("a", [budget()])).rejects.toMatchObject({ code: "redis_failed" });
});

test("a peer that takes connections and says nothing is not up, once it was asked", async () => {
  const mute = createServer(() => {});
  await new Promise<void>((done) => mute.listen(0, "127.0.0.1", done));
  const { port } = mute.address() as AddressInfo;
  const made = await store({ timeoutMs: 50 }, `redis://127.0.0.1:${port}`);
  expect(await made.answers()).toBe(false);
  expect([made.up, made.problem]).toEqual([false, "no answer in time"]);
  mute.close();
});

testUnless(NO_REDIS, "silence is noticed, told once, and so is its end, though nobody asks", async () => {
  const own = await startRedis();
  const turns: boolean[] = [];
  const made = await store({ timeoutMs: 1_000 }, own.url);
  expect(await made.answers()).toBe(true);
  made.watch((up) => void turns.push(up));
  own.hang();
  await expect(made.take("a", [budget({ key: "mute" })])).rejects.toMatchObject({ code: "redis_failed" });
  expect(made.up).toBe(false);
  await until(() => turns.length === 1);
  own.goOn();
  await until(() => turns.length === 2);
  expect([turns, made.up, made.problem]).toEqual([[false, true], true, null]);
  await own.kill();
  await until(() => turns.length === 3);
  expect(turns[2]).toBe(false);
});

testUnless(NO_REDIS, "refusals take nothing", async () => {
  const one = await store();
  const needs = [budget({ key: "r1", amount: 60 }), slots({ key: "r2" }), budget({ key: "r3", max: 5, amount: 6 })];
  expect((await one.take("a", needs)).taken).toBe(false);
  expect((await one.take("b", needs.slice(0, 2))).levels.map(({ value }) => value)).toEqual([0, 0]);
});

testUnless(NO_REDIS, "what was spent is never more than can be counted, and is counted on", async () => {
  const memory = new MemoryLimits(runtime);
  for (const one of [await store(), memory]) {
    const need = budget({ key: "beyond", max: Number.MAX_SAFE_INTEGER });
    const first = await one.take("a", [need]);
    const window = first.levels[0]?.mark ?? 0;
    for (const _ of [1, 2])
      one.adjust("a", [{ kind: "window", key: need.key, window, delta: 2 * Number.MAX_SAFE_INTEGER }]);
    // What is not waited for may come behind the next call, once.
    while (((await one.take("b", [{ ...need, amount: 0 }])).levels[0]?.value ?? 0) < 2);
    expect(await one.take("c", [need])).toMatchObject({
      taken: false,
      levels: [{ fits: false, value: Number.MAX_SAFE_INTEGER }],
    });
  }
});

testUnless(NO_REDIS, "every answer is that of the memory store, for any mixture of calls", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = numbers(seed);
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
    let us = Date.UTC(2024, 1, 28, 23) * 1000;
    const memory = new MemoryLimits({ now: () => Math.floor(us / 1000), monotonic: () => us / 1000 });
    const shared = await store({ clockUs: () => us });
    const make = (): Need => {
      const key = `e${seed}${pick(["x", "y"])}`;
      const enforce = random() < 0.8;
      const kind = random();
      if (kind < 0.3) return rate({ key: `${key}r`, enforce, requests: 7, burst: 3 });
      if (kind < 0.6) return slots({ key: `${key}s`, enforce, max: 2, leaseMs: 5_000 });
      const [seconds, offset] = pick([
        [0, 0],
        [604_800, 345_600],
        [86_400, 0],
        [60, 0],
      ] as const);
      const amount = Math.floor(random() * 3e15);
      return budget({ key: `${key}${seconds}`, enforce, seconds, offset, max: 9e15, amount });
    };
    const open: { holder: string; needs: Need[]; taken: Taken }[] = [];
    for (let i = 0; i < 150; i++) {
      us += Math.floor(random() ** 6 * 40 * 86_400 * 1e6);
      const needs = [...new Map([make(), make(), make()].map((need) => [need.key, need])).values()];
      const here = memory.take(`h${i}`, needs);
      const there = await shared.take(`h${i}`, needs);
      expect(there).toEqual(here);
      if (here.taken) open.push({ holder: `h${i}`, needs, taken: here });
      if (random() < 0.4 && open.length > 0) {
        const [one] = open.splice(Math.floor(random() * open.length), 1);
        if (one === undefined) continue;
        const back = giveBack(one.needs, one.taken);
        memory.adjust(one.holder, back);
        shared.adjust(one.holder, back);
      }
    }
  }
});

testUnless(NO_REDIS, "1,000 takings at once by two connections against a budget of 100 give exactly 100", async () => {
  const [one, two] = [await store(), await store()];
  const needs = [budget({ key: "race" })];
  const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? one : two).take(`h${i}`, needs)));
  expect(all.filter(({ taken }) => taken)).toHaveLength(100);
});

testUnless(NO_REDIS, "two processes hold one budget exactly", async () => {
  const worker = resolve(import.meta.dir, "_taker.ts");
  const run = (name: string): Promise<number> =>
    new Promise((done, failed) => {
      const child = spawn(process.execPath, [worker, redis().url, name, "400"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let out = "";
      child.stdout.on("data", (bytes) => {
        out += bytes;
      });
      child.on("close", (code) => (code === 0 ? done(Number(out)) : failed(new Error(`ended with ${code}`))));
    });
  const counts = await Promise.all([run("a"), run("b")]);
  expect(counts.reduce((sum, each) => sum + each, 0)).toBe(100);
});

testUnless(NO_REDIS, "a server that forgot the scripts is told them again", async () => {
  const one = await store();
  await one.take("a", [budget({ key: "flush" })]);
  const client = runtime.redis({ url: redis().url, connectTimeoutMs: 2_000 });
  await client.tried;
  await client.eval('return redis.call("SET", KEYS[1], "x")', ["sallyport:test"], []);
  const flush = spawn("redis-cli", ["-p", String(redis().port), "script", "flush"], { stdio: "ignore" });
  await new Promise((done) => flush.on("exit", done));
  expect((await one.take("b", [budget({ key: "flush" })])).levels[0]?.value).toBe(1);
  client.close();
});

testUnless(NO_REDIS, "a server that hangs is an outage in time, and what it took late is given back", async () => {
  const own = await startRedis();
  const one = await store({ timeoutMs: 200 }, own.url);
  const patient = await store({}, own.url);
  const needs = [budget({ key: "late", amount: 70 }), slots({ key: "late slots" })];
  own.hang();
  await expect(one.take("a", needs)).rejects.toMatchObject({ code: "redis_failed", message: "no answer in time" });
  own.goOn();
  // On the connection of the late answer: behind it, and then behind what it led to.
  for (let answered = 0; answered < 2; ) {
    const probe = await one.take("probe", [slots({ key: "probe", max: 99 })]).catch(() => null);
    if (probe !== null) answered++;
  }
  const seen = await patient.take("b", [budget({ key: "late", amount: 0 })]);
  expect(seen.levels[0]?.value).toBe(0);
  expect((await patient.take("c", [slots({ key: "late slots" })])).levels[0]?.value).toBe(0);
  await own.kill();
});

testUnless(NO_REDIS, "a server that dies is an outage, and counts again when it is back", async () => {
  const own = await startRedis();
  const one = await store({}, own.url);
  await one.take("a", [budget()]);
  await own.kill();
  await until(() => !one.up);
  await expect(one.take("b", [budget()])).rejects.toMatchObject({ code: "redis_failed" });
  await own.restart();
  await until(() => one.up);
  expect((await one.take("c", [budget()])).taken).toBe(true);
  await own.kill();
});

testUnless(
  NO_REDIS,
  "user, password and database are obeyed; a wrong password is an outage and is not repeated",
  async () => {
    // What docs/limits.md asks for, and nothing more.
    const documented = /needs `([^`]+)`/.exec(readFileSync(resolve(import.meta.dir, "../../docs/limits.md"), "utf8"));
    const rights = documented?.[1]?.split(" ") ?? [];
    expect(rights).toContain("~sallyport:*");
    const user = ["--user", "gate", "on", ">s3cret", ...rights];
    const own = await startRedis(["--requirepass", "other", ...user]);
    const right = await store({}, `redis://gate:s3cret@127.0.0.1:${own.port}/3`);
    expect((await right.take("a", [budget(), slots(), rate()])).taken).toBe(true);
    right.renew([{ holder: "a", key: "slots" }], 60_000);
    const elsewhere = await store({}, `redis://gate:s3cret@127.0.0.1:${own.port}/4`);
    expect((await elsewhere.take("a", [budget()])).levels[0]?.value).toBe(0);
    expect((await right.take("b", [budget()])).levels[0]?.value).toBe(1);
    const client = runtime.redis({ url: `redis://gate:wr0ng@127.0.0.1:${own.port}`, connectTimeoutMs: 2_000 });
    await client.tried;
    expect(client.up).toBe(false);
    expect(client.problem).not.toContain("wr0ng");
    client.close();
    await own.kill();
  },
);

testUnless(NO_REDIS, "every key says when it is over", async () => {
  const one = await store();
  await one.take("ttl", [
    budget({ key: "t1" }),
    budget({ key: "t2", seconds: 0 }),
    slots({ key: "t3" }),
    rate({ key: "t4" }),
  ]);
  const client = runtime.redis({ url: redis().url, connectTimeoutMs: 2_000 });
  await client.tried;
  for (const [key, most] of [
    ["t1", 86_460_000],
    ["t2", 2_764_860_000],
    ["t3", 120_000],
    ["t4", 61_000],
  ] as const) {
    const name = `sallyport:{limits}:${runtime.sha256(key).slice(0, 32)}`;
    const ttl = Number(await client.eval('return redis.call("PTTL", KEYS[1])', [name], []));
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(most);
  }
  client.close();
});

test("a server without memory is no outage: names that somebody invents fill it", async () => {
  for (const said of [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "ERR Error running script: OOM command not allowed when used memory",
  ]) {
    const fail = async () => Promise.reject(new Fault("redis_failed", said));
    const client = { eval: fail, up: true, problem: null, tried: Promise.resolve(), close() {} };
    const full = new RedisLimits(client, runtime.sha256, { timeoutMs: 1_000 });
    await expect(full.take("a", [budget()])).rejects.toMatchObject({ code: "limits_uncounted" });
  }
});

testUnless(NO_REDIS, "a real server without memory says so", async () => {
  const tight = await startRedis(["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
  const one = await store({}, tight.url);
  await expect(one.take("a", [budget()])).rejects.toMatchObject({ code: "limits_uncounted" });
  await tight.kill();
});

test("an answer that no script gives is an outage", async () => {
  for (const reply of [null, "OK", 1, [1], [1, 2, "x", 3, 4], ["1", "2", "1", "1.5", "0"]]) {
    const client = { eval: async () => reply, up: true, problem: null, tried: Promise.resolve(), close() {} };
    const odd = new RedisLimits(client, runtime.sha256, { timeoutMs: 1_000 });
    await expect(odd.take("a", [budget()])).rejects.toMatchObject({ code: "redis_failed" });
  }
});
