/** From recorded rounds to docs/benchmarks.md. */
import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, release, totalmem } from "node:os";
import type { Peer } from "./peers.ts";
import { output } from "./process.ts";

export interface Book {
  readonly quick: boolean;
  readonly plan: Readonly<Record<string, number | string>>;
  /** peer → metric → one value a round */
  readonly results: Map<string, Map<string, number[]>>;
  readonly missing: [label: string, why: string][];
  readonly versions: [label: string, version: string][];
  readonly notes: string[];
  evidence: { lines: number; megabytes: number; seconds: number; verified: boolean } | null;
}

export function record(book: Book, peer: string, metric: string, value: number): void {
  const metrics = book.results.get(peer) ?? new Map<string, number[]>();
  const values = metrics.get(metric) ?? [];
  values.push(value);
  book.results.set(peer, metrics.set(metric, values));
}

function series(book: Book, peer: string, metric: string): readonly number[] {
  return book.results.get(peer)?.get(metric) ?? [];
}

function median(values: readonly number[]): number {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2;
}

function at(values: readonly number[], index: number): number {
  return values[index] ?? Number.NaN;
}

/** Median of the ratios (or differences) of values taken in the same round. */
function paired(a: readonly number[], b: readonly number[], combine: (x: number, y: number) => number): number {
  return median(a.map((value, round) => combine(value, at(b, round))));
}

const ratio = (a: readonly number[], b: readonly number[]) => paired(a, b, (x, y) => x / y);

function number(value: number, digits = 1): string {
  return Number.isFinite(value)
    ? value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits })
    : "–";
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

function model(): string {
  const text = readFileSync("/proc/cpuinfo", "utf8");
  return /model name\s*:\s*(.*)/.exec(text)?.[1] ?? arch();
}

