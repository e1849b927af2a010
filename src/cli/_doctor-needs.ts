/** What `run` cannot do without. */
import type { Config } from "../config/config.ts";
import { developmentKeyPath } from "../config/development-key.ts";
import type { Loaded } from "../config/load.ts";
import { workerAuditPath } from "../config/worker-log.ts";
import { signerFromConfig } from "../crypto/keys.ts";
import { leftToPlane } from "../decide/policy.ts";
import { openPolicy } from "../decide/policy-files.ts";
import { Fault, messageOf } from "../errors.ts";
import { outcomesPath, splitPath } from "../evidence/journal.ts";
import type { Runtime } from "../runtime/contract.ts";
import { formatAuthority } from "../wire/authority.ts";
import { unboundRemedy } from "../words/bound.ts";
import { fetchedPolicy } from "./_doctor-services.ts";
import { lockHolder, portHolder } from "./_holder.ts";
import { policyProblems } from "./_policy-problems.ts";
import { probe } from "./_probe.ts";

export interface Finding {
  readonly state: "ok" | "note" | "warn" | "fail";
  readonly about: string;
  readonly detail: string;
  /** What to do about it, where that is not said already. */
  readonly fix?: string;
}

export function configuration(loaded: Loaded): Finding[] {
  const about = "configuration";
  if (!loaded.ok) {
    return loaded.problems.map(({ variable, problem, hint }) => {
      return { state: "fail", about, detail: `${variable} ${problem}; ${hint}` };
    });
  }
  const warnings = loaded.warnings.map((detail): Finding => ({ state: "warn", about, detail }));
  return [{ state: "ok", about, detail: "every setting is usable" }, ...warnings];
}

/** Whether the port (and the admin's) can be had now: one that a running gateway has is taken like any other. */
export async function listeners(runtime: Runtime, config: Config): Promise<Finding[]> {
  const findings = [await listener(runtime, "listener", config.host, config.port)];
  const { adminListen } = config;
  if (adminListen !== null) findings.push(await listener(runtime, "admin", adminListen.host, adminListen.port));
  return findings;
}

async function listener(runtime: Runtime, about: string, host: string, port: number): Promise<Finding> {
  const where = formatAuthority(host, port);
  try {
    const listening = await runtime.listen({ host, port }, (conn) => conn.destroy());
    await listening.close();
    return { state: "ok", about, detail: port === 0 ? `${where}: a free port will be picked` : `${where} is free` };
  } catch (thrown) {
    const why = messageOf(thrown);
    if (!why.includes("EADDRINUSE")) {
      const fix = unboundRemedy(why);
      return { state: "fail", about, detail: why, ...(fix !== null && { fix }) };
    }
    const [{ status }, holder] = await Promise.all([
      probe(runtime, host, port, "/healthz", 1000),
      portHolder(runtime, port),
    ]);
    const also = status === 200 ? "; a gateway answers there" : "";
    const setting = about === "admin" ? "EVE_PROXY_ADMIN_LISTEN" : "EVE_PROXY_PORT";
    const fix = `end that process, or set another ${setting}`;
    return { state: "fail", about, detail: `${where} is taken${holder}${also}`, fix };
  }
}

export async function signingKey(runtime: Runtime, config: Config): Promise<Finding[]> {
  const about = "signing key";
  const findings: Finding[] = [];
  if (config.hmacKey === null && config.signingKey === null) {
    const path = developmentKeyPath(config.auditPath);
    findings.push({ state: "note", about, detail: `the development key "${path}" will be made at start` });
  } else {
    try {
      const signer = await signerFromConfig(config, runtime);
      findings.push({ state: "ok", about, detail: `${signer.algorithm}, kid ${signer.kid}` });
    } catch (thrown) {
      findings.push({ state: "fail", about, detail: messageOf(thrown) });
    }
  }
  return findings;
}

/** The files that evidence goes to: written to by nobody else, and writable. */
export async function auditLogs(runtime: Runtime, config: Config): Promise<Finding[]> {
  if (config.auditPath === "-") return [{ state: "ok", about: "audit log", detail: "the standard output" }];
  const paths =
    config.workers === 1
      ? [config.auditPath]
      : Array.from({ length: config.workers }, (_, number) => workerAuditPath(config.auditPath, number));
  const findings = await Promise.all(paths.map((path) => auditLog(runtime, path)));
  // Of many workers only what is wrong is worth a line each.
  const failed = findings.filter(({ state }) => state === "fail");
  return failed.length > 0 ? failed : findings.slice(0, 1);
}

