import { describe, expect, test } from "bun:test";
import { cachedDecider, FROM_CACHE } from "../../src/decide/cached.ts";
import { type Decider, guarded } from "../../src/decide/decider.ts";
import { allow, block, type Decision, failClosed } from "../../src/model/decision.ts";
import type { Egress, HeldBody } from "../../src/model/egress.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { body, destination, egress } from "./_egress.ts";

const READ = { method: "GET" } as const;
const LASTING = allow("fine", { ttlS: 60, rule: "hosts.allow[0]", policyVersion: "v1" });
const FINDING = {
  pillar: "CoreGuard",
  vector: "dlp_pii",
  name: "e-mail",
  severity: "low",
  view: "plain",
  where: "path",
  start: 0,
  end: 1,
  reason: "an address",
} as const;

interface Options {
  readonly entries?: number;
  readonly mostMs?: number;
  readonly later?: boolean;
}

/** A decider that says `answer`, behind a cache; `asked` counts how often it was. */
function rig(answer: () => Decision, { entries = 8, mostMs = Number.POSITIVE_INFINITY, later = false }: Options = {}) {
  const state = { version: "v1" as string | null, now: 0, asked: 0, looks: [] as string[] };
  const inner: Decider = {
    get policyVersion() {
      return state.version;
    },
    reload: async () => ({ ok: true, message: "" }),
    opaque: () => false,
    decide() {
      state.asked += 1;
      return later ? Promise.resolve().then(answer) : answer();
    },
  };
  const decider = cachedDecider(inner, {
    bounds: () => ({ entries, mostMs }),
    org: "acme",
    hash: runtime.hmacSha256(new TextEncoder().encode("a key for these tests")),
    clock: () => state.now,
    looked: (result) => void state.looks.push(result),
  });
  const ask = (parts: Parameters<typeof egress>[0] = READ, held: HeldBody | null = null) =>
    decider.decide(egress(parts), held);
  return { state, decider, ask };
}

describe("cachedDecider never remembers", () => {
  const cases: [name: string, decision: Decision][] = [
    ["an allow that gives no time", allow("fine")],
    ["an allow that was softened by shadow", allow("x", { ttlS: 60, mode: "shadow", would: "block" })],
    ["an allow of a degraded time", allow("x", { ttlS: 60, mode: "degraded" })],
    ["an allow of fail-open", allow("x", { ttlS: 60, mode: "fail_open", would: "fail_closed" })],
    ["an allow with findings", allow("x", { ttlS: 60, findings: [FINDING] })],
    ["a veto", block("x", "policy_deny", { ttlS: 60 })],
    ["what waits for a person", { ...block("x", "approval_needed", { ttlS: 60 }), verdict: "hold" }],
    ["a fault", failClosed("x", "decision_crashed", { ttlS: 60 })],
    ["other bytes", { ...allow("x", { ttlS: 60, replacement: new Uint8Array(1) }), verdict: "sanitize" }],
    ["a time that is none", allow("x", { ttlS: Number.NaN })],
  ];
  for (const later of [false, true]) {
    for (const [name, decision] of cases) {
      test(`${name}${later ? ", later" : ""}`, async () => {
        const { ask, state } = rig(() => decision, { later });
        for (let i = 0; i < 3; i++) expect(await ask()).toBe(decision);
        expect(state.asked).toBe(3);
      });
    }
  }

  const requests: [name: string, parts: Parameters<typeof egress>[0], held: HeldBody | null][] = [
    ["a POST", { method: "POST" }, null],
    ["a method in lower case", { method: "get" }, null],
    ["a GET with a body", READ, body("x")],
    ["a GET with trailers", READ, { ...body(""), trailers: ["A", "b"] }],
    ["a tunnel", { method: "CONNECT", phase: "tunnel", door: "connect" }, null],
    ["a GET tunnel", { ...READ, phase: "tunnel" }, null],
    ["an upgrade", { ...READ, upgrade: "websocket" }, null],
    ["a GET that asks to be a DELETE", { ...READ, headers: ["X-HTTP-Method-Override", "DELETE"] }, null],
  ];
  for (const [name, parts, held] of requests) {
    test(name, async () => {
      const { ask, state } = rig(() => LASTING);
      for (let i = 0; i < 3; i++) await ask(parts, held);
      expect(state.asked).toBe(3);
      expect(state.looks).toEqual([]);
    });
  }

  test("anything at all when it has no room", async () => {
    const { ask, state } = rig(() => LASTING, { entries: 0 });
    for (let i = 0; i < 3; i++) await ask();
    expect(state.asked).toBe(3);
  });
});

