/**
 * `bun scripts/autobahn.ts WSTEST… [-- CASE…]`: the Autobahn test suite with the gateway in the middle, `ws` at the other end. WSTEST is
 * how the suite is started. It is a program for Python 2.7 (the release of 2025 on PyPI as well), so it is no part of the gate:
 *
 *     python2.7 -m pip install --target /tmp/autobahn autobahntestsuite && touch /tmp/autobahn/zope/__init__.py
 *     bun scripts/autobahn.ts env PYTHONPATH=/tmp/autobahn python2.7 /tmp/autobahn/bin/wstest -- '1.*' '2.*'
 *
 * Both ways round: its client before the gateway and an echo server behind it, then a client before the gateway and its server
 * behind it. Prints what is neither OK nor a matter of taste, and the same without the gateway: what is different is ours.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WebSocket, WebSocketServer } from "ws";
import { through, WebSocketRig } from "../test/enforce/_websocket-rig.ts";

const real = createRequire(import.meta.url)("../node_modules/ws/index.js") as {
  WebSocket: typeof WebSocket;
  WebSocketServer: typeof WebSocketServer;
};

/** Everything but what only measures, and of the long series of compressed messages the short ones. */
const CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.3", "9.2.3", "9.3.1", "9.5.1", "10.*"].concat(
  [1, 2, 3, 4, 5].map((i) => `12.${i}.1`),
  [1, 2, 3, 4, 5, 6, 7].flatMap((i) => [`13.${i}.1`, `13.${i}.5`]),
);
const MAX_MESSAGE = 32 << 20;

const split = process.argv.indexOf("--");
const wstest = process.argv.slice(2, split === -1 ? undefined : split);
const cases = split === -1 ? CASES : process.argv.slice(split + 1);
const folder = mkdtempSync(join(tmpdir(), "autobahn-"));

function suite(mode: "fuzzingclient" | "fuzzingserver", spec: object): { done: Promise<void>; stop: () => void } {
  const file = join(folder, `${mode}.json`);
  writeFileSync(file, JSON.stringify(spec));
  const [command = "wstest", ...args] = wstest;
  const child = spawn(command, [...args, "-m", mode, "-s", file], { stdio: ["ignore", "ignore", "inherit"] });
  return { done: new Promise((resolve) => child.once("exit", () => resolve())), stop: () => void child.kill() };
}

function report(outdir: string): void {
  const index = JSON.parse(readFileSync(join(outdir, "index.json"), "utf8")) as Record<
    string,
    Record<string, Behaviour>
  >;
  for (const [agent, found] of Object.entries(index)) {
    const counts = new Map<string, number>();
    const bad: string[] = [];
    for (const [id, { behavior, behaviorClose }] of Object.entries(found)) {
      const word = behavior === "OK" || behavior === "INFORMATIONAL" ? behaviorClose : behavior;
      counts.set(word, (counts.get(word) ?? 0) + 1);
      if (word !== "OK" && word !== "INFORMATIONAL") bad.push(`${id} ${behavior}/${behaviorClose}`);
    }
    console.log(`${agent}: ${[...counts].map(([word, count]) => `${count} ${word}`).join(", ")}`);
    for (const line of bad) console.log(`  ${line}`);
  }
}

interface Behaviour {
  readonly behavior: string;
  readonly behaviorClose: string;
}

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

async function freePort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the suite's server did not start");
}

async function before(rig: WebSocketRig): Promise<void> {
  const echo = new real.WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    perMessageDeflate: { threshold: 0 },
    maxPayload: MAX_MESSAGE,
  });
  await new Promise((resolve) => echo.once("listening", resolve));
  echo.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data, binary) => socket.send(data, { binary }));
  });
  const shim = await through(rig, `127.0.0.1:${portOf(echo)}`);
  const outdir = join(folder, "before");
  const servers = [
    { agent: "server-behind-gateway", url: `ws://127.0.0.1:${portOf(shim)}` },
    { agent: "server-alone", url: `ws://127.0.0.1:${portOf(echo)}` },
  ];
  await suite("fuzzingclient", { outdir, servers, cases, "exclude-cases": [], "exclude-agent-cases": {} }).done;
  report(outdir);
  shim.close();
  echo.close();
}

async function behind(rig: WebSocketRig): Promise<void> {
  const port = await freePort();
  const outdir = join(folder, "behind");
  const server = suite("fuzzingserver", {
    url: `ws://127.0.0.1:${port}`,
    outdir,
    cases,
    "exclude-cases": [],
    "exclude-agent-cases": {},
  });
  await listening(port);
  const shim = await through(rig, `127.0.0.1:${port}`);
  for (const [agent, at] of [
    ["client-behind-gateway", portOf(shim)],
    ["client-alone", port],
  ] as const) {
    let count = 0;
    await client(`ws://127.0.0.1:${port}/getCaseCount`, (text) => {
      count = Number(text);
    });
    for (let i = 1; i <= count; i++) await client(`ws://127.0.0.1:${at}/runCase?case=${i}&agent=${agent}`, null);
    await client(`ws://127.0.0.1:${port}/updateReports?agent=${agent}`, null);
  }
  report(outdir);
  shim.close();
  server.stop();
  await server.done;
}

/** Echoes, or tells what it hears, until the connection has ended. */
function client(url: string, hear: ((text: string) => void) | null): Promise<void> {
  return new Promise((resolve) => {
    const socket = new real.WebSocket(url, { perMessageDeflate: { threshold: 0 }, maxPayload: MAX_MESSAGE });
    socket.on("error", () => {});
    socket.on("message", (data, binary) => (hear === null ? socket.send(data, { binary }) : hear(String(data))));
    socket.once("close", () => resolve());
  });
}

const rig = await WebSocketRig.start(MAX_MESSAGE);
// What outstays a close is cut, as the gateway's own clock would.
const sweep = setInterval(() => rig.advance(0), 250);
await before(rig);
await behind(rig);
clearInterval(sweep);
await rig.stop();
console.log(`judged ${rig.judged.length} messages; reports in ${folder}`);
process.exit(0);
