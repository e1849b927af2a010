import { describe, expect, test } from "bun:test";
import { decisionAnswerSchema, limitWordSchema } from "../../src/decide/governance-schema.ts";
import { LendingMemory } from "../../src/decide/limits-lending.ts";
import type { Outcome, Settle } from "../../src/decide/outcome-schema.ts";
import { type Ruling, ruling } from "../../src/engine/ruling.ts";
import { Fault } from "../../src/errors.ts";
import type { Adjustment } from "../../src/limits/store.ts";
import type { Question } from "../../src/model/question.ts";
import { answerOf } from "../../src/plane/answer.ts";
import { Limiting } from "../../src/plane/limiting.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { questionWith } from "../_question.ts";
import { numbers } from "../decide/_needs.ts";
import { program } from "../limits/_limits.ts";

const QUESTION = questionWith({
  agent: "writer",
  host: "api.test",
  path: "/v1",
  headers: [["Content-Type", "application/json"]],
  body: "0123456789",
});
const asked = (change: Partial<Question> = {}) => {
  const question = { ...QUESTION, ...change };
  return { id: "q", question, inside: false, bytes: question.body?.length ?? 0 };
};
const FINE = ruling("allow", "fine", { ttlS: 60, policyVersion: "v1" });
const ENDED: Outcome["ended"] = { sent: true, status: 200, bytes_up: 10, bytes_down: 30, whole: true, usage: null };

function limiting(limits: unknown, store = new LendingMemory({ now: () => 0, monotonic: () => 0 }), key = "key") {
  const counted: string[] = [];
  const failed: unknown[] = [];
  const made = new Limiting({
    runtime,
    store,
    failed: (thrown) => failed.push(thrown),
    hmac: runtime.hmacSha256(new TextEncoder().encode(key)),
    counted: (tenant, limit, result) => counted.push(`${tenant} ${limit} ${result}`),
  });
  const compiled = program(limits);
  const rule = (tenant = "acme", about = asked(), ruled: Ruling = FINE) =>
    made.apply({ tenant, program: compiled }, about, ruled);
  const settle = (settle: Settle | undefined, ended: Outcome["ended"] = ENDED, tenant = "acme") =>
    made.settle(tenant, [{ settle: settle?.token ?? "", ended }]);
  return { made, rule, settle, counted, failed };
}

const SUM = { id: "sum", bytes: { max: 100, per: "1mo" } };

test("what does not permit, and what no limit matches, is left as it is and takes nothing", async () => {
  const { rule, counted } = limiting([{ ...SUM, match: { hosts: ["other.test"] } }]);
  expect(await rule()).toBe(FINE);
  const denied = ruling("deny", "no");
  expect(await limiting([SUM]).rule("acme", asked(), denied)).toBe(denied);
  expect(await limiting([]).rule()).toBe(FINE);
  expect(counted).toEqual([]);
});

test("a message takes nothing: its stream was counted", async () => {
  const { rule, counted } = limiting([{ id: "pace", rate: { requests: 1, per: "1h" } }]);
  for (let i = 0; i < 3; i++) expect(await rule("acme", asked({ phase: "message" }))).toBe(FINE);
  expect(counted).toEqual([]);
  expect(await rule()).not.toBe(FINE);
});

test("an allow that is counted is not to be remembered, and a refusal says nothing of the ruling before it", async () => {
  const { rule } = limiting([{ id: "pace", rate: { requests: 1, per: "1h" } }]);
  const controls = { ...FINE, controls: ["LLM01"] };
  expect(await rule("acme", asked(), controls)).toEqual({ ...controls, ttlS: 0 });
  expect(
    await rule("acme", asked(), { ...controls, verdict: "sanitize", replacement: new Uint8Array(3) }),
  ).toMatchObject({
    verdict: "deny",
    replacement: null,
    controls: [],
    would: null,
    ttlS: 0,
    rule: "limit: pace",
    policyVersion: "v1",
    limit: { status: 429 },
  });
});

test("every refusal has a form in the API", async () => {
  const limits = [
    { id: "a".repeat(64), rate: { requests: 1_000_000, per: "1d", burst: 1 }, match: { methods: ["PUT"] } },
    { id: "b".repeat(64), concurrency: 1, match: { methods: ["PATCH"] } },
    { id: "sum", bytes: { max: 10, per: "1mo" }, match: { methods: ["POST"] } },
  ];
  const { rule } = limiting(limits);
  for (const method of ["PUT", "PATCH", "POST"]) {
    await rule("acme", asked({ method }));
    const refused = await rule("acme", asked({ method }));
    const { limit } = refused;
    expect(limitWordSchema.parse(limit)).toEqual(limit as never);
    const answer = await answerOf(asked(), refused, { runtime, key: null, tenant: "acme" });
    expect(decisionAnswerSchema.parse(await answer.json())).toMatchObject({ decision: "deny", metadata: { limit } });
  }
});

