import { describe, expect, test } from "bun:test";
import { lateDecider } from "../../src/decide/late.ts";
import type { OpenedDecider } from "../../src/decide/open.ts";
import { allow, block } from "../../src/model/decision.ts";
import { body, egress } from "./_egress.ts";

const CONFIG = { enforceTimeoutMs: 5_000, failClosed: true, mode: "enforce" } as const;

function opened(log: string[]): OpenedDecider {
  return {
    candidate: null,
    problem: null,
    planeDown: false,
    planeTrouble: null,
    policyVersion: null,
    decide: ({ path }) => {
      log.push(path);
      return path === "/bad" ? block("bad", "policy_deny") : allow("good");
    },
    reload: async () => ({ ok: true, message: "reloaded" }),
    opaque: () => true,
    recheck: () => null,
    limits: () => null,
    deniedAddress: () => null,
    forget: () => void log.push("forgotten"),
    watch() {},
    prepare() {},
    close: async () => void log.push("closed"),
  };
}

describe("lateDecider", () => {
  test("fails closed when what decides cannot be loaded, every time", async () => {
    const late = lateDecider(() => Promise.reject(new Error("no such room")), CONFIG);
    late.prepare();
    for (let i = 0; i < 2; i++) {
      const decision = await late.decide(egress(), body("{}"));
      expect(decision).toMatchObject({ verdict: "fail_closed", policyVersion: null });
    }
    await expect(late.reload()).rejects.toThrow("no such room");
  });

  test("fails closed when it is not loaded in the time a decision has", async () => {
    const late = lateDecider(() => new Promise(() => {}), { ...CONFIG, enforceTimeoutMs: 5 });
    expect(await late.decide(egress(), null)).toMatchObject({ verdict: "fail_closed", vector: "decision_timeout" });
  });

  test("a body that nobody has read by then does not leave, failing open neither", async () => {
    const late = lateDecider(() => new Promise(() => {}), { ...CONFIG, enforceTimeoutMs: 5, failClosed: false });
    expect(await late.decide(egress(), body("{}"))).toMatchObject({ status: 503, vector: "inspection_exhausted" });
    expect(await late.decide(egress(), null)).toMatchObject({ would: "fail_closed", vector: "decision_timeout" });
  });

  test("whoever asks early waits, in order, and is answered by what was loaded", async () => {
    const log: string[] = [];
    let opens = 0;
    const late = lateDecider(async () => {
      opens++;
      return opened(log);
    }, CONFIG);
    expect(late.opaque("a.test", 1)).toBe(false);
    expect(late.recheck(egress())).toBeNull();
    const answers = [late.decide(egress({ path: "/1" }), null), late.decide(egress({ path: "/bad" }), null)];
    late.prepare();
    expect(answers.every((answer) => answer instanceof Promise)).toBe(true);
    expect(await Promise.all(answers)).toMatchObject([{ verdict: "allow" }, { verdict: "block" }]);
    expect(log).toEqual(["/1", "/bad"]);
    expect(opens).toBe(1);
  });

  test("once it is loaded nothing is waited for any more", async () => {
    const log: string[] = [];
    const late = lateDecider(async () => opened(log), CONFIG);
    await late.decide(egress(), null);
    expect(late.decide(egress({ path: "/bad" }), null)).toMatchObject({ verdict: "block" });
    expect(late.opaque("a.test", 1)).toBe(true);
    late.forget();
    expect(log.at(-1)).toBe("forgotten");
    expect(await late.reload()).toEqual({ ok: true, message: "reloaded" });
  });

  test("prepared, it has what was loaded prepare itself", async () => {
    const log: string[] = [];
    const late = lateDecider(async () => ({ ...opened(log), prepare: () => void log.push("prepared") }), CONFIG);
    late.prepare();
    await late.reload();
    expect(log).toEqual(["prepared"]);
  });

  test("closed before it was loaded, it closes what comes", async () => {
    const log: string[] = [];
    const late = lateDecider(async () => opened(log), CONFIG);
    const loading = late.reload();
    await late.close();
    await loading;
    expect(log).toEqual(["closed"]);
  });
});
