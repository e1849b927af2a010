/**
 * What the unit of the redirect forbids, done to it by hand where no systemd runs: nft and iptables have to work all the same,
 * and what is not in the unit must be missed.
 */
import { afterAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { missing as noSpaces } from "./_namespaces.ts";
import { program, ROOT } from "./_process.ts";

const LIMIT = 120_000;
/** The package has the binary, which is Bun's; Deno makes system calls that the unit's filter does not let pass. */
const PACKAGED =
  process.env.SALLYPORT_RUNTIME === "deno"
    ? [join(ROOT, "node_modules/.bin/bun"), join(ROOT, "src/main.ts")]
    : program();
const UNIT = join(ROOT, "deploy/systemd/sallyport-redirect.service");
const folder = mkdtempSync(join(tmpdir(), "sallyport-unit-"));
// Seen inside, where /tmp is not; links in it lead to /usr.
const tools = mkdtempSync(join(ROOT, "node_modules/.sallyport-unit-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(tools, { recursive: true });
});

const header = spawnSync("test", ["-f", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"]).status === 0;
const missing =
  noSpaces ??
  tool("systemd-analyze") ??
  (process.arch === "x64" ? null : "the filter of system calls is x86-64's") ??
  (header ? null : "no numbers of system calls (linux-libc-dev)");

interface Step {
  readonly step: string;
  readonly code: number;
  readonly stderr: string;
  readonly looks: readonly string[];
}

interface Asked {
  readonly backEnd: string;
  readonly path?: string;
  readonly look: readonly string[];
  readonly unit?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function asUnit({ backEnd, path, look, unit = UNIT, env = {} }: Asked): readonly Step[] {
  const more = ["--backend", backEnd, "--dns", "10.0.0.1"];
  const asked = {
    program: PACKAGED,
    root: ROOT,
    // Nobody of that name need be here.
    replace: { sallyport: "900" },
    env: {
      PATH: path ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/run",
      DENO_DIR: process.env.DENO_DIR ?? "/run/deno",
      DENO_NO_UPDATE_CHECK: "1",
      ...env,
    },
    more: { ExecStart: more, ExecReload: more },
    run: ["ExecStart", "ExecReload", "ExecStop"],
    look: [look],
  };
  const script = join(import.meta.dirname, "redirect/as_unit.py");
  const run = spawnSync("/usr/bin/python3", [script, unit, JSON.stringify(asked)], {
    encoding: "utf8",
    timeout: LIMIT,
  });
  expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(run.stdout);
}

/** The unit with something in it changed. */
function changed(name: string, from: string, to: string): string {
  const text = readFileSync(UNIT, "utf8");
  expect(text).toContain(from);
  const path = join(folder, name);
  writeFileSync(path, text.replace(from, to));
  return path;
}

function legacy(): string {
  const place = mkdtempSync(join(tools, "legacy-"));
  for (const name of ["iptables-restore", "iptables-save", "ip6tables-restore", "ip6tables-save"])
    symlinkSync(`/usr/sbin/${name.replace("tables-", "tables-legacy-")}`, join(place, name));
  symlinkSync(Bun.which("ip") ?? "/usr/sbin/ip", join(place, "ip"));
  return place.replace(ROOT, "/run/program");
}

const NFT = ["nft", "list", "ruleset"];
const BACK_ENDS = [
  { name: "nft", backEnd: "nft", look: NFT, lacks: tool("nft") },
  { name: "iptables (nf_tables)", backEnd: "iptables", look: NFT, lacks: tool("nft") ?? tool("iptables-nft-restore") },
  {
    name: "iptables (legacy)",
    backEnd: "iptables",
    look: ["iptables-legacy-save"],
    lacks: tool("iptables-legacy-restore"),
  },
] as const;

for (const { name, backEnd, look, lacks } of BACK_ENDS) {
  testUnless(
    missing ?? lacks,
    `under the unit's sandbox ${name} installs, installs again and removes`,
    () => {
      const steps = asUnit({ backEnd, look, ...(name.includes("legacy") && { path: legacy() }) });
      const ended = steps.map(({ step, code, stderr }) => ({ step, code, stderr: code === 0 ? "" : stderr }));
      expect(ended).toEqual(["ExecStart", "ExecReload", "ExecStop"].map((step) => ({ step, code: 0, stderr: "" })));
      const rules = steps.map(({ looks }) => looks[0]?.includes("3128") ?? false);
      expect(rules).toEqual([true, true, false]);
    },
    LIMIT,
  );
}

for (const { name, backEnd, look, lacks } of BACK_ENDS) {
  const needed = name.includes("legacy");
  testUnless(
    missing ?? lacks,
    `${name} ${needed ? "needs NET_RAW besides NET_ADMIN" : "needs no NET_RAW"}, as docs/redirect.md says`,
    () => {
      const unit = changed(`no-raw-${name.replaceAll(/\W/g, "")}`, "CAP_NET_ADMIN CAP_NET_RAW", "CAP_NET_ADMIN");
      const [installed] = asUnit({ backEnd, look, unit, ...(needed && { path: legacy() }) });
      if (needed) expect(installed?.stderr).toContain("unable to initialize table");
      expect(installed?.code === 0).toBe(!needed);
    },
    LIMIT,
  );
}

for (const [what, from, to] of [
  ["CAP_NET_ADMIN", "CAP_NET_ADMIN CAP_NET_RAW", "CAP_NET_RAW"],
  ["netlink", "AF_NETLINK AF_UNIX", "AF_UNIX"],
  [
    "system calls of the network",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=@basic-io @process @file-system",
  ],
] as const) {
  testUnless(
    missing ?? tool("nft"),
    `a sandbox without ${what} is one: nothing is installed`,
    () => {
      const steps = asUnit({
        backEnd: "nft",
        look: NFT,
        unit: changed(`without-${what.replaceAll(" ", "-")}`, from, to),
      });
      expect(steps[0]?.code).not.toBe(0);
      // What was tried failed, not the sandbox.
      expect(steps[0]?.code).not.toBe(99);
      expect(steps[0]?.looks[0]).toBe("");
    },
    LIMIT,
  );
}

testUnless(
  missing ?? tool("nft"),
  "the gateway's settings say whether IPv6 is redirected",
  () => {
    const text = readFileSync(UNIT, "utf8");
    expect(text).toContain("EnvironmentFile=-/etc/sallyport/sallyport.env\n");
    const settings = readFileSync(join(ROOT, "deploy/systemd/sallyport.env"), "utf8");
    const set = settings.split("\n").filter((line) => /^[A-Z]/.test(line));
    const env = Object.fromEntries(set.map((line) => line.split("=") as [string, string]));
    const [installed] = asUnit({ backEnd: "nft", look: NFT, env });
    expect(installed?.stderr).not.toContain("IPv6 is refused");
    expect(installed?.looks[0]).not.toContain("meta nfproto ipv4 tcp dport");
  },
  LIMIT,
);
