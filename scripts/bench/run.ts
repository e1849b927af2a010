/**
 * Measures this gateway beside its peers, in one run on one machine, and writes docs/benchmarks.md.
 *
 *   bun scripts/bench/run.ts [--quick] [--only name,…] [--out FILE]
 *
 * Rounds are interleaved (A B C A B C …) so that whatever else the machine does falls on all alike; what is reported
 * is the median over rounds, and ratios are taken inside a round. Nothing here is a timed test.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { folderFor, installInto, keepBinary, PEERS, type Peer, ROOT, SALLYPORT_ENV, type Upstream } from "./peers.ts";
import { cpuMicros, end, freePort, output, residentMb, runFolder, start, untilReady, which } from "./process.ts";
import { type Book, record, report } from "./report.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    out: { type: "string", default: join(ROOT, "docs/benchmarks.md") },
  },
});

const QUICK = options.quick;
const PLAN = QUICK
  ? { rounds: 1, load: "1s", latency: "1500ms", streams: 10, bulk: "1s", tunnels: 1000, starts: 1 }
  : { rounds: 5, load: "2s", latency: "3s", streams: 20, bulk: "2s", tunnels: 5000, starts: 5 };

/** [name, connections, body bytes] */
const ALL_WORKLOADS: readonly (readonly [string, number, number])[] = [
  ["150 B, 32 conns", 32, 150],
  ["150 B, 512 conns", 512, 150],
  ["10 KB, 32 conns", 32, 10240],
  ["10 KB, 512 conns", 512, 10240],
];
const WORKLOADS = QUICK ? ALL_WORKLOADS.filter(([, conns]) => conns === 32) : ALL_WORKLOADS;

interface Running {
  readonly peer: Peer;
  readonly port: number;
  readonly child: ChildProcess;
  readonly folder: string;
  readonly startMs: number;
  /** The last of what it said on the standard error. */
  said(): string;
}

const base = runFolder("bench");
// A whole run is bounded whatever hangs inside it.
setTimeout(() => abort("gave up after 20 minutes"), 20 * 60_000).unref();

function abort(why: string): never {
  console.error(`bench: ${why}`);
  process.exit(1);
}

function progress(text: string): void {
  console.error(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}`);
}

type LoadReport = Readonly<Record<string, number | string>>;

const LOAD = join(base, "load");

/** Runs the generator to its end and gives its one line. */
function generate(args: readonly string[]): Promise<LoadReport> {
  const child = start([LOAD, ...args], {}, base);
  child.stdin?.end();
  let out = "";
  let err = "";
  child.stdout?.on("data", (bytes) => (out += bytes));
  child.stderr?.on("data", (bytes) => (err += bytes));
  return new Promise((resolve, reject) => {
    child.on("close", (code) =>
      code === 0 ? resolve(JSON.parse(out)) : reject(new Error(err.trim() || `status ${code}`)),
    );
  });
}

/** Starts a process whose first line of output is JSON, and waits for that line. */
function firstLine(child: ChildProcess): Promise<Record<string, string | number>> {
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (bytes) => {
      out += bytes;
      if (out.includes("\n")) resolve(JSON.parse(out.split("\n")[0] ?? "{}"));
    });
    child.on("exit", (code) => reject(new Error(`ended with ${code} before its first line`)));
  });
}

let starts = 0;

async function launch(peer: Peer, upstream: Upstream): Promise<Running> {
  const port = await freePort();
  const folder = folderFor(base, peer.name, starts++);
  const { command, env, ready } = peer.launch(folder, port, upstream);
  const since = performance.now();
  const log = join(folder, "stderr");
  const child = start(command, env, folder, log);
  const said = () => readFileSync(log, "utf8").slice(-2000);
  try {
    const startMs = await untilReady(port, ready, since, child);
    return { peer, port, child, folder, startMs, said };
  } catch (error) {
    await end(child);
    throw new Error(`${error instanceof Error ? error.message : error}: ${said().trim().slice(0, 400)}`);
  }
}

/** One measurement; a peer that fails it is noted and, when its process is gone, measured no more. */
async function attempt(running: Running | null, what: string, run: () => Promise<void>): Promise<void> {
  if (running !== null && gone(running)) return;
  try {
    await run();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (running === null) throw error;
    const { exitCode, signalCode } = running.child;
    const ended = gone(running)
      ? `; its process ended with ${exitCode ?? signalCode}: ${running.said().slice(-200)}`
      : "";
    book.notes.push(`${running.peer.name}, ${what}: ${why}${ended}`);
    progress(`${running.peer.name}, ${what}: ${why}${ended}`);
  }
}

function gone(running: Running): boolean {
  return running.child.exitCode !== null || running.child.signalCode !== null;
}

/** How the generator reaches a running peer; null peer = straight to the upstream. */
function httpArgs(running: Running | null, upstream: Upstream, path: string): string[] {
  if (running === null) return ["-connect", upstream.http, "-target", path, "-host", upstream.http];
  const target = running.peer.http === "absolute" ? `http://${upstream.http}${path}` : path;
  return ["-connect", `127.0.0.1:${running.port}`, "-target", target, "-host", upstream.http];
}

