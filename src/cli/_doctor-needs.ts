/** What `run` cannot do without. */
import type { Config } from "../config/config.ts";
import { developmentKeyPath } from "../config/development-key.ts";
import type { Loaded } from "../config/load.ts";
import { signerFromConfig } from "../crypto/keys.ts";
import { openPolicy } from "../decide/policy-files.ts";
import { Fault, messageOf } from "../errors.ts";
import { splitPath } from "../evidence/journal.ts";
import type { Runtime } from "../runtime/contract.ts";
import { formatAuthority } from "../wire/authority.ts";
import { probe } from "./_probe.ts";

export interface Finding {
  readonly state: "ok" | "note" | "warn" | "fail";
  readonly about: string;
  readonly detail: string;
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

/** Also tells whether a gateway already runs there: then its port and its log being taken is as it should be. */
export async function listener(runtime: Runtime, config: Config): Promise<[Finding, boolean]> {
  const about = "listener";
  const where = formatAuthority(config.host, config.port);
  try {
    const listening = await runtime.listen({ host: config.host, port: config.port }, (conn) => conn.destroy());
    await listening.close();
    return [{ state: "ok", about, detail: `${where} is free` }, false];
  } catch (thrown) {
    const { status } = await probe(runtime, config.host, config.port, "/healthz", 1000);
    if (status === 200) return [{ state: "ok", about, detail: `a gateway already answers on ${where}` }, true];
    return [{ state: "fail", about, detail: `cannot listen on ${where}: ${messageOf(thrown)}` }, false];
  }
}

export async function signingKey(runtime: Runtime, config: Config): Promise<Finding[]> {
  const about = "signing key";
  const files = ["EVE_PROXY_SIGNING_KEY", "EVE_PROXY_SIGNING_KEY_FILE", "JWT_SECRET_KEY_FILE"]
    .map((name) => runtime.env[name])
    .filter((path) => path !== undefined);
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
  for (const path of files) {
    const info = await runtime.stat(path).catch(() => null);
    if (info === null || (info.mode & 0o077) === 0) continue;
    const mode = (info.mode & 0o777).toString(8).padStart(4, "0");
    findings.push({ state: "warn", about, detail: `"${path}" has mode ${mode}: others than its owner can use it` });
  }
  return findings;
}

export async function auditLog(runtime: Runtime, config: Config, running: boolean): Promise<Finding> {
  const about = "audit log";
  const path = config.auditPath;
  if (path === "-") return { state: "ok", about, detail: "the standard output" };
  try {
    if ((await runtime.stat(path)) !== null) {
      runtime.openAppend(path).close();
      return { state: "ok", about, detail: `"${path}" can be written and nobody holds it` };
    }
    // The log must not come into being here; a file beside it tells as much.
    const directory = await nearestDirectory(runtime, splitPath(path).directory);
    const trial = `${directory}/.sallyport-doctor-${runtime.randomHex(4)}`;
    await runtime.writeNew(trial, "", 0o600);
    await runtime.remove(trial);
    return { state: "ok", about, detail: `"${path}" does not exist yet and can be made` };
  } catch (thrown) {
    if (running && thrown instanceof Fault && thrown.code === "evidence_locked") {
      return { state: "ok", about, detail: `"${path}" is held by the running gateway` };
    }
    return { state: "fail", about, detail: `"${path}" cannot be written: ${messageOf(thrown)}` };
  }
}

/** The directory, or the closest one above it that exists. */
async function nearestDirectory(runtime: Runtime, path: string): Promise<string> {
  for (let at = path; ; ) {
    if (at === "" || at === ".") return ".";
    if ((await runtime.stat(at)) !== null) return at;
    const slash = at.lastIndexOf("/");
    if (slash === 0) return "/";
    at = slash === -1 ? "." : at.slice(0, slash);
  }
}

export async function policy(runtime: Runtime, config: Config): Promise<Finding> {
  const about = "policy";
  if (config.policyPath === null) {
    const decider = config.governance === null ? "every host is allowed but the blocked ones" : "the plane decides";
    return { state: config.governance === null ? "warn" : "ok", about, detail: `no policy file: ${decider}` };
  }
  try {
    const { version } = await openPolicy(runtime, config.policyPath);
    return { state: "ok", about, detail: `"${config.policyPath}" is valid, version ${version}` };
  } catch (thrown) {
    return { state: "fail", about, detail: messageOf(thrown).replaceAll("\n", "; ") };
  }
}
