/** What a limiter says when the counters cannot be had. */
import { expect, test } from "bun:test";
import { runtime } from "#runtime";
import { Limiter, type LimitResult } from "../../src/decide/limits.ts";
import { MemoryLimits } from "../../src/decide/limits-memory.ts";
import { Fault } from "../../src/errors.ts";
import type { LimitStore } from "../../src/limits/store.ts";
import { allow } from "../../src/model/decision.ts";
import type { Egress } from "../../src/model/egress.ts";
import { program } from "../limits/_limits.ts";
import { egress } from "./_egress.ts";

const OPEN = { id: "open", per: ["agent"], on_outage: "open", rate: { requests: 9, per: "1d" } };
const CLOSED = { id: "closed", per: ["agent"], rate: { requests: 9, per: "1d" } };

function limiter(store: LimitStore, limits: unknown, shadow = false) {
  const counted: [string, LimitResult][] = [];
  const thrown: unknown[] = [];
  const compiled = program(limits);
  const made = new Limiter({
    runtime,
    program: () => compiled,
    store,
    tenant: "acme",
    shadow,
    decode: async (bytes) => bytes,
    counted: (limit, result) => counted.push([limit, result]),
    failed: (problem) => thrown.push(problem),
  });
  const ask = (from: Egress) => made.reserve(from, { body: null, decision: PERMITS(), program: made.program });
  return { ask, counted, thrown };
}

function failing(thrown: unknown, later: boolean): LimitStore {
  return {
    up: true,
    take() {
      if (later) return Promise.reject(thrown);
      throw thrown;
    },
    adjust() {},
    renew() {},
    close() {},
  };
}

function from(agent: string): Egress {
  return egress({ principal: { address: "127.0.0.1", port: 50000, agent, parentAgent: null } });
}

const PERMITS = () => allow("fine");

test.each([false, true])(
  "counters that are full open nothing, whatever on_outage says (told later: %p)",
  async (later) => {
    for (const thrown of [
      new Fault("limits_uncounted", "full"),
      new RangeError("a defect"),
      new Fault("usage", "no"),
    ]) {
      for (const limits of [[OPEN], [CLOSED], [OPEN, CLOSED]]) {
        const { ask, counted } = limiter(failing(thrown, later), limits);
        const { decision, reservation } = await ask(egress());
        expect(decision).toMatchObject({ verdict: "fail_closed", vector: "limits_unavailable", pillar: "114" });
        expect(decision.reason).toContain("no room");
        expect(reservation).toBeNull();
        expect(counted).toContainEqual([limits[0]?.id ?? "", "unavailable"]);
      }
    }
  },
);

test.each(["redis_failed", "limits_unreachable"] as const)(
  "%s is an outage: open passes, closed does not",
  async (code) => {
    const store = failing(new Fault(code, "gone"), true);
    const open = await limiter(store, [OPEN]).ask(egress());
    expect(open.decision).toMatchObject({ verdict: "allow", mode: "degraded" });
    for (const limits of [[CLOSED], [OPEN, CLOSED]]) {
      const { decision } = await limiter(store, limits).ask(egress());
      expect(decision).toMatchObject({ verdict: "fail_closed", rule: "limit: closed" });
      expect(decision.reason).toContain("cannot be asked");
    }
  },
);

test("names that somebody invents fill the memory and open no limit; who is counted already goes on", async () => {
  const pay = { id: "known", on_outage: "open", rate: { requests: 5, per: "1d" } };
  const { ask, thrown } = limiter(new MemoryLimits({ now: () => 0, monotonic: () => 0 }, 4), [pay, OPEN]);
  const verdict = async (agent: string) => (await ask(from(agent))).decision.verdict;
  expect([await verdict("a"), await verdict("b"), await verdict("c")]).toEqual(["allow", "allow", "allow"]);
  for (const agent of ["d", "e", "f", "g", "h", "i"]) expect(await verdict(agent)).toBe("fail_closed");
  expect(thrown).toHaveLength(6);
  expect([await verdict("a"), await verdict("b")]).toEqual(["allow", "allow"]);
  // The common limit was taken five times, not eleven.
  expect(await verdict("c")).toBe("block");
});

test("counters that took nothing although all of it fits have counted nothing: nothing passes", async () => {
  for (const limits of [[OPEN], [CLOSED]]) {
    const denying = {
      ...failing(null, false),
      take: () => ({ taken: false, now: 0, levels: [{ fits: true, value: 1, mark: 0 }] }),
    };
    const { ask, counted } = limiter(denying, limits);
    expect(await ask(egress())).toMatchObject({
      decision: { verdict: "fail_closed", vector: "limits_unavailable" },
      reservation: null,
    });
    expect(counted).toEqual([[limits[0]?.id ?? "", "unavailable"]]);
  }
});

test("in shadow mode what cannot be counted passes and says so", async () => {
  const { ask } = limiter(failing(new Fault("limits_uncounted", "full"), false), [OPEN], true);
  const { decision } = await ask(egress());
  expect(decision).toMatchObject({ verdict: "allow", would: "fail_closed", mode: "shadow" });
});