describe("cachedDecider", () => {
  for (const later of [false, true]) {
    test(`answers again for the time the verdict gave, and says so in what is signed${later ? ", later" : ""}`, async () => {
      const { ask, state } = rig(() => LASTING, { later });
      expect(await ask()).toEqual(LASTING);
      state.now = 59_999;
      expect(await ask()).toEqual({ ...LASTING, reason: `${FROM_CACHE}fine` });
      expect(state.asked).toBe(1);
      state.now = 60_000;
      expect(await ask()).toEqual(LASTING);
      expect(state.asked).toBe(2);
      expect(state.looks).toEqual(["miss", "hit", "miss"]);
    });
  }

  test("asks anew after a reload, after forget, and under another policy", async () => {
    const { ask, state, decider } = rig(() => ({ ...LASTING, policyVersion: state.version }));
    await ask();
    await decider.reload();
    await ask();
    expect(state.asked).toBe(2);
    decider.forget();
    await ask();
    expect(state.asked).toBe(3);
    state.version = "v2";
    expect(await ask()).toMatchObject({ policyVersion: "v2", reason: "fine" });
    expect(state.asked).toBe(4);
  });

  test("does not keep what was asked before the policy changed or somebody said forget", async () => {
    for (const meanwhile of ["forget", "version"] as const) {
      const { promise, resolve } = Promise.withResolvers<Decision>();
      const state = { version: "v1", asked: 0 };
      const decider = cachedDecider(
        {
          get policyVersion() {
            return state.version;
          },
          reload: async () => ({ ok: true, message: "" }),
          opaque: () => false,
          decide: () => (++state.asked === 1 ? promise : LASTING),
        },
        {
          bounds: () => ({ entries: 8, mostMs: 1e9 }),
          org: "acme",
          hash: (text) => text,
          clock: () => 0,
          looked: () => {},
        },
      );
      const first = decider.decide(egress(READ), null);
      if (meanwhile === "forget") decider.forget();
      else state.version = "v2";
      resolve(LASTING);
      await first;
      await decider.decide(egress(READ), null);
      expect(state.asked).toBe(2);
    }
  });

  test("keeps nothing for longer than it may, whatever the verdict says", async () => {
    const { ask, state } = rig(() => LASTING, { mostMs: 1_000 });
    await ask();
    state.now = 999;
    await ask();
    expect(state.asked).toBe(1);
    state.now = 1_000;
    await ask();
    expect(state.asked).toBe(2);
  });

  test("is bounded: the least recently used goes first", async () => {
    const { ask, state } = rig(() => LASTING, { entries: 2 });
    const path = (name: string) => ask({ ...READ, path: name });
    await path("/a");
    await path("/b");
    await path("/a");
    await path("/c");
    expect(state.asked).toBe(3);
    await path("/a");
    expect(state.asked).toBe(3);
    await path("/b");
    expect(state.asked).toBe(4);
  });

  test("under guarded an answer from the cache is softened and marked like any other", async () => {
    const { decider } = rig(() => LASTING);
    const open = guarded(decider, { enforceTimeoutMs: 50, failClosed: false, mode: "enforce" });
    await open.decide(egress(READ), null);
    expect(await open.decide(egress(READ), null)).toMatchObject({ mode: "fail_open", reason: `${FROM_CACHE}fine` });
  });
});

