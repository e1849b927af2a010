/**
 * What a redirected connection costs beside one made to the proxy, with a new connection for each request.
 *
 *   bun scripts/bench/transparent.ts [--rounds N]        needs root, ip and iptables
 *
 * The gateway and its clients share a network namespace, the upstream has one of its own. Counted is the CPU time of the
 * gateway's process a request; the two ways take turns, so that whatever else the machine does falls on both.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { certificates } from "./certificates.ts";
import { ROOT, SALLYPORT_ENV } from "./peers.ts";
import { cpuMicros, output, runFolder, start } from "./process.ts";

const { values: options } = parseArgs({ options: { rounds: { type: "string", default: "6" } } });
const base = runFolder("transparent");
const POD = `spbench-${process.pid}p`;
const NET = `spbench-${process.pid}n`;
const GROUP = "7777";
const AT = "203.0.113.10";
const NAME = "bench.test";
const LOAD = join(base, "load");
// Behind the children's end, which runFolder sees to.
process.on("exit", () => {
  for (const space of [POD, NET]) spawnSync("ip", ["netns", "del", space]);
  rmSync(`/etc/netns/${POD}`, { recursive: true, force: true });
});

const within = (space: string, ...command: string[]): string[] => ["ip", "netns", "exec", space, ...command];
const ip = (...args: string[]): string => output(["ip", ...args]);
for (const space of [POD, NET]) {
  ip("netns", "add", space);
  ip("-n", space, "link", "set", "lo", "up");
}
ip("-n", POD, "link", "add", "eth0", "type", "veth", "peer", "name", "wire", "netns", NET);
ip("-n", POD, "link", "set", "eth0", "up");
ip("-n", NET, "link", "set", "wire", "up");
ip("-n", POD, "addr", "add", "10.198.0.2/24", "dev", "eth0");
ip("-n", NET, "addr", "add", "10.198.0.1/24", "dev", "wire");
ip("-n", NET, "addr", "add", `${AT}/32`, "dev", "lo");
ip("-n", POD, "route", "add", "default", "via", "10.198.0.1");
// What `ip netns exec` puts over /etc for whoever it runs.
mkdirSync(`/etc/netns/${POD}`, { recursive: true });
writeFileSync(`/etc/netns/${POD}/hosts`, `127.0.0.1 localhost\n${AT} ${NAME}\n`);
const rule = ["-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-d", AT, "-m", "owner", "!", "--gid-owner", GROUP];
output(within(POD, "iptables", ...rule, "-j", "REDIRECT", "--to-ports", "3128"));

output(["go", "build", "-o", LOAD, "."], { GOFLAGS: "-buildvcs=false" }, join(import.meta.dirname, "load"));
certificates(base, NAME);
const leaf = ["-cert", join(base, "leaf.crt"), "-key", join(base, "leaf.key")];
const said = (child: ReturnType<typeof start>): Promise<unknown> =>
  new Promise((resolve) => child.stdout?.once("data", resolve));
await said(start(within(NET, LOAD, "serve", "-http", `${AT}:80`), {}, base));
await said(start(within(NET, LOAD, "tlsserve", "-addr", `${AT}:443`, ...leaf), {}, base));

const BUILT = join(ROOT, "dist/sallyport");
const program = existsSync(BUILT) ? [BUILT] : [join(ROOT, "node_modules/.bin/bun"), join(ROOT, "src/main.ts")];
const gateway = start(
  within(POD, "setpriv", "--regid", GROUP, "--clear-groups", "--", ...program, "run"),
  {
    EVE_PROXY_PORT: "3128",
    EVE_PROXY_ALLOW_ADDRESSES: "203.0.113.0/24",
    EVE_PROXY_AUDIT_PATH: join(base, "audit.jsonl"),
    EVE_PROXY_CA_CERT: join(base, "ca.crt"),
    EVE_PROXY_CA_KEY: join(base, "ca.key"),
    EVE_PROXY_UPSTREAM_CA: join(base, "up.crt"),
    EVE_PROXY_LOG_LEVEL: "warn",
    ...SALLYPORT_ENV,
  },
  base,
  join(base, "stderr"),
);
const ready = within(POD, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:3128/readyz");
for (let i = 0; spawnSync("ip", ready.slice(1), { encoding: "utf8" }).stdout !== "200"; i++) {
  if (i === 200 || gateway.exitCode !== null) throw new Error("the gateway is not ready");
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const proxy = "127.0.0.1:3128";
const inside = ["-target", `${AT}:443`, "-name", NAME, "-ca", join(base, "ca.crt"), "-fresh", "-conns", "8"];
const WAYS: readonly (readonly [string, string, readonly string[]])[] = [
  ["HTTP", "explicit", ["http", "-connect", proxy, "-target", `http://${AT}/v1/x`, "-host", AT, "-fresh"]],
  ["HTTP", "redirected", ["http", "-connect", `${AT}:80`, "-target", "/v1/x", "-host", AT, "-fresh"]],
  ["HTTPS read", "explicit", ["https", "-proxy", proxy, ...inside]],
  ["HTTPS read", "redirected", ["https", ...inside]],
];

const costs = new Map<string, number[]>();
for (let round = -1; round < Number(options.rounds); round++) {
  for (const [what, way, args] of WAYS) {
    const before = cpuMicros(gateway.pid ?? 0);
    const told = JSON.parse(output(within(POD, LOAD, ...args, "-for", "3s"), {}, base));
    if (told.errors > 0) throw new Error(`${what}, ${way}: ${told.errors} errors: ${told.first_fail}`);
    const cost = (cpuMicros(gateway.pid ?? 0) - before) / told.requests;
    // The first round warms up.
    if (round >= 0) costs.set(`${what} ${way}`, [...(costs.get(`${what} ${way}`) ?? []), cost]);
  }
}

console.log("| | explicit, CPU us | redirected, CPU us | ratio |\n|---|---|---|---|");
for (const what of ["HTTP", "HTTPS read"]) {
  const median = (way: string): number => {
    const sorted = [...(costs.get(`${what} ${way}`) ?? [])].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  const [explicit, redirected] = [median("explicit"), median("redirected")];
  console.log(
    `| ${what} | ${explicit.toFixed(0)} | ${redirected.toFixed(0)} | ${(redirected / explicit).toFixed(2)} |`,
  );
}
process.exit(0);