function tunnelArgs(running: Running, upstream: Upstream): string[] {
  const plain = running.peer.tunnel === "plain" ? ["-plain"] : [];
  return [...plain, "-proxy", `127.0.0.1:${running.port}`, "-target", upstream.raw];
}

function complain(book: Book, who: string, what: string, result: LoadReport): void {
  const errors = Number(result.errors ?? 0);
  if (errors === 0) return;
  const why = String(result.first_fail ?? result.why ?? "").slice(0, 160);
  record(book, who, `errors: ${what}`, errors);
  book.notes.push(`${who}, ${what}: ${errors} failed requests of ${result.requests ?? result.streams} (${why})`);
}

const began = performance.now();

progress("building the load generator");
if (which("go") === null) abort("needs the Go toolchain to build scripts/bench/load (standard library only)");
output(["go", "build", "-o", LOAD, "."], { GOFLAGS: "-buildvcs=false" }, join(import.meta.dirname, "load"));
installInto(base);
keepBinary(base);

const serving = start([LOAD, "serve"], {}, base);
const addresses = await firstLine(serving);
const upstream: Upstream = { http: String(addresses.http), raw: String(addresses.raw) };

const only = options.only?.split(",");
const book: Book = {
  quick: QUICK,
  plan: PLAN,
  results: new Map(),
  missing: [],
  versions: [],
  notes: [],
  evidence: null,
};
const peers: Peer[] = [];
for (const peer of PEERS) {
  if (only !== undefined && !only.includes(peer.name)) continue;
  const missing = peer.missing();
  if (missing === null) {
    peers.push(peer);
    book.versions.push([peer.label, peer.version()]);
  } else {
    book.missing.push([peer.label, missing]);
    progress(`not measured: ${peer.name}: ${missing}`);
  }
}

async function startUps(): Promise<void> {
  for (let round = 0; round < PLAN.starts; round++) {
    for (const peer of [...peers]) {
      try {
        const running = await launch(peer, upstream);
        record(book, peer.name, "start ms", running.startMs);
        await new Promise((resolve) => setTimeout(resolve, 400));
        record(book, peer.name, "rss idle", residentMb(running.child.pid ?? 0));
        if (round === 0 && peer.tunnel !== "none") await idleTunnels(running);
        await end(running.child);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        progress(`${peer.name} does not start: ${why}`);
        book.missing.push([peer.label, `did not start: ${why.slice(0, 200)}`]);
        peers.splice(peers.indexOf(peer), 1);
      }
    }
    progress(`start-up and idle memory, round ${round + 1} of ${PLAN.starts}`);
  }
}

async function idleTunnels(running: Running): Promise<void> {
  const holder = start([LOAD, "tunnels", ...tunnelArgs(running, upstream), "-n", String(PLAN.tunnels)], {}, base);
  const said = await firstLine(holder).catch((error) => ({ opened: 0, failed: 1, why: String(error) }));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  record(book, running.peer.name, "tunnels opened", Number(said.opened));
  if (Number(said.opened) >= PLAN.tunnels * 0.98) {
    record(book, running.peer.name, "rss tunnels", residentMb(running.child.pid ?? 0));
  }
  if (Number(said.failed) > 0) {
    book.notes.push(`${running.peer.name}: held ${said.opened} of ${PLAN.tunnels} idle tunnels (${said.why})`);
  }
  holder.stdin?.end();
  await end(holder);
}

/** Waits for a proxy to finish what an ended measurement left it with, so that it does not weigh on the next one. */
async function settle(running: Running): Promise<void> {
  const pid = running.child.pid ?? 0;
  for (let left = 30, before = cpuMicros(pid); left > 0; left--) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = cpuMicros(pid);
    if (now - before <= 10_000) return;
    before = now;
  }
}

async function throughput(fleet: readonly Running[], round: number): Promise<void> {
  for (const [name, conns, size] of WORKLOADS) {
    for (const running of [null, ...fleet.filter((one) => one.peer.http !== "none")]) {
      await attempt(running, name, async () => {
        const who = running?.peer.name ?? "direct";
        const before = running === null ? 0 : cpuMicros(running.child.pid ?? 0);
        const args = [...httpArgs(running, upstream, "/v1/x"), "-conns", String(conns), "-size", String(size), "-for"];
        const result = await generate(["http", ...args, PLAN.load]);
        const requests = Number(result.requests);
        complain(book, who, name, result);
        record(book, who, `rps ${name}`, requests / Number(result.seconds));
        if (running === null) return;
        const spent = cpuMicros(running.child.pid ?? 0) - before;
        // Too few answers to divide by: the proxy is drowning, and its row says so by its requests per second.
        record(book, who, `cpu ${name}`, requests < 100 ? Number.NaN : spent / requests);
        await settle(running);
      });
    }
  }
  progress(`requests, round ${round + 1} of ${PLAN.rounds}`);
}