/** Small alphabets, so that values are often equal, and full of what separates values elsewhere. */
function source(seed: number) {
  let state = seed;
  const below = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % n;
  };
  const pick = <T>(...of: readonly T[]): T => of[below(of.length)] as T;
  const text = () =>
    Array.from({ length: below(4) }, () => pick("a", "b", ",", '"', "\\", "\u0000", ":", "é")).join("");
  return { below, pick, text };
}

function randomRead(seed: number): { about: Egress; held: HeldBody | null } {
  const { below, pick, text } = source(seed);
  const headers = Array.from({ length: below(3) }, () => [
    pick("A", "a", `b${text()}`, "Authorization"),
    text(),
  ]).flat();
  const about = egress({
    door: pick("forward", "tunnel"),
    caller: pick("sidecar", text()),
    method: pick("GET", "HEAD"),
    destination: {
      ...destination(pick("a.test", "b.test", "192.0.2.1"), pick(80, 443)),
      scheme: pick("http", "https"),
    },
    target: `/${text()}`,
    path: `/${text()}`,
    headers,
    principal: { address: "127.0.0.1", port: 1, agent: pick(null, text()), parentAgent: pick(null, text()) },
    parent: pick(null, text()),
  });
  return { about, held: pick(null, body("")) };
}

/** What a verdict may look at, spelled in another way than the cache does. */
function everything({ about, held }: { about: Egress; held: HeldBody | null }): string {
  const { principal, ...rest } = about;
  return Bun.inspect([rest, principal.agent, principal.parentAgent, held === null], { depth: 9 });
}

test("two reads that differ in anything a verdict may look at never share an entry; equal ones do", async () => {
  const { decider, state } = rig(() => LASTING, { entries: 100_000 });
  const seen = new Set<string>();
  let repeats = 0;
  for (let seed = 1; seed <= 6_000; seed++) {
    const read = randomRead(seed * 7919);
    const before = state.asked;
    await decider.decide(read.about, read.held);
    const known = seen.has(everything(read));
    if (known) repeats += 1;
    expect(state.asked - before, everything(read)).toBe(known ? 0 : 1);
    seen.add(everything(read));
  }
  expect(repeats).toBeGreaterThan(5);
});

test("a read that is changed in one place only is another read", async () => {
  const base = { ...READ, headers: ["Accept", "a", "Authorization", "Bearer one"], target: "/p?q=1", path: "/p?q=1" };
  const changes: Partial<Egress>[] = [
    { door: "tunnel" },
    { caller: "other" },
    { method: "HEAD" },
    { destination: { ...destination("api.example.test"), scheme: "http" } },
    { destination: destination("api2.example.test") },
    { destination: destination("api.example.test", 444) },
    { destination: { ...destination("api.example.test"), literal: true } },
    { target: "/p?q=2" },
    { path: "/p?q=2" },
    { path: "/p?q=1&" },
    { headers: ["Accept", "a", "Authorization", "Bearer two"] },
    { headers: ["Accept", "a"] },
    { headers: ["Authorization", "Bearer one", "Accept", "a"] },
    { headers: ["accept", "a", "Authorization", "Bearer one"] },
    { headers: ["Accept", "a", "Authorization", "Bearer", "one", ""] },
    { headers: ["Accept", "aAuthorization", "Bearer one", ""] },
    { principal: { ...egress().principal, agent: "agent-8" } },
    { principal: { ...egress().principal, agent: null } },
    { principal: { ...egress().principal, parentAgent: "agent-7" } },
    { principal: { ...egress().principal, agent: null, parentAgent: "agent-7" } },
    { parent: "cert_0" },
  ];
  const { ask, state } = rig(() => LASTING, { entries: 1000 });
  await ask(base);
  for (const [at, change] of changes.entries()) {
    await ask({ ...base, ...change });
    expect(state.asked, JSON.stringify(change)).toBe(at + 2);
  }
  await ask(base, body(""));
  expect(state.asked).toBe(changes.length + 2);
  await ask(base);
  expect(state.asked).toBe(changes.length + 2);
});
