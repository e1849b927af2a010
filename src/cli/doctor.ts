import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { interceptionCa } from "./_doctor-ca.ts";
import { clock } from "./_doctor-clock.ts";
import { auditDisk } from "./_doctor-disk.ts";
import { descriptors, names, proxyVariables, sandbox, scope } from "./_doctor-host.ts";
import {
  auditLogs,
  candidate,
  configuration,
  type Finding,
  killFile,
  listeners,
  policy,
  signingKey,
} from "./_doctor-needs.ts";
import { gatewayUser, rights } from "./_doctor-rights.ts";
import { conntrack, ipv6, rules, runningGateway, udp } from "./_doctor-rules.ts";
import { tls, transparent } from "./_doctor-runtime.ts";
import { plane, planesOwn, redis } from "./_doctor-services.ts";
import { trust } from "./_doctor-trust.ts";
import { versionLine } from "./version.ts";

const SPEC: CommandSpec = {
  name: "doctor",
  summary: "say what can be enforced on this host, and what cannot",
  usage: "[--json] [--quick]",
  options: [
    { name: "json", doc: "print a JSON object" },
    { name: "quick", doc: "do not try which clients of this host trust the CA" },
  ],
  operands: [0, 0],
  notes: `
Reads the same environment as run and leaves nothing changed. Exits 1 when something that run needs fails; beside a running
gateway that is so, because it has the port and the log (ask it with healthcheck). Opens the policy, a bundle that is
fetched too, and asks plane and Redis whether they answer, 2 s each at most; makes a namespace as exec --sandbox would,
which is gone with it. With a CA each client on the PATH (curl, python3, node, …) is made to ask a server on loopback,
30 s in all at most. Root is told more: which rules there are, and who has the port. Nothing leaves the host but what
plane, Redis and a bundle are asked. States: ok, note (a limit to know about), warn (works, but look at it), fail (run
would not start).`,
};

export async function runDoctor(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const loaded = await loadConfig(runtime, { makeKey: false });
  const config = loaded.ok ? loaded.config : null;
  // The first binds the gateway's port for a moment, and who looks at the same time would find a gateway there.
  const first = [...configuration(loaded), ...(config === null ? [] : await needs(runtime, config))];
  const asked = await Promise.all([
    policy(runtime, loaded),
    services(runtime, config),
    planesOwn(runtime),
    clock(runtime, config),
    Promise.all([names(runtime), descriptors(runtime, config), sandbox(runtime)]),
    enforceable(runtime, config),
  ]);
  const tried = parsed.has("quick") ? [] : await trust(runtime, config?.interceptCa ?? null);
  const findings = [...first, ...asked.flat(), ...tried, ...proxyVariables(runtime), ...scope(config)];
  const failed = findings.filter((finding) => finding.state === "fail").length;
  const ok = failed === 0;
  if (parsed.has("json")) {
    runtime.stdout(`${JSON.stringify({ ok, program: versionLine(runtime), findings }, null, 2)}\n`);
  } else {
    const lines = findings.map(({ state, about, detail, fix }) => {
      return `  ${state.padEnd(4)}  ${about.padEnd(13)}  ${detail}${fix === undefined ? "" : `; fix: ${fix}`}\n`;
    });
    const verdict = ok ? "run would start" : `run would not start: ${failed} failed`;
    runtime.stdout(`${versionLine(runtime)}\n${lines.join("")}${verdict}\n`);
  }
  return ok ? EXIT.ok : EXIT.failed;
}

async function services(runtime: Runtime, config: Config | null): Promise<Finding[]> {
  if (config === null) return [];
  return (await Promise.all([plane(runtime, config.governance), redis(runtime, config.redis)])).flat();
}

async function needs(runtime: Runtime, config: Config): Promise<Finding[]> {
  return [
    ...(await listeners(runtime, config)),
    ...(await signingKey(runtime, config)),
    ...(await interceptionCa(runtime, config)),
    ...(await auditLogs(runtime, config)),
    ...(await auditDisk(runtime, config)),
    ...(await killFile(runtime, config)),
    ...(await candidate(runtime, config)),
  ];
}

/** What the kernel and the runtime see to, and whether anybody can get around it. */
async function enforceable(runtime: Runtime, config: Config | null): Promise<Finding[]> {
  const running = await runningGateway(runtime, config);
  const seen = await rules(runtime, config, running);
  return [
    await rights(runtime),
    ...gatewayUser(running),
    ...seen.findings,
    ...(await Promise.all([transparent(runtime, config), ipv6(runtime, config, seen), tls(runtime)])),
    udp(runtime, seen),
    ...(await conntrack(runtime, config, seen)),
  ];
}