async function latency(fleet: readonly Running[], round: number): Promise<void> {
  for (const running of [null, ...fleet.filter((one) => one.peer.http !== "none")]) {
    const who = running?.peer.name ?? "direct";
    await attempt(running, "1,000 req/s", async () => {
      const args = ["-rate", "1000", "-conns", "32", "-size", "150", "-warm", "300ms", "-for", PLAN.latency];
      const result = await generate(["http", ...httpArgs(running, upstream, "/v1/x"), ...args]);
      complain(book, who, "1,000 req/s", result);
      record(book, who, "p50 us", Number(result.p50_us));
      record(book, who, "p99 us", Number(result.p99_us));
      if (running !== null) await settle(running);
    });
    await attempt(running, "event stream", async () => {
      const stream = await generate(["sse", ...httpArgs(running, upstream, "/sse"), "-n", String(PLAN.streams)]);
      complain(book, who, "event stream", stream);
      record(book, who, "sse us", Number(stream.p50_us ?? Number.NaN));
      record(book, who, "sse buffered", Number(stream.buffered));
    });
  }
  progress(`latency and event streams, round ${round + 1} of ${PLAN.rounds}`);
}

async function bulk(fleet: readonly Running[], round: number): Promise<void> {
  for (const way of ["down", "up"]) {
    for (const running of fleet.filter((one) => one.peer.tunnel !== "none")) {
      await attempt(running, `bulk ${way}`, async () => {
        const before = cpuMicros(running.child.pid ?? 0);
        const direction = way === "up" ? ["-up"] : [];
        const result = await generate(["bulk", ...tunnelArgs(running, upstream), ...direction, "-for", PLAN.bulk]);
        record(book, running.peer.name, `gb/s ${way}`, Number(result.gb_s));
        const spent = (cpuMicros(running.child.pid ?? 0) - before) / 1e6;
        record(book, running.peer.name, `cpu s/GB ${way}`, spent / Math.max(1e-3, Number(result.bytes) / 1e9));
        await settle(running);
      });
    }
  }
  progress(`bulk through tunnels, round ${round + 1} of ${PLAN.rounds}`);
}

/** The gateway was not measured with its evidence switched off: the log of this very run is verified. */
async function verifyEvidence(fleet: readonly Running[]): Promise<void> {
  const gateway = fleet.find((one) => one.peer.name === "sallyport");
  if (gateway === undefined) return;
  await end(gateway.child);
  // Rotated files too.
  const logs = readdirSync(gateway.folder)
    .filter((name) => /^audit(?:\.\d+)?\.jsonl$/.test(name))
    .map((name) => join(gateway.folder, name));
  const command = gateway.peer.launch(gateway.folder, 1, upstream).command.slice(0, -1);
  const key = join(gateway.folder, "key");
  writeFileSync(key, SALLYPORT_ENV.JWT_SECRET_KEY);
  let lines = 0;
  for (const log of logs) lines += Number(output(["wc", "-l", log]).split(" ")[0]);
  const megabytes = logs.reduce((sum, log) => sum + statSync(log).size, 0) / 1e6;
  const since = performance.now();
  try {
    output([...command, "verify", gateway.folder, "--key-file", key]);
    const seconds = (performance.now() - since) / 1000;
    book.evidence = { lines, megabytes, seconds, verified: true };
  } catch (error) {
    book.evidence = { lines, megabytes, seconds: 0, verified: false };
    book.notes.push(
      `verify of the run's own audit log: ${error instanceof Error ? error.message.slice(0, 300) : error}`,
    );
  }
}

await startUps();
const fleet: Running[] = [];
for (const peer of peers) fleet.push(await launch(peer, upstream));
progress("warming up");
for (const running of fleet) {
  if (running.peer.http === "none") continue;
  await attempt(running, "warm-up", async () => {
    const args = ["http", ...httpArgs(running, upstream, "/v1/x"), "-for", QUICK ? "2s" : "5s", "-conns"];
    await generate([...args, "32"]);
    if (!QUICK) await generate([...args, "512"]);
    // The compilers' threads are busy until some 20,000 requests were seen, of long bodies some thousands besides.
    const compiling = !QUICK && running.peer.name.startsWith("sallyport") ? ["150", "10240", "10240"] : [];
    for (const size of compiling) await generate([...args, "32", "-size", size]);
    await settle(running);
  });
}
for (let round = 0; round < PLAN.rounds; round++) await throughput(fleet, round);
for (const running of fleet) {
  if (!gone(running)) record(book, running.peer.name, "rss loaded", residentMb(running.child.pid ?? 0));
}
for (let round = 0; round < PLAN.rounds; round++) await latency(fleet, round);
for (let round = 0; round < PLAN.rounds; round++) await bulk(fleet, round);
await verifyEvidence(fleet);
const text = report(
  book,
  peers,
  WORKLOADS.map(([name]) => name),
  performance.now() - began,
);
// What was measured apart stands behind the report, and is no part of this run.
const APART = "\n## Measured apart";
const before = existsSync(options.out) ? readFileSync(options.out, "utf8") : "";
const apart = before.indexOf(APART);
writeFileSync(options.out, apart === -1 ? text : `${text.trimEnd()}\n${before.slice(apart)}`);
console.log(text);
progress(`written to ${options.out}`);
process.exit(0);