test("what a relay says came of it is counted in whole numbers that the counters can hold", async () => {
  const deltas: number[] = [];
  class Told extends LendingMemory {
    override settle(holder: string, adjustments: readonly Adjustment[]): boolean {
      for (const each of adjustments) if (each.kind === "window") deltas.push(each.delta);
      return super.settle(holder, adjustments);
    }
  }
  const { rule, settle } = limiting([{ ...SUM, on_outage: "open" }], new Told({ now: () => 0, monotonic: () => 0 }));
  const { settle: lent } = await rule();
  const most = Number.MAX_SAFE_INTEGER;
  expect(await settle(lent, { ...ENDED, bytes_up: most, bytes_down: most })).toBe(1);
  expect(deltas).toHaveLength(1);
  expect(deltas.filter((delta) => !Number.isSafeInteger(delta) || delta < 2 ** 50)).toEqual([]);
  expect(await rule()).toMatchObject({ verdict: "deny", limit: { status: 451 } });
});

test("counters that cannot be asked", async () => {
  class Gone extends LendingMemory {
    override take(): never {
      throw new Fault("redis_failed", "gone");
    }
  }
  const gone = () => new Gone({ now: () => 0, monotonic: () => 0 });
  const open = { id: "open", on_outage: "open", rate: { requests: 1, per: "1h" } };
  const shut = limiting([open, SUM], gone());
  expect(await shut.rule()).toMatchObject({ verdict: "deny", pillar: "114", limit: { status: 503, fields: [] } });
  expect([shut.counted.sort(), shut.failed.length]).toEqual([["acme open unavailable", "acme sum unavailable"], 1]);
  const passes = await limiting([open], gone()).rule();
  expect(passes).toEqual({ ...FINE, ttlS: 0, limit: { mode: "degraded" } });
});

describe("a token", () => {
  test("settles once, for the tenant it was given to, under the key of the replicas", async () => {
    const store = new LendingMemory({ now: () => 0, monotonic: () => 0 });
    const one = limiting([SUM], store);
    const replica = limiting([SUM], store);
    const stranger = limiting([SUM], store, "another key");
    const { settle } = await one.rule();
    expect(settle).toMatchObject({ usage: false });
    expect(await stranger.settle(settle)).toBe(0);
    expect(await one.settle(settle, ENDED, "other")).toBe(0);
    const [payload = "", mac = ""] = (settle?.token ?? "").split(".");
    const forged = btoa(atob(payload).replace('"amount":10', '"amount":99')).replaceAll("=", "");
    expect(forged).not.toBe(payload);
    for (const token of [
      "",
      ".",
      "a.b",
      `${payload}.`,
      `${payload}.${mac}0`,
      `${forged}.${mac}`,
      `${payload}.${mac}.x`,
    ]) {
      expect(await one.settle({ token, usage: false })).toBe(0);
    }
    expect(await replica.settle(settle, null)).toBe(1);
    expect(await replica.settle(settle)).toBe(1);
    expect(await one.settle(settle)).toBe(0);
    // 40 of 100 are spent: 60 more fit, and one more does not.
    expect((await one.rule("acme", { ...asked(), bytes: 60 })).verdict).toBe("allow");
    expect((await one.rule()).verdict).toBe("deny");
    expect((await one.rule("other")).verdict).toBe("allow");
  });

  test("is left out when there is nothing to give back, or too much of it to be told", async () => {
    expect((await limiting([{ id: "pace", rate: { requests: 1, per: "1h" } }]).rule()).settle).toBeUndefined();
    const many = Array.from({ length: 256 }, (_, i) => ({ ...SUM, id: `sum${i}`, per: ["agent", "host"] }));
    const ruled = await limiting(many).rule();
    expect([ruled.verdict, ruled.settle]).toEqual(["allow", undefined]);
  });

  test("whatever is told, how often and in what order: what is spent is what was used, or what was reserved", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = numbers(seed);
      const below = (n: number): number => Math.floor(random() * n);
      const { rule, settle } = limiting([
        { id: "sum", bytes: { max: 1e9, per: "1mo" } },
        { id: "places", concurrency: 1e5 },
      ]);
      const open: { settle: Settle | undefined; spent: number; known: boolean }[] = [];
      for (let i = 0; i < 60; i++) {
        if (random() < 0.5 || open.length === 0) {
          const bytes = below(1000);
          const { settle } = await rule("acme", { ...asked(), bytes });
          open.push({ settle, spent: bytes, known: true });
          continue;
        }
        const one = open[below(open.length)];
        if (one === undefined) continue;
        const beat = random() < 0.2;
        const ended = { ...ENDED, sent: random() < 0.8, bytes_up: below(1000), bytes_down: below(5000) };
        expect(await settle(one.settle, beat ? null : ended)).toBe(one.known ? 1 : 0);
        if (beat || !one.known) continue;
        one.known = false;
        one.spent = ended.sent ? ended.bytes_up + ended.bytes_down : 0;
      }
      const refused = await rule("acme", { ...asked(), bytes: 1e9 + 1 });
      const spent = open.reduce((sum, one) => sum + one.spent, 0);
      expect(refused.reason).toContain(`: ${spent} bytes of`);
    }
  });
});