async function auditLog(runtime: Runtime, path: string): Promise<Finding> {
  const about = "audit log";
  for (const file of [`${path}.lock`, path, outcomesPath(path)]) {
    try {
      if ((await runtime.stat(file)) !== null) runtime.openAppend(file).close();
    } catch (thrown) {
      const held = thrown instanceof Fault && thrown.code === "evidence_locked";
      const detail = held
        ? `"${file}" is locked${await lockHolder(runtime, file)}: a gateway writes this log`
        : `"${file}" cannot be written: ${messageOf(thrown)}`;
      return { state: "fail", about, detail, fix: held ? "give each gateway its own EVE_PROXY_AUDIT_PATH" : WRITABLE };
    }
  }
  try {
    if ((await runtime.stat(path)) !== null) {
      return { state: "ok", about, detail: `"${path}" can be written and nobody holds it` };
    }
    // The log must not come into being here; a file beside it tells as much.
    const directory = await nearestDirectory(runtime, splitPath(path).directory);
    const trial = `${directory}/.sallyport-doctor-${runtime.randomHex(4)}`;
    await runtime.writeNew(trial, "", 0o600);
    await runtime.remove(trial);
    return { state: "ok", about, detail: `"${path}" does not exist yet and can be made` };
  } catch (thrown) {
    return { state: "fail", about, detail: `"${path}" cannot be written: ${messageOf(thrown)}`, fix: WRITABLE };
  }
}

const WRITABLE = "let this user write in its directory, or set EVE_PROXY_AUDIT_PATH";

/** The directory, or the closest one above it that exists. */
export async function nearestDirectory(runtime: Runtime, path: string): Promise<string> {
  for (let at = path; ; ) {
    if (at === "" || at === ".") return ".";
    if ((await runtime.stat(at)) !== null) return at;
    const slash = at.lastIndexOf("/");
    if (slash === 0) return "/";
    at = slash === -1 ? "." : at.slice(0, slash);
  }
}

/** A switch that is on is no reason not to start, but one to know of. */
export async function killFile(runtime: Runtime, { killFile: path }: Config): Promise<Finding[]> {
  if (path === null) return [];
  const about = "kill switch";
  const there = await runtime.stat(path).then((info) => info !== null, messageOf);
  if (there === false) return [{ state: "ok", about, detail: `there is no file "${path}"` }];
  const seen = there === true ? `"${path}" is there` : `"${path}" cannot be looked for: ${there}`;
  return [{ state: "warn", about, detail: `${seen}: everything will be vetoed` }];
}

/** A candidate that is no good keeps nothing from starting: it only compares nothing. */
export async function candidate(runtime: Runtime, { candidatePath: path }: Config): Promise<Finding[]> {
  if (path === null) return [];
  const about = "candidate";
  try {
    const { version } = await openPolicy(runtime, path);
    return [
      { state: "ok", about, detail: `"${path}" is valid, version ${version}; it is compared and decides nothing` },
    ];
  } catch (thrown) {
    return [{ state: "warn", about, detail: `nothing will be compared: ${messageOf(thrown).replaceAll("\n", "; ")}` }];
  }
}

export async function policy(runtime: Runtime, loaded: Loaded): Promise<Finding[]> {
  const about = "policy";
  const problems = await policyProblems(runtime, loaded);
  if (problems.length > 0) return problems.map(({ problem }) => ({ state: "fail", about, detail: problem }));
  if (!loaded.ok) return [];
  const { policyPath, governance } = loaded.config;
  const fetched = await fetchedPolicy(runtime, loaded.config);
  if (fetched !== null) return [fetched];
  if (policyPath === null) {
    if (governance !== null) return [{ state: "ok", about, detail: "no policy file: the plane decides" }];
    const detail = "no policy file: every host is allowed but the blocked ones";
    return [
      { state: "warn", about, detail, fix: "set EVE_PROXY_POLICY; sallyport policy show llm-only prints a start" },
    ];
  }
  const opened = await openPolicy(runtime, policyPath);
  const left = governance === null ? null : leftToPlane(opened.engineOnly());
  return [
    { state: "ok", about, detail: `"${policyPath}" is valid, version ${opened.version}` },
    ...(left === null ? [] : [{ state: "warn", about, detail: left } as const]),
  ];
}
