/** The kill switch without the admin port, on the real program: a file that is there, and a signal. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../_free-port.ts";
import { clientHello } from "../enforce/_hello.ts";
import { type Env, Gateway, until } from "./_gateway.ts";
import { exchange, proxied, RawClient } from "./_raw.ts";

let folder: string;
let file: string;
let gateway: Gateway | null = null;
let server: Server;
let at: string;
const sockets = new Set<Socket>();

/** Answers `/stream` with a first event and no end; everything else with "x". */
function serve(socket: Socket): void {
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    const text = bytes.toString("latin1");
    if (text.startsWith("GET /stream")) {
      socket.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
      );
    } else if (/^(?:GET|POST)/.test(text)) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-kill-"));
  mkdirSync(join(folder, "switch"));
  file = join(folder, "switch", "kill");
  server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await gateway?.stop();
  gateway = null;
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server.close();
  chmodSync(join(folder, "switch"), 0o700);
  rmSync(folder, { recursive: true });
});

async function start(env: Env = {}): Promise<Gateway> {
  gateway = await Gateway.start({ EVE_PROXY_KILL_FILE: file, ...env });
  return gateway;
}

const ask = (on: Gateway) => exchange(on.port, proxied("GET", `http://${at}/`));

async function answers(on: Gateway, status: number): Promise<string> {
  let body = "";
  await until(async () => {
    // What is under way when the switch is thrown is cut without an answer.
    const answer = await ask(on).catch(() => null);
    if (answer === null) return false;
    body = answer.body;
    return answer.status === status;
  }, `answered ${status}`);
  return body;
}

interface Running {
  readonly tunnel: RawClient;
  readonly stream: RawClient;
}

/** A tunnel that carries TLS both ways, and an event stream under way. */
async function running(on: Gateway): Promise<Running> {
  const tunnel = await RawClient.open(on.port);
  const before = sockets.size;
  tunnel.send(`CONNECT localhost:${at.split(":")[1]} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  expect((await tunnel.head()).status).toBe(200);
  tunnel.send(clientHello({ sni: "localhost" }));
  await until(() => sockets.size > before, "the tunnel's far end");
  const stream = await RawClient.open(on.port);
  stream.send(`GET http://${at}/stream HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
  await stream.wait((text) => text.includes("data: 1"), "the first event");
  return { tunnel, stream };
}

async function cutWithinASecond({ tunnel, stream }: Running, act: () => void): Promise<void> {
  const from = performance.now();
  act();
  expect(await tunnel.ended()).toBe("reset");
  expect(await stream.ended()).toBe("reset");
  expect(performance.now() - from).toBeLessThan(1_000);
}

describe("the kill file", () => {
  test("in a directory that is not there keeps it from starting", async () => {
    const wrong = join(folder, "nowhere", "kill");
    await expect(start({ EVE_PROXY_KILL_FILE: wrong })).rejects.toThrow("EVE_PROXY_KILL_FILE");
  });

  test("that is there before the start vetoes the first request", async () => {
    writeFileSync(file, "");
    const on = await start();
    expect(await ask(on)).toMatchObject({ status: 451 });
  }, 120_000);

  test("cuts a live tunnel and a running stream within a second, vetoes, and lets go when it is removed", async () => {
    const on = await start();
    const both = await running(on);
    await cutWithinASecond(both, () => writeFileSync(file, "incident\u001b[31m 7\u202e \nsecond line\n"));
    // That the file is there is obeyed before it has been read.
    await until(async () => (await answers(on, 451)).includes("incident"), "the reason told");
    const body = JSON.parse(await answers(on, 451)) as Record<string, string>;
    expect(body).toMatchObject({ vector: "kill_switch", reason: "the kill switch is on: incident [31m 7" });
    rmSync(file);
    expect(await answers(on, 200)).toBe("x");
    expect(on.verifyLogs().status).toBe(0);
    expect(on.auditLines().some(({ matched_vector: vector }) => vector === "kill_switch")).toBe(true);
  }, 120_000);

  test("as a directory, and of any length, is on", async () => {
    const on = await start();
    mkdirSync(file);
    expect(JSON.parse(await answers(on, 451))).toMatchObject({ reason: "the kill switch is on" });
    rmSync(file, { recursive: true });
    await answers(on, 200);
    writeFileSync(file, "x".repeat(300_000));
    expect(JSON.parse(await answers(on, 451))).toMatchObject({ reason: "the kill switch is on" });
  }, 120_000);

  test("that cannot be looked for is taken to be there: its directory is gone", async () => {
    const on = await start();
    await answers(on, 200);
    renameSync(join(folder, "switch"), join(folder, "moved"));
    expect(await answers(on, 451)).toContain("cannot be looked for");
    renameSync(join(folder, "moved"), join(folder, "switch"));
    await answers(on, 200);
  }, 120_000);

  test("reaches every worker by way of the parent", async () => {
    const on = await start({ EVE_PROXY_WORKERS: "2", EVE_PROXY_PORT: String(await freePort()) });
    const both = [await running(on), await running(on), await running(on)];
    const from = performance.now();
    writeFileSync(file, "all of you");
    for (const { tunnel, stream } of both) {
      expect(await tunnel.ended()).toBe("reset");
      expect(await stream.ended()).toBe("reset");
    }
    expect(performance.now() - from).toBeLessThan(1_000);
    for (let i = 0; i < 10; i++) expect((await ask(on)).status).toBe(451);
    rmSync(file);
    await answers(on, 200);
  }, 120_000);
});

describe("SIGUSR2", () => {
  test("cuts what runs and vetoes; sent again it changes nothing; only the admin port takes it back", async () => {
    const port = await freePort();
    const token = "admin-token-of-the-kill-tests";
    const on = await start({ EVE_PROXY_ADMIN_LISTEN: `127.0.0.1:${port}`, EVE_PROXY_ADMIN_TOKEN: token });
    const headers = { Authorization: `Bearer ${token}` };
    const admin = async (path: string, body?: string) =>
      (
        await fetch(
          `http://127.0.0.1:${port}${path}`,
          body === undefined ? { headers } : { method: "POST", headers, body },
        )
      ).json();
    const both = await running(on);
    await cutWithinASecond(both, () => on.signal("SIGUSR2"));
    await answers(on, 451);
    on.signal("SIGUSR2");
    expect(await admin("/v1/status")).toMatchObject({ kill_switch: { on: true, sources: ["signal"] } });

    writeFileSync(file, "by file");
    await until(async () => JSON.stringify(await admin("/v1/status")).includes('["signal","file"]'), "both");
    expect(await admin("/v1/kill", '{"on":false}')).toMatchObject({ ok: true, on: true, sources: ["file"] });
    // That the file is there is obeyed before it has been read.
    await until(
      async () => JSON.stringify(await admin("/v1/status")).includes('"reason":"by file"'),
      "the reason told",
    );
    expect(await admin("/v1/kill", '{"on":false}')).toMatchObject({ on: true, sources: ["file"], reason: "by file" });
    await answers(on, 451);
    rmSync(file);
    await answers(on, 200);
    expect(await admin("/v1/status")).toMatchObject({ kill_switch: { on: false, sources: [] } });
  }, 120_000);
});
