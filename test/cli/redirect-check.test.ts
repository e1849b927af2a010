import { expect, test } from "bun:test";
import { declared, TARGETS, trialsOf } from "../../src/cli/_redirect-check.ts";
import type { Attempt, Outcome } from "../../src/cli/_redirect-probe.ts";
import type { Redirect } from "../../src/redirect/redirect.ts";
import { parseCidr } from "../../src/wire/ip.ts";

const cidr = (text: string) => parseCidr(text) ?? expect.unreachable(text);
const RULES: Redirect = {
  gateway: { uid: 900, gid: null, mark: 7 },
  port: 3128,
  ports: [{ from: 443, to: 443 }],
  allTcp: false,
  waysOut: [],
  resolvers: [],
  ipv6: "redirect",
};

function stateOf(wanted: Partial<Attempt> & { readonly kind: string }, outcome: Outcome, redirect = RULES): string {
  const trial = trialsOf(redirect, TARGETS).find(({ attempt }) =>
    Object.entries(wanted).every(([name, value]) => (attempt as unknown as Record<string, unknown>)[name] === value),
  );
  if (trial === undefined) return "not tried";
  const { state, fix } = trial.judge(outcome);
  expect(fix !== undefined).toBe(state === "open");
  return state;
}

test("a connection is closed only when the gateway's port took it, or this host refused it", () => {
  const chosen = { kind: "tcp", port: 443 } as const;
  for (const [outcome, state] of [
    [{ answer: 0, gateway: true }, "closed"],
    [{ answer: 0, gateway: false }, "open"],
    [{ answer: 0 }, "open"],
    [{ answer: null }, "open"],
    [{ answer: -111, outside: false }, "closed"],
    [{ answer: -111, outside: true }, "open"],
    [{ answer: -111, outside: null }, "untested"],
    [{ answer: -113 }, "open"],
    [{ answer: -1 }, "closed"],
    [{ answer: -101 }, "untested"],
    [{ answer: -97, noSocket: true }, "closed"],
  ] as const)
    expect(`${JSON.stringify(outcome)} ${stateOf(chosen, outcome)}`).toBe(`${JSON.stringify(outcome)} ${state}`);
});

test("what is left alone without --all-tcp is declared, and with it open", () => {
  const other = { kind: "tcp", port: 8443 } as const;
  expect(stateOf(other, { answer: null })).toBe("declared");
  expect(stateOf(other, { answer: null }, { ...RULES, allTcp: true })).toBe("open");
  expect(stateOf({ kind: "tcp", port: 53 }, { answer: null })).toBe("open");
  expect(declared(RULES).map(({ way }) => way)).toEqual(["TCP to ports other than 443"]);
  expect(declared({ ...RULES, allTcp: true })).toEqual([]);
});

test("what was sent is open, whatever it was", () => {
  for (const kind of ["udp", "echo", "raw", "in-name-of", "by-interfaces"] as const) {
    expect(stateOf({ kind }, { answer: 1 })).toBe("open");
    expect(stateOf({ kind }, { answer: -1 })).toBe("closed");
    expect(stateOf({ kind }, { answer: -22 })).toBe("untested");
  }
  expect(stateOf({ kind: "echo" }, { answer: 14, left: true })).toBe("open");
  expect(stateOf({ kind: "echo" }, { answer: 14, left: false })).toBe("closed");
  expect(stateOf({ kind: "echo" }, { answer: 14, left: null })).toBe("untested");
  for (const kind of ["in-name-of", "by-interfaces"] as const)
    expect(stateOf({ kind }, { answer: -101 })).toBe("untested");
  expect(stateOf({ kind: "frames" }, { answer: 0 })).toBe("open");
  expect(stateOf({ kind: "become" }, { answer: 0 })).toBe("open");
  expect(stateOf({ kind: "mark" }, { answer: 0 })).toBe("open");
  expect(stateOf({ kind: "mark" }, { answer: -1 })).toBe("closed");
});

test("the gateway's port is closed only while it is held", () => {
  const four = { kind: "bind", to: "127.0.0.1" } as const;
  const six = { kind: "bind", to: "::1" } as const;
  expect(stateOf(four, { answer: -98, gateway: true })).toBe("closed");
  expect(stateOf(four, { answer: 0, gateway: true })).toBe("open");
  expect(stateOf(four, { answer: 0, gateway: false, started: false })).toBe("untested");
  // Not held, whatever else keeps us from it.
  expect(stateOf(four, { answer: -98, gateway: false, started: false })).toBe("untested");
  expect(stateOf(six, { answer: -98, gateway: false, started: true })).toBe("open");
  expect(stateOf(six, { answer: 0, gateway: false, started: true })).toBe("open");
  // There is no gateway yet of which IPv6 could be said to be missing.
  for (const answer of [0, -98])
    for (const to of [four, six]) expect(stateOf(to, { answer, gateway: false, started: false })).toBe("untested");
  expect(stateOf(six, { answer: 0, gateway: false }, { ...RULES, ipv6: "drop" })).toBe("not tried");
});

test("no address is tried that is a declared way out", () => {
  const waysOut = ["192.0.2.0/24", "2001:db8::1"].map((text) => ({ to: cidr(text), ports: [] }));
  const tried = new Set(
    trialsOf({ ...RULES, waysOut }, TARGETS).flatMap(({ attempt }) => (attempt.kind === "tcp" ? [attempt.to] : [])),
  );
  expect([...tried]).toEqual(["198.51.100.1", "2001:db8:ffff::1"]);
});
