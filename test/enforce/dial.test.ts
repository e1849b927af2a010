import { describe, expect, test } from "bun:test";
import { mintPermit } from "../../src/decide/permit.ts";
import { type Cancel, dialPermit, dialProxy, HTTP1 } from "../../src/enforce/dial.ts";
import { Fault } from "../../src/errors.ts";
import type { Conn, ConnHandler } from "../../src/model/conn.ts";
import { allow } from "../../src/model/decision.ts";
import { runtime as bun } from "../../src/runtime/bun.ts";
import type { Dialing, DialTarget, Runtime } from "../../src/runtime/contract.ts";
import { until } from "../scenarios/_rig.ts";
import { FakeConn } from "./_fake-conn.ts";

/** Dials that end when the test says so. */
class Attempts {
  readonly all: { address: string; cancelled: boolean; succeed: () => FakeConn; fail: (why: string) => void }[] = [];
  readonly runtime: Runtime = { ...bun, dial: (target, handler) => this.#dial(target, handler) };

  #dial(target: DialTarget, handler: ConnHandler): Dialing {
    const { promise, resolve, reject } = Promise.withResolvers<Conn>();
    const attempt = {
      address: "address" in target ? target.address : "",
      cancelled: false,
      succeed: () => {
        const conn = new FakeConn(handler);
        resolve(conn);
        return conn;
      },
      fail: (why: string) => reject(new Fault("dial_failed", why)),
    };
    this.all.push(attempt);
    return {
      conn: promise,
      cancel: () => {
        attempt.cancelled = true;
      },
    };
  }

  get addresses(): string[] {
    return this.all.map(({ address }) => address);
  }
}

function start(addresses: string[], timeoutMs = 60_000) {
  const attempts = new Attempts();
  const cancel: Cancel = { run: null };
  const env = { runtime: attempts.runtime, timeoutMs, tls: (serverName: string) => ({ serverName }) };
  const destination = { scheme: "http", host: "x.test", port: 80, literal: false } as const;
  const dialled = dialPermit(env, mintPermit(allow("yes"), destination, addresses, true), cancel, HTTP1);
  dialled.catch(() => {});
  return { attempts, cancel, dialled };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("dialPermit", () => {
  test("does not wait for a refused address before it tries the next", async () => {
    const { attempts, dialled } = start(["192.0.2.1", "192.0.2.2"]);
    expect(attempts.addresses).toEqual(["192.0.2.1"]);
    attempts.all[0]?.fail("refused");
    await turn();
    expect(attempts.addresses).toEqual(["192.0.2.1", "192.0.2.2"]);
    attempts.all[1]?.succeed();
    expect((await dialled).address).toBe("192.0.2.2");
  });

  test("starts the next address beside one that is silent, and ends the loser", async () => {
    const { attempts, dialled } = start(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    await until(() => attempts.all.length === 2, "the second attempt");
    attempts.all[1]?.succeed();
    expect((await dialled).address).toBe("192.0.2.2");
    expect(attempts.all[0]?.cancelled).toBe(true);
    expect(attempts.all.length).toBe(2);
  });

  test("closes a connection that arrives after another has won", async () => {
    const { attempts, dialled } = start(["192.0.2.1", "192.0.2.2"]);
    await until(() => attempts.all.length === 2, "the second attempt");
    const winner = attempts.all[1]?.succeed();
    const late = attempts.all[0]?.succeed();
    expect((await dialled).conn as unknown).toBe(winner);
    await turn();
    expect(late?.closed).toBe(true);
    expect(winner?.closed).toBe(false);
  });

  test("fails with the last cause when every address has failed", async () => {
    const { attempts, dialled } = start(["192.0.2.1", "192.0.2.2"]);
    attempts.all[0]?.fail("first");
    await turn();
    attempts.all[1]?.fail("second");
    await expect(dialled).rejects.toThrow("second");
  });

  test("gives up everything when it is cancelled, and tries nothing more", async () => {
    const { attempts, cancel, dialled } = start(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    await until(() => attempts.all.length === 2, "the second attempt");
    cancel.run?.();
    await expect(dialled).rejects.toMatchObject({ code: "dial_failed" });
    expect(attempts.all.map(({ cancelled }) => cancelled)).toEqual([true, true]);
    attempts.all[0]?.fail("late");
    const late = attempts.all[1]?.succeed();
    await turn();
    expect(late?.closed).toBe(true);
    expect(attempts.all.length).toBe(2);
  });

  test("has one time for all addresses together", async () => {
    const { attempts, dialled } = start(["192.0.2.1"], 20);
    await expect(dialled).rejects.toMatchObject({ code: "dial_timeout" });
    expect(attempts.all[0]?.cancelled).toBe(true);
  });

  test("dials no address that was not given to it", async () => {
    const { dialled } = start([]);
    await expect(dialled).rejects.toMatchObject({ code: "dial_failed" });
  });
});

describe("dialProxy", () => {
  const proxy = { tls: false, host: "proxy.test", port: 3128, authorization: null };

  function toward(resolve: (host: string) => string[] | Promise<string[]>) {
    const attempts = new Attempts();
    const cancel: Cancel = { run: null };
    const env = { runtime: attempts.runtime, timeoutMs: 60_000, tls: (serverName: string) => ({ serverName }) };
    const dialled = dialProxy(env, proxy, resolve, cancel);
    dialled.catch(() => {});
    return { attempts, cancel, dialled };
  }

  test("dials where the configuration's proxy is, which it looks up itself", async () => {
    const asked: string[] = [];
    const { attempts, dialled } = toward((host) => {
      asked.push(host);
      return ["10.0.0.9"];
    });
    await turn();
    attempts.all[0]?.succeed();
    expect((await dialled).address).toBe("10.0.0.9");
    expect(asked).toEqual(["proxy.test"]);
  });

  test("dials nothing when it was given up while the name was looked up", async () => {
    const { promise, resolve } = Promise.withResolvers<string[]>();
    const { attempts, cancel, dialled } = toward(() => promise);
    cancel.run?.();
    resolve(["10.0.0.9"]);
    await expect(dialled).rejects.toMatchObject({ code: "dial_failed" });
    expect(attempts.all).toEqual([]);
  });
});
