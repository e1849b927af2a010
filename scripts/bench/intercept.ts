/**
 * Measures interception beside squid's ssl-bump and mitmproxy, in one run on one machine.
 *
 *   bun scripts/bench/intercept.ts [--rounds N] [--only name,…] [--out FILE]
 *
 * What is counted is the CPU time of the proxy's process (and its helpers) a request or a connection; rounds are
 * interleaved, so that whatever else the machine does falls on all alike. The gateway runs with everything on: engine,
 * evidence, answers screened. The peers do not look inside what they decrypt.
 */
import type { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { certificates } from "./certificates.ts";
import { ROOT, SALLYPORT_ENV, squidConfig } from "./peers.ts";
import { cpuMicros, end, freePort, output, residentMb, runFolder, start, untilReady, which } from "./process.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    out: { type: "string" },
  },
});

const ROUNDS = Number(options.rounds);
const base = runFolder("intercept");
setTimeout(() => process.exit(1), 20 * 60_000).unref();

const LOAD = join(base, "load");
const NAME = "localhost";

interface Peer {
  readonly name: string;
  readonly missing: string | null;
  launch(folder: string, port: number): { readonly command: readonly string[]; readonly env: Record<string, string> };
}

const BUILT = join(ROOT, "dist/sallyport");
const MAIN = join(ROOT, "src/main.ts");

function sallyport(
  name: string,
  missing: string | null,
  command: readonly string[],
  more: Record<string, string>,
): Peer {
  return {
    name,
    missing,
    launch: (folder, port) => ({
      command: [...command, "run"],
      env: {
        EVE_PROXY_HOST: "127.0.0.1",
        EVE_PROXY_PORT: String(port),
        EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8,::1/128",
        EVE_PROXY_AUDIT_PATH: join(folder, "audit.jsonl"),
        EVE_PROXY_CA_CERT: join(base, "ca.crt"),
        EVE_PROXY_CA_KEY: join(base, "ca.key"),
        EVE_PROXY_UPSTREAM_CA: join(base, "up.crt"),
        ...SALLYPORT_ENV,
        ...more,
      },
    }),
  };
}

const squid: Peer = {
  name: "squid ssl-bump",
  missing: which("squid") === null ? "squid-openssl is not installed" : null,
  launch: (folder, port) => {
    const certgen = "/usr/lib/squid/security_file_certgen";
    output([certgen, "-c", "-s", join(folder, "ssl_db"), "-M", "4MB"]);
    output(["chown", "-R", "proxy", folder]);
    const listening = `127.0.0.1:${port} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB tls-cert=${join(base, "ca.pem")}`;
    const config = squidConfig(
      listening,
      `sslcrtd_program ${certgen} -s ${join(folder, "ssl_db")} -M 4MB
sslcrtd_children 1 startup=1 idle=1
tls_outgoing_options cafile=${join(base, "up.crt")}
ssl_bump bump all
acl CONNECT method CONNECT
`,
    );
    const path = join(folder, "squid.conf");
    writeFileSync(path, config);
    return { command: ["squid", "-N", "-f", path], env: {} };
  },
};

const mitmproxy: Peer = {
  name: "mitmproxy",
  missing: which("mitmdump") === null ? "mitmproxy is not installed" : null,
  launch: (folder, port) => {
    writeFileSync(join(folder, "mitmproxy-ca.pem"), readFileSync(join(base, "ca.pem")));
    const set = (text: string): string[] => ["--set", text];
    return {
      command: [
        ...[
          "mitmdump",
          "--quiet",
          "--listen-host",
          "127.0.0.1",
          "--listen-port",
          String(port),
          ...set(`confdir=${folder}`),
        ],
        ...set("flow_detail=0"),
        ...set("http2=false"),
        ...set(`ssl_verify_upstream_trusted_ca=${join(base, "up.crt")}`),
        // Else it keeps every flow it has seen in memory.
        ...set("stream_large_bodies=1m"),
      ],
      env: {},
    };
  },
};

const PEERS: readonly Peer[] = [
  existsSync(BUILT)
    ? sallyport("sallyport", null, [BUILT], {})
    : sallyport("sallyport", null, [join(ROOT, "node_modules/.bin/bun"), MAIN], {}),
  squid,
  mitmproxy,
];

interface Running {
  readonly name: string;
  readonly port: number;
  readonly child: ReturnType<typeof spawn>;
}

type Report = Readonly<Record<string, number | string>>;

