/** When a request gets another connection, and when its failure is its own. */
import { describe, expect, test } from "bun:test";
import type { Dialled } from "../../src/enforce/dial.ts";
import { Parked } from "../../src/enforce/parked.ts";
import { Pool, poolKey } from "../../src/enforce/pool.ts";
import { keep, type Outbound, Reach, type ReachEnv } from "../../src/enforce/reach.ts";
import type { Upstream } from "../../src/enforce/upstream.ts";
import { Fault } from "../../src/errors.ts";
import { Deadlines } from "../../src/model/deadlines.ts";
import type { Permit } from "../../src/model/permit.ts";
import { FakeConn } from "./_fake-conn.ts";

const PERMIT = {
  destination: { scheme: "http", host: "a.test", port: 80, literal: false },
  addresses: ["192.0.2.1"],
} as unknown as Permit;

class Sent implements Outbound {
  over = false;
  /** Upstreams that take nothing, from the first. */
  closed = 0;
  readonly on: Upstream[] = [];
  readonly told: string[] = [];

  send(upstream: Upstream): boolean {
    this.on.push(upstream);
    return this.on.length > this.closed;
  }

  unreachable(code: string): void {
    this.told.push(code);
  }

  crashed(thrown: unknown): void {
    this.told.push(`crashed: ${thrown}`);
  }
}

function place({ fails = null }: { fails?: unknown } = {}) {
  const deadlines = new Deadlines(() => 0);
  const conns: FakeConn[] = [];
  const dial = async (): Promise<Dialled> => {
    const parked = new Parked();
    const conn = new FakeConn(parked);
    conns.push(conn);
    if (fails !== null) throw fails;
    return { conn, parked, address: "192.0.2.1" };
  };
  const env: ReachEnv = {
    deadlines,
    pool: new Pool(deadlines, { limit: 4, idleMs: 1000, maxUnread: 1 << 20 }),
    limits: { maxHeaderBytes: 1000, maxHeaders: 10 },
    afterTurn: (run) => void setImmediate(run),
    route: { dial, proxied: null },
  };
  const sent = new Sent();
  const reach = new Reach(env, PERMIT, "http/1.1", sent);
  return { env, dial, conns, sent, reach };
}

test("a connection's place is its scheme, host, port and vetted addresses in their order, whichever was asked for before", () => {
  const to = (host: string, port: number, ...addresses: string[]) =>
    ({ destination: { scheme: "http", host, port, literal: false }, addresses }) as unknown as Permit;
  const places = [
    to("a.test", 80, "192.0.2.1"),
    to("b.test", 80, "192.0.2.1"),
    to("a.test", 81, "192.0.2.1"),
    to("a.test", 80, "192.0.2.2"),
    to("a.test", 80, "192.0.2.1", "192.0.2.2"),
    to("a.test", 80, "192.0.2.2", "192.0.2.1"),
    to("a.test", 80),
  ];
  const keys = places.flatMap((permit) => [poolKey(permit), poolKey(permit, "https")]);
  expect(new Set(keys).size).toBe(2 * places.length);
  for (const permit of places) {
    const again = { ...permit, addresses: [...permit.addresses] };
    expect([poolKey(permit), poolKey(permit), poolKey(again)]).toEqual(Array(3).fill(keys[2 * places.indexOf(permit)]));
  }
});

const turn = () => new Promise((resolve) => setImmediate(resolve));
const failed = { code: "upstream_closed", untouched: false, answered: false } as const;

/** With a connection that idles. */
async function warm() {
  const made = place();
  keep(made.env, await made.dial(), poolKey(PERMIT), false);
  made.reach.go();
  expect(made.sent.on.length).toBe(1);
  expect(made.conns.length).toBe(1);
  return made;
}

describe("a request fails for good", () => {
  test("on a fresh connection, whatever its method", async () => {
    const { reach, sent, conns } = place();
    reach.go();
    await turn();
    expect(sent.on.length).toBe(1);
    expect(reach.again("GET", failed)).toBe(false);
    expect(conns.length).toBe(1);
  });

  test.each([
    ["POST", failed],
    ["PATCH", failed],
    ["GET", { ...failed, answered: true }],
    ["GET", { ...failed, code: "upstream_timeout" as const }],
    ["GET", { ...failed, answered: true, untouched: true }],
  ])("on one that idled: %s %p", async (method, failure) => {
    const { reach, conns } = await warm();
    expect(reach.again(method, failure)).toBe(false);
    await turn();
    expect(conns.length).toBe(1);
  });

  test("when it went again already", async () => {
    const { reach, conns, sent } = await warm();
    expect(reach.again("GET", failed)).toBe(true);
    await turn();
    expect(sent.on.length).toBe(2);
    expect(reach.again("GET", failed)).toBe(false);
    expect(conns.length).toBe(2);
  });

  test("when it was refused unread twice", async () => {
    const { reach, sent } = await warm();
    expect(reach.again("POST", { ...failed, untouched: true })).toBe(true);
    await turn();
    expect(reach.again("POST", { ...failed, untouched: true })).toBe(false);
    expect(sent.on.length).toBe(2);
  });

  test("when two connections in a row take nothing: a server that hangs up at once is not dialled for ever", async () => {
    const { reach, sent, conns } = place();
    sent.closed = 9;
    reach.go();
    await turn();
    await turn();
    expect([sent.on.length, conns.length, sent.told]).toEqual([2, 2, ["upstream_closed"]]);
  });

  test("when one took nothing, and the next refused it unread", async () => {
    const { reach, sent } = place();
    sent.closed = 1;
    reach.go();
    await turn();
    await turn();
    expect(sent.on.length).toBe(2);
    expect(reach.again("GET", { ...failed, untouched: true })).toBe(false);
  });

  test("when the dial does, by its code; a defect is told as one", async () => {
    for (const [fails, told] of [
      [new Fault("tls_failed", "no"), "tls_failed"],
      [new Error("ours"), "crashed: Error: ours"],
    ] as const) {
      const { reach, sent } = place({ fails });
      reach.go();
      await turn();
      await turn();
      expect(sent.told).toEqual([told]);
      expect(sent.on.length).toBe(0);
    }
  });
});

describe("a request goes again", () => {
  test("when it may be repeated and its connection had idled", async () => {
    const { reach, sent, conns } = await warm();
    expect(reach.again("PUT", failed)).toBe(true);
    await turn();
    expect([sent.on.length, conns.length, sent.told]).toEqual([2, 2, []]);
  });

  test("a connection that comes when nobody wants it is closed, and nothing is sent there", async () => {
    const { reach, sent, conns } = place();
    reach.go();
    sent.over = true;
    await turn();
    expect(sent.on.length).toBe(0);
    expect(conns.map(({ closed }) => closed)).toEqual([true]);
  });
});
