import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { freePort } from "../_free-port.ts";
import { Gateway, KEY, program, statusOf } from "../e2e/_gateway.ts";
import { exchange } from "../e2e/_raw.ts";
import { get, ok, Upstream, until } from "./_rig.ts";

/** Two real worker processes behind one port. */

let gateway: Gateway;
let upstream: Upstream;

beforeEach(async () => {
  upstream = await Upstream.start();
  upstream.answers(() => ok("x"));
  // Workers share a port, so it must be given.
  gateway = await Gateway.start({ EVE_PROXY_WORKERS: "2", EVE_PROXY_PORT: String(await freePort()) });
});
afterEach(async () => {
  await gateway.stop();
  upstream.stop();
});

const children = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .filter((text) => text !== "")
    .map(Number);

async function ready(want: number): Promise<void> {
  let status = 0;
  for (const until = performance.now() + 60_000; performance.now() < until; ) {
    status = await statusOf(gateway.port, "/readyz");
    if (status === want) return;
  }
  throw new Error(`/readyz is ${status}, not ${want}`);
}

async function served(): Promise<void> {
  const answer = await exchange(gateway.port, get(upstream.at));
  expect(`${answer.status} ${answer.body}`).toBe("200 x");
}

test("kill -9 of one worker: the other serves, not ready until it is back, every log verifies", async () => {
  await ready(200);
  await until(() => children(gateway.pid).length === 2, "two workers");
  const [victim = 0, other = 0] = children(gateway.pid);
  for (let i = 0; i < 20; i++) await served();
  process.kill(victim, "SIGKILL");
  await until(() => !children(gateway.pid).includes(victim), "gone");
  for (let i = 0; i < 20; i++) await served();
  await until(() => children(gateway.pid).length === 2, "started again");
  await ready(200);
  expect(children(gateway.pid)).toContain(other);
  for (let i = 0; i < 20; i++) await served();
  expect(await gateway.end()).toBe(0);
  expect(gateway.auditLines().filter(({ phase }) => phase === "request").length).toBe(60);
  const logs = readdirSync(`${gateway.folder}/audit`).filter((name) => /^events\.w\d\.jsonl$/.test(name));
  expect(logs.sort()).toEqual(["events.w0.jsonl", "events.w1.jsonl"]);
  const verified = gateway.verifyLogs();
  expect(verified.status).toBe(0);
}, 120_000);

test("a signal to parent and workers at once ends all of them in order, with status 0", async () => {
  await ready(200);
  await until(() => children(gateway.pid).length === 2, "two workers");
  const workers = children(gateway.pid);
  for (const pid of workers) process.kill(pid, "SIGTERM");
  expect(await gateway.end()).toBe(0);
  for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow();
}, 120_000);

test("workers do not outlive their parent", async () => {
  await ready(200);
  await until(() => children(gateway.pid).length === 2, "two workers");
  const workers = children(gateway.pid);
  await gateway.end("SIGKILL");
  const alive = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  await until(() => !workers.some(alive), "ended");
}, 120_000);

test("a port that somebody has ends parent and workers with 1: none of them ever listened", async () => {
  const holder = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => holder.listen(port, "127.0.0.1", () => resolve()));
  const [path = "", ...args] = [...program(), "run"];
  const { PATH = "", DENO_DIR = "" } = process.env;
  const given = { PATH, DENO_DIR, HOME: gateway.folder, JWT_SECRET_KEY: KEY };
  const { status, stderr } = spawnSync(path, args, {
    cwd: gateway.folder,
    env: { ...given, EVE_PROXY_WORKERS: "2", EVE_PROXY_HOST: "127.0.0.1", EVE_PROXY_PORT: String(port) },
    encoding: "utf8",
    timeout: 60_000,
  });
  holder.close();
  expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}: EADDRINUSE`);
  expect(stderr).not.toContain("starting it again");
  expect(status).toBe(1);
}, 120_000);
