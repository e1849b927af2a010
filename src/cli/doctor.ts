import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { interceptionCa } from "./_doctor-ca.ts";
import { clock, descriptors, names, proxyVariables, redirect, scope } from "./_doctor-host.ts";
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
import { plane, planesOwn, redis } from "./_doctor-services.ts";
import { versionLine } from "./version.ts";

const SPEC: CommandSpec = {
  name: "doctor",
  summary: "say what can be enforced on this host, and what cannot",
  usage: "[--json]",
  options: [{ name: "json", doc: "print a JSON object" }],
  operands: [0, 0],
  notes: `
Reads the same environment as run and changes nothing. Exits 1 when something that run needs fails; beside a running
gateway that is so, because it has the port and the log (ask it with healthcheck). Opens the policy, a bundle that is
fetched too, and asks plane and Redis whether they answer, 2 s each at most. States: ok, note (a limit to know about),
warn (works, but look at it), fail (run would not start).`,
};

export async function runDoctor(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const loaded = await loadConfig(runtime, { makeKey: false });
  const config = loaded.ok ? loaded.config : null;
  const findings = [
    ...configuration(loaded),
    ...(config === null ? [] : await needs(runtime, config)),
    ...(await policy(runtime, loaded)),
    ...(await services(runtime, config)),
    ...planesOwn(runtime),
    ...(await Promise.all([names(runtime), descriptors(runtime, config), redirect(runtime)])),
    clock(runtime),
    ...proxyVariables(runtime),
    ...scope(config),
  ];
  const failed = findings.filter((finding) => finding.state === "fail").length;
  const ok = failed === 0;
  if (parsed.has("json")) {
    runtime.stdout(`${JSON.stringify({ ok, program: versionLine(runtime), findings }, null, 2)}\n`);
  } else {
    const lines = findings.map(({ state, about, detail }) => `  ${state.padEnd(4)}  ${about.padEnd(13)}  ${detail}\n`);
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
    ...(await killFile(runtime, config)),
    ...(await candidate(runtime, config)),
  ];
}
