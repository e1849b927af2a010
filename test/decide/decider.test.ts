import { describe, expect, test } from "bun:test";
import { type Decider, guarded, layered } from "../../src/decide/decider.ts";
import { Fault } from "../../src/errors.ts";
import { allow, block, type Decision, failClosed, STATUSES, type Verdict } from "../../src/model/decision.ts";
import { body, egress } from "./_egress.ts";

type Settings = Parameters<typeof guarded>[1];
const ENFORCE: Settings = { enforceTimeoutMs: 30, failClosed: true, mode: "enforce" };
const OPEN: Settings = { ...ENFORCE, failClosed: false };
const SHADOW: Settings = { ...ENFORCE, mode: "shadow" };

function ask(decide: () => unknown, settings = ENFORCE): Decision | Promise<Decision> {
  const inner: Decider = {
    policyVersion: "v",
    reload: async () => ({ ok: true, message: "" }),
    opaque: () => false,
    decide: () => decide() as Decision,
  };
  return guarded(inner, settings).decide(egress(), body("{}"));
}

const crash = () => {
  throw new Error("secret detail");
};
const FAULTS: [name: string, decide: () => unknown, vector: string][] = [
  ["an exception", crash, "decision_crashed"],
  ["a rejection", () => Promise.reject(new Error("secret detail")), "decision_crashed"],
  ["a thrown string", () => Promise.reject("secret detail"), "decision_crashed"],
  ["silence", () => new Promise(() => {}), "decision_timeout"],
  ["an unreachable plane", () => Promise.reject(new Fault("governance_unreachable", "down")), "plane_unreachable"],
  ["a slow plane", () => Promise.reject(new Fault("governance_timeout", "slow")), "decision_timeout"],
  ["a plane's garbage", () => Promise.reject(new Fault("governance_malformed", "bad")), "decision_malformed"],
  ["an open breaker", () => Promise.reject(new Fault("governance_breaker_open", "open")), "breaker_open"],
  ["nothing", () => undefined, "decision_malformed"],
  ["null, later", () => Promise.resolve(null), "decision_malformed"],
  ["true", () => true, "decision_malformed"],
  ["an empty object", () => ({}), "decision_malformed"],
  ["an unknown verdict", () => ({ ...allow("x"), verdict: "maybe" }), "decision_malformed"],
  ["an inherited name for a verdict", () => ({ ...allow("x"), verdict: "constructor" }), "decision_malformed"],
  ["an allow with a refusal's status", () => ({ ...allow("x"), status: 451 }), "decision_malformed"],
  ["an allow with other bytes", () => ({ ...allow("x"), replacement: new Uint8Array(1) }), "decision_malformed"],
  ["a sanitize without bytes", () => ({ ...allow("x"), verdict: "sanitize" }), "decision_malformed"],
  ["a block without a status", () => ({ ...block("x", "y"), status: null }), "decision_malformed"],
  ["a block without a vector", () => ({ ...block("x", "y"), vector: null }), "decision_malformed"],
];

describe("guarded fails closed on", () => {
  for (const [name, decide, vector] of FAULTS) {
    test(name, async () => {
      const decision = await ask(decide);
      expect(decision).toMatchObject({ verdict: "fail_closed", vector, pillar: "114", status: 503, mode: "enforce" });
      expect(decision.reason).not.toContain("secret");
    });
  }
});

test("guarded passes on every status that the model gives a verdict, and no other", async () => {
  const statuses = [...new Set(Object.values(STATUSES).flat()), 200, 500];
  for (const verdict of Object.keys(STATUSES) as Verdict[]) {
    const replacement = verdict === "sanitize" ? new Uint8Array(1) : null;
    for (const status of statuses) {
      const made = { ...block("no", "x"), verdict, status, replacement };
      const known = (STATUSES[verdict] as readonly (number | null)[]).includes(status);
      const wanted = known ? { verdict, status } : { verdict: "fail_closed", vector: "decision_malformed" };
      expect([verdict, status, await ask(() => made)]).toEqual([verdict, status, expect.objectContaining(wanted)]);
    }
  }
});

describe("guarded, failing open", () => {
  for (const [name, decide, vector] of FAULTS) {
    test(`lets ${name} pass and says so`, async () => {
      expect(await ask(decide, OPEN)).toMatchObject({
        verdict: "allow",
        would: "fail_closed",
        mode: "fail_open",
        vector,
        status: null,
      });
    });
  }
  test("keeps verdicts, and inspection that was not finished", async () => {
    expect(await ask(() => block("no", "x"), OPEN)).toMatchObject({
      verdict: "block",
      would: null,
      mode: "fail_open",
      status: 451,
    });
    expect(await ask(() => failClosed("no", "inspection_exhausted"), OPEN)).toMatchObject({
      verdict: "fail_closed",
      status: 503,
    });
  });
  test("keeps from leaving what this process was still reading when the time was up", async () => {
    const inner = (reading: boolean): Decider => ({
      policyVersion: "v",
      reload: async () => ({ ok: true, message: "" }),
      opaque: () => false,
      decide: () => new Promise(() => {}),
      reading: () => reading,
    });
    const asked = (decider: Decider) => guarded(decider, OPEN).decide(egress(), body("{}"));
    const looked = { looks: () => true, follow: (decision: Decision) => decision };
    for (const reader of [
      inner(true),
      layered(inner(true), looked),
      guarded(inner(true), { ...OPEN, enforceTimeoutMs: 60_000 }),
    ])
      expect(await asked(reader)).toMatchObject({
        verdict: "fail_closed",
        vector: "inspection_exhausted",
        status: 503,
      });
    expect(await asked(inner(false))).toMatchObject({
      verdict: "allow",
      would: "fail_closed",
      vector: "decision_timeout",
    });
  });
  test("marks its allows", async () => {
    expect(await ask(() => allow("yes"), OPEN)).toMatchObject({ verdict: "allow", would: null, mode: "fail_open" });
  });
});

describe("guarded, in shadow", () => {
  test("records every verdict and enforces none", async () => {
    expect(await ask(() => block("no", "x", { rule: "r" }), SHADOW)).toMatchObject({
      verdict: "allow",
      would: "block",
      mode: "shadow",
      vector: "x",
      rule: "r",
      reason: "no",
      status: null,
    });
    expect(await ask(() => ({ ...block("no", "x"), verdict: "hold" }), SHADOW)).toMatchObject({
      verdict: "allow",
      would: "hold",
    });
    expect(await ask(crash, SHADOW)).toMatchObject({
      verdict: "allow",
      would: "fail_closed",
      vector: "decision_crashed",
    });
    expect(await ask(() => failClosed("no", "inspection_exhausted"), SHADOW)).toMatchObject({ would: "fail_closed" });
  });
  test("sends the bytes as they came where it would have sanitized", async () => {
    const sanitize = { ...allow("s", { replacement: new Uint8Array(1), vector: "v" }), verdict: "sanitize" };
    expect(await ask(() => sanitize, SHADOW)).toMatchObject({ verdict: "allow", would: "sanitize", replacement: null });
  });
});

test("guarded passes a good decision on as it is, without waiting", () => {
  const decision = allow("yes");
  expect(ask(() => decision)).toBe(decision);
});