function generate(command: string, running: Running | null, args: readonly string[]): Promise<Report> {
  const proxy = running === null ? [] : ["-proxy", `127.0.0.1:${running.port}`];
  const roots = join(base, running === null ? "up.crt" : "ca.crt");
  const child = start([LOAD, command, ...proxy, "-target", upstream, "-name", NAME, "-ca", roots, ...args], {}, base);
  child.stdin?.end();
  let out = "";
  let err = "";
  child.stdout?.on("data", (bytes) => (out += bytes));
  child.stderr?.on("data", (bytes) => (err += bytes));
  return new Promise((resolve, reject) => {
    child.on("close", (code) => (code === 0 ? resolve(JSON.parse(out)) : reject(new Error(err.trim() || `${code}`))));
  });
}

const results = new Map<string, Map<string, number[]>>();
const notes = new Set<string>();

function record(who: string, what: string, value: number): void {
  const mine = results.get(who) ?? new Map<string, number[]>();
  results.set(who, mine);
  mine.set(what, [...(mine.get(what) ?? []), value]);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function loaded(running: Running, what: string, args: readonly string[]): Promise<void> {
  const pid = running.child.pid ?? 0;
  const before = cpuMicros(pid);
  const result = await generate("https", running, args);
  const requests = Number(result.requests);
  record(running.name, `${what}: CPU us`, (cpuMicros(pid) - before) / requests);
  record(running.name, `${what}: a second`, requests / Number(result.seconds));
  if (Number(result.errors) > 0) notes.add(`${running.name}, ${what}: ${result.errors} errors (${result.first_fail})`);
}

output(["go", "build", "-o", LOAD, "."], { GOFLAGS: "-buildvcs=false" }, join(import.meta.dirname, "load"));
certificates(base, NAME);
const serving = start([LOAD, "tlsserve", "-cert", join(base, "leaf.crt"), "-key", join(base, "leaf.key")], {}, base);
const upstream = await new Promise<string>((resolve) => {
  serving.stdout?.once("data", (bytes) => resolve(JSON.parse(String(bytes)).https));
});

const fleet: Running[] = [];
const only = options.only?.split(",");
for (const peer of PEERS) {
  if (only !== undefined && !only.some((name) => peer.name.startsWith(name))) continue;
  if (peer.missing !== null) {
    notes.add(`not measured: ${peer.name}: ${peer.missing}`);
    continue;
  }
  const port = await freePort();
  const folder = join(base, peer.name.replaceAll(" ", "-"));
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const { command, env } = peer.launch(folder, port);
  const child = start(command, env, folder, join(folder, "stderr"));
  await untilReady(port, null, performance.now(), child);
  fleet.push({ name: peer.name, port, child });
}

for (const running of fleet)
  await generate("https", running, ["-for", "3s"]).catch((error) => notes.add(String(error)));
for (let round = 0; round < ROUNDS; round++) {
  for (const running of fleet) await loaded(running, "150 B, warm", ["-size", "150", "-for", "2s"]);
  for (const running of fleet) await loaded(running, "10 KB, warm", ["-size", "10240", "-for", "2s"]);
  for (const running of fleet) await loaded(running, "new connection", ["-fresh", "-conns", "8", "-for", "2s"]);
  for (const running of [null, ...fleet]) {
    const stream = await generate("httpssse", running, ["-path", "/sse", "-n", "25"]);
    record(running?.name ?? "direct", "first event p50 us", Number(stream.p50_us));
    record(running?.name ?? "direct", "first event p99 us", Number(stream.p99_us));
    if (Number(stream.buffered) > 0) notes.add(`${running?.name}: ${stream.buffered} event streams were buffered`);
  }
  console.error(`round ${round + 1} of ${ROUNDS}`);
}
for (const running of fleet) {
  const pid = running.child.pid ?? 0;
  const before = residentMb(pid);
  let most = before;
  const watching = setInterval(() => (most = Math.max(most, residentMb(pid))), 50);
  const down = await generate("httpsbulk", running, ["-path", `/bulk/${1024 ** 3}`]);
  clearInterval(watching);
  record(running.name, "1 GB: MB/s", Number(down.bytes) / Number(down.seconds) / 1e6);
  record(running.name, "1 GB: RSS before, MB", before);
  record(running.name, "1 GB: RSS most, MB", most);
}
for (const running of fleet) await end(running.child);

const names = [...results.keys()].filter((name) => name !== "direct");
const rows = new Set([...results.values()].flatMap((mine) => [...mine.keys()]));
const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const show = (value: number): string =>
  Number.isNaN(value) ? "–" : value >= 100 ? value.toFixed(0) : value.toFixed(1);
const table = [line(["", "direct", ...names]), line(["---", "---:", ...names.map(() => "---:")])];
for (const row of rows) {
  const cell = (name: string): string => show(median(results.get(name)?.get(row) ?? []));
  table.push(line([row, cell("direct"), ...names.map(cell)]));
}
const text = `${table.join("\n")}\n\n${[...notes].map((note) => `- ${note}`).join("\n")}\n`;
if (options.out !== undefined) writeFileSync(options.out, text);
console.log(text);
process.exit(0);