export function report(book: Book, peers: readonly Peer[], workloads: readonly string[], tookMs: number): string {
  const get = (peer: string, metric: string) => series(book, peer, metric);
  const mid = (peer: string, metric: string) => median(get(peer, metric));
  const http = peers.filter((peer) => peer.http !== "none");
  const tunnelling = peers.filter((peer) => peer.tunnel !== "none");
  const parts: string[] = [];

  parts.push(`# Benchmarks

Written by \`npm run bench\`${book.quick ? " (`--quick`: one short round, a smoke test and not a measurement)" : ""}; every number below comes from that one run of ${number(tookMs / 60_000)} minutes.
Rounds are interleaved (A B C A B C …). Values are medians of ${book.plan.rounds} round(s); ratios and added latencies are taken inside a round, then the median.

| machine | |
| --- | --- |
| CPU | ${model()}, ${cpus().length} cores |
| memory | ${number(totalmem() / 2 ** 30, 0)} GiB |
| kernel | Linux ${release()} ${arch()} |
| load average when it ended | ${loadavg()
    .map((value) => value.toFixed(2))
    .join(" ")} (the bench itself keeps two cores busy) |
${book.versions.map(([label, version]) => `| ${label} | ${version} |`).join("\n")}
| load generator, upstream | \`scripts/bench/load\`, ${output(["go", "version"]).trim()} |
${book.missing.length > 0 ? `\nNot measured:\n\n${book.missing.map(([label, why]) => `- ${label}: ${why}`).join("\n")}\n` : ""}`);

  parts.push(goals(book));

  parts.push(`## CPU per request

utime + stime of the whole process tree (master and workers) from \`/proc/PID/stat\`, µs per request; POST over keep-alive connections, closed loop. This is the number to compare: on ${cpus().length} cores the generator and the upstream take their share of the same machine.

${table(
  ["", ...workloads, "÷ nginx (150 B, 32)", "÷ squid (150 B, 32)"],
  http.map((peer) => [
    peer.label,
    ...workloads.map((name) => number(mid(peer.name, `cpu ${name}`))),
    number(ratio(get(peer.name, `cpu ${workloads[0]}`), get("nginx", `cpu ${workloads[0]}`)), 2),
    number(ratio(get(peer.name, `cpu ${workloads[0]}`), get("squid", `cpu ${workloads[0]}`)), 2),
  ]),
)}`);

  parts.push(`## Requests per second

The same runs. "direct" is the generator against the upstream without anything between: the ceiling of the rig.

${table(
  ["", ...workloads],
  ["direct", ...http.map((peer) => peer.name)].map((name) => [
    http.find((peer) => peer.name === name)?.label ?? "direct",
    ...workloads.map((load) => number(mid(name, `rps ${load}`), 0)),
  ]),
)}`);

  const added = (peer: string, metric: string) => paired(get(peer, metric), get("direct", metric), (x, y) => x - y);
  parts.push(`## Latency at 1,000 requests a second, and event streams

Open loop: a kernel timer decides when each request is due and latency counts from that moment. "Added" is minus direct in the same round. Time to the first event of a stream whose second event follows 60 ms later, over a new connection; a proxy that buffers shows those 60 ms.

${table(
  ["", "p50 ms", "p99 ms", "added p50 ms", "added p99 ms", "first event ms", "added ms", "buffered streams"],
  ["direct", ...http.map((peer) => peer.name)].map((name) => [
    http.find((peer) => peer.name === name)?.label ?? "direct",
    number(mid(name, "p50 us") / 1000, 3),
    number(mid(name, "p99 us") / 1000, 3),
    name === "direct" ? "" : number(added(name, "p50 us") / 1000, 3),
    name === "direct" ? "" : number(added(name, "p99 us") / 1000, 3),
    number(mid(name, "sse us") / 1000, 2),
    name === "direct" ? "" : number(added(name, "sse us") / 1000, 2),
    number(mid(name, "sse buffered"), 0),
  ]),
)}`);

  parts.push(`## Tunnels

Bytes through 4 tunnels (CONNECT, one ClientHello record, then as fast as it goes), in GB/s, and CPU seconds of the proxy per GB. nginx forwards TCP without CONNECT: the floor.

${table(
  ["", "down GB/s", "÷ nginx stream", "CPU s/GB", "up GB/s", "÷ nginx stream", "CPU s/GB"],
  tunnelling.map((peer) => [
    peer.label,
    number(mid(peer.name, "gb/s down"), 2),
    number(ratio(get(peer.name, "gb/s down"), get("nginx-stream", "gb/s down")), 2),
    number(mid(peer.name, "cpu s/GB down"), 2),
    number(mid(peer.name, "gb/s up"), 2),
    number(ratio(get(peer.name, "gb/s up"), get("nginx-stream", "gb/s up")), 2),
    number(mid(peer.name, "cpu s/GB up"), 2),
  ]),
)}`);

  const n = number(Number(book.plan.tunnels), 0);
  parts.push(`## Memory and start-up

Resident memory of the process tree in MB: freshly started, with ${n} idle tunnels, and after the request workloads. Start-up is from spawn to the first 200: \`/readyz\` of sallyport, a carried request for other HTTP proxies, an accepted connection for nginx stream.

${table(
  ["", "idle MB", `${n} tunnels MB`, "after load MB", "start-up ms"],
  peers.map((peer) => [
    peer.label,
    number(mid(peer.name, "rss idle")),
    number(mid(peer.name, "rss tunnels")),
    number(mid(peer.name, "rss loaded")),
    number(mid(peer.name, "start ms"), 0),
  ]),
)}`);

  const evidence =
    book.evidence === null
      ? ""
      : book.evidence.verified
        ? `- Evidence was on: the compiled gateway wrote ${number(book.evidence.lines, 0)} certificates (${number(book.evidence.megabytes, 0)} MB, HMAC-SHA256, \`EVE_PROXY_AUDIT_SYNC\` at its default) in this run; afterwards \`sallyport verify\` accepted the whole folder in ${number(book.evidence.seconds)} s (${number(book.evidence.lines / book.evidence.seconds, 0)} lines a second, start included).\n`
        : `- Evidence was on, but \`sallyport verify\` did not accept the log of this run; see below.\n`;
  parts.push(`## How to read this

- The peers do less: no verdict on the body, no hash of it, no signed certificate, no evidence before the answer. nginx does not even parse a target; it stands for what moving the bytes costs at all.
- Each peer runs at its leanest sane configuration (\`scripts/bench/peers.ts\`): access logs off, one worker, no cache, nginx with keep-alive to the upstream. tinyproxy closes the connection after each request by design; the redials are its own cost and the generator's.
${evidence}- 127.0.0.1 only, fixed counts and times. Two cores carry generator, upstream and proxy, so requests per second and tail latencies are those of a full machine; a shared or virtual machine moves them by tens of per cent from run to run, the ratios of a round less.
- CPU is counted in ticks of 10 ms over ${book.plan.load} windows: below 1 % of error for a busy proxy.
${book.notes.length > 0 ? `\nSeen in this run:\n\n${[...new Set(book.notes)].map((note) => `- ${note.replace(/\s+/g, " ")}`).join("\n")}\n` : ""}
## Again

\`\`\`
npm ci && npm run build
apt-get install nginx libnginx-mod-stream squid tinyproxy mitmproxy    # and a Go toolchain ≥ 1.22
npm run bench                                # all of it
npm run bench -- --quick                     # a smoke test, under two minutes
npm run bench -- --only nginx,sallyport      # some
\`\`\``);
  return `${parts.join("\n\n")}\n`;
}

