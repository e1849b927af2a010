import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { Gateway } from "../../src/gateway.ts";
import { Log } from "../../src/observe/log.ts";
import { runtime as bun } from "../../src/runtime/bun.ts";
import { clientHello } from "../enforce/_hello.ts";
import { get, ok, post, RawClient, settled, Upstream, until } from "./_rig.ts";

/** The composed gateway: drain and reload, with real evidence on disk. */

let folder: string;
let gateway: Gateway;
let upstream: Upstream;
let port: number;
let at: string;
let said: string;

async function start(env: Record<string, string> = {}): Promise<void> {
  const runtime = {
    ...bun,
    stderr: (text: string) => {
      said += text;
    },
    env: {
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      EVE_PROXY_AUDIT_PATH: join(folder, "events.jsonl"),
      JWT_SECRET_KEY: "a-test-key-that-is-long-enough-for-hmac",
      ...env,
    },
  };
  const loaded = await loadConfig(runtime);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const { logLevel: level, logFormat: format } = loaded.config;
  gateway = new Gateway(runtime, loaded.config, new Log(runtime, { level, format, decisions: true }));
  port = (await gateway.start({ reusePort: false, instance: null, vitals: null, admin: null, counters: null })).port;
}

beforeEach(async () => {
  said = "";
  folder = mkdtempSync(join(tmpdir(), "sallyport-scenario-"));
  upstream = await Upstream.start();
  at = upstream.at;
});
afterEach(async () => {
  await gateway.drain();
  upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const outcomes = () =>
  readFileSync(join(folder, "outcomes.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

async function openTunnel(): Promise<RawClient> {
  const client = await RawClient.open(port);
  const to = upstream.at;
  client.send(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`);
  await client.head();
  const hello = clientHello();
  client.send(hello);
  await (await upstream.connection(upstream.all.length - 1)).wait((text) => text.length === hello.length, "the hello");
  return client;
}

describe("drain", () => {
  test("idle connections get a FIN, new ones are not taken, a busy one ends with its answer and Connection: close", async () => {
    await start();
    upstream.onConnection = () => {};
    const idle = await RawClient.open(port);
    const busy = await RawClient.open(port);
    busy.send(post(at, "x"));
    const far = await upstream.connection(0);
    await far.wait((text) => text.endsWith("x"), "the request");
    let over = false;
    const drained = gateway.drain().then(() => {
      over = true;
    });
    expect(await idle.ended()).toBe("fin");
    idle.close();
    await expect(RawClient.open(port)).rejects.toThrow();
    await settled();
    expect(over).toBe(false);
    far.send(ok("done"));
    const answer = await busy.answer();
    expect(answer.body).toBe("done");
    expect(answer.header("Connection")).toBe("close");
    expect(await busy.ended()).toBe("fin");
    busy.close();
    await drained;
    expect(outcomes().map(({ status }) => status)).toEqual([200]);
  });

  test("a second order to stop waits for the first: the request under way is not cut", async () => {
    await start();
    const busy = await RawClient.open(port);
    busy.send(get(at));
    const far = await upstream.connection(0);
    await far.heads(1);
    const first = gateway.drain();
    let second = false;
    const again = gateway.drain().then(() => {
      second = true;
    });
    await settled();
    expect(second).toBe(false);
    far.send(ok("done"));
    expect((await busy.answer()).body).toBe("done");
    busy.close();
    await Promise.all([first, again]);
  });

  test("what is open at the deadline is severed, and its outcome is written", async () => {
    await start({ EVE_PROXY_DRAIN_TIMEOUT: "1" });
    const tunnel = await openTunnel();
    const waiting = await RawClient.open(port);
    waiting.send(get(at));
    await (await upstream.connection(1)).heads(1);
    await gateway.drain();
    expect(await tunnel.ended()).toBe("reset");
    expect(await waiting.ended()).toBe("reset");
    expect(outcomes().map(({ severed }) => severed)).toEqual([true, true]);
    expect(said).toContain("drain deadline");
  });
});

describe("reload", () => {
  const policy = (deny: string) => `version: 1\ndefault: allow\nhosts:\n  deny: [${deny}]\n`;

  test("cuts live tunnels that are now denied and leaves the others; a bad file changes nothing", async () => {
    const file = join(folder, "policy.yaml");
    writeFileSync(file, policy(""));
    await start({ EVE_PROXY_POLICY: file });
    const tunnel = await openTunnel();
    await gateway.reload();
    await settled();
    expect(tunnel.ending).toBe("open");
    writeFileSync(file, "version: 1\nnonsense");
    await gateway.reload();
    await settled();
    expect(tunnel.ending).toBe("open");
    expect(said).toContain("policy not reloaded");
    writeFileSync(file, policy('"127.0.0.1"'));
    await gateway.reload();
    expect(await tunnel.ended()).toBe("reset");
    const after = await RawClient.open(port);
    after.send(get(at));
    expect((await after.answer()).status).toBe(451);
    after.close();
    await until(() => outcomes().length === 1, "the outcome");
    expect(outcomes()[0]).toMatchObject({ severed: true, error: "revoked" });
  });

  test("cuts a tunnel that passed only because its place was opaque, when it is no more", async () => {
    const file = join(folder, "policy.yaml");
    const opaque = (places: string) => `version: 1\ndefault: allow\nopaque: [${places}]\n`;
    writeFileSync(file, opaque(`"127.0.0.1:${upstream.port}"`));
    await start({ EVE_PROXY_POLICY: file });
    const tunnel = await RawClient.open(port);
    tunnel.send(`CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
    await tunnel.head();
    tunnel.send("SSH-2.0-x\r\n");
    const far = await upstream.connection(0);
    await far.wait((text) => text === "SSH-2.0-x\r\n", "what nobody reads");
    await gateway.reload();
    await settled();
    expect(tunnel.ending).toBe("open");
    writeFileSync(file, opaque(""));
    await gateway.reload();
    expect(await tunnel.ended()).toBe("reset");
    tunnel.close();
  });
});