function goals(book: Book): string {
  const get = (peer: string, metric: string) => series(book, peer, metric);
  const mid = (metric: string) => median(get("sallyport", metric));
  const added = (metric: string) => paired(get("sallyport", metric), get("direct", metric), (x, y) => x - y) / 1000;
  const cpu = "cpu 150 B, 32 conns";
  const per = book.evidence?.verified === true ? book.evidence.lines / book.evidence.seconds : Number.NaN;
  const rows: [string, number, string, (value: number) => boolean, number][] = [
    [
      "CPU per request, engine included ÷ nginx",
      ratio(get("sallyport", cpu), get("nginx", cpu)),
      "≤ 3.2",
      (v) => v <= 3.2,
      2,
    ],
    ["CPU per request ÷ squid", ratio(get("sallyport", cpu), get("squid", cpu)), "≤ 0.4", (v) => v <= 0.4, 2],
    ["added latency p50, ms", added("p50 us"), "≤ 0.3", (v) => v <= 0.3, 3],
    ["added latency p99, ms", added("p99 us"), "≤ 2", (v) => v <= 2, 3],
    [
      "tunnel down ÷ nginx stream",
      ratio(get("sallyport", "gb/s down"), get("nginx-stream", "gb/s down")),
      "≥ 0.9",
      (v) => v >= 0.9,
      2,
    ],
    [
      "tunnel up ÷ nginx stream",
      ratio(get("sallyport", "gb/s up"), get("nginx-stream", "gb/s up")),
      "≥ 0.9",
      (v) => v >= 0.9,
      2,
    ],
    ["RSS idle, MB", mid("rss idle"), "≤ 60", (v) => v <= 60, 1],
    [`RSS with ${book.plan.tunnels} idle tunnels, MB`, mid("rss tunnels"), "≤ 160", (v) => v <= 160, 1],
    ["start-up to /readyz, ms", mid("start ms"), "≤ 80", (v) => v <= 80, 0],
    ["verify, HMAC certificates/s", per, "≥ 50,000", (v) => v >= 50_000, 0],
  ];
  return `## Goals and what was measured

${table(
  ["sallyport, 150-byte POST where it applies", "measured", "goal", "reached"],
  rows.map(([what, value, goal, holds, digits]) => [
    what,
    number(value, digits),
    goal,
    Number.isFinite(value) ? (holds(value) ? "yes" : "**no**") : "not measured",
  ]),
)}`;
}
