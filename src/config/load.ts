import { Fault, messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { modeText, othersCan } from "../words/file-mode.ts";
import { quote } from "../words/quote.ts";
import { whyUnreadable } from "../words/unreadable.ts";
import { type Interception, readInterception } from "./_interception.ts";
import type { Config, GovernanceConfig, OpaConfig, PolicyBundleConfig, Problem } from "./config.ts";
import { developmentKey, developmentKeyPath } from "./development-key.ts";
import { type Files, readFiles, readPlaneKeys, readSecret } from "./files.ts";
import { contradictions, remarks } from "./judge.ts";
import { isRefused } from "./kinds.ts";
import { nearNames, unknownNames } from "./names.ts";
import { environment, manualOf, SETTING_NAMES, type Settings } from "./schema.ts";

export type Loaded =
  | { readonly ok: true; readonly config: Config; readonly warnings: string[] }
  | { readonly ok: false; readonly problems: Problem[] };

export interface LoadOptions {
  /** Make the development key when it is asked for and missing. Default true; diagnostics say false. */
  readonly makeKey?: boolean;
}

/** Reads the whole configuration and reports every problem at once. Binds nothing. */
export async function loadConfig(runtime: Runtime, options: LoadOptions = {}): Promise<Loaded> {
  const problems = unknownNames(runtime.env);
  const given = await gather(runtime, problems);
  const settings = read(given, problems);
  const failed = new Set(problems.map((problem) => problem.variable.replace(/_FILE$/, "")));
  problems.push(...contradictions(settings, failed));
  const files = await readFiles(runtime, settings, problems);
  await readPlaneKeys(runtime, settings, problems);
  const interception = await readInterception(runtime, settings, problems);
  let hmacKey = settings.JWT_SECRET_KEY ?? null;
  const warnings = [
    ...nearNames(runtime.env),
    ...remarks(settings),
    ...interception.warnings,
    ...(await openKeys(runtime)),
  ];
  const dev = settings.EVE_PROXY_DEV && settings.JWT_SECRET_KEY === undefined && !settings.EVE_PROXY_SIGNING_KEY;
  if (dev && problems.length === 0) {
    const path = developmentKeyPath(settings.EVE_PROXY_AUDIT_PATH);
    try {
      if (options.makeKey !== false || (await runtime.stat(path)) !== null) {
        const found = await developmentKey(runtime, path);
        hmacKey = found.key;
        const info = await runtime.stat(path);
        if (info !== null && (info.mode & 0o077) !== 0) warnings.push(`others can read the development key "${path}"`);
      }
      warnings.push(`certificates are signed with the development key "${path}"; do not rely on them as evidence`);
    } catch (thrown) {
      const hint = "make its directory writable, remove a file that is no key, or set JWT_SECRET_KEY";
      const problem =
        thrown instanceof Fault
          ? messageOf(thrown)
          : `needs the development key ${quote(path, 512)}, which ${whyUnreadable(thrown)}`;
      problems.push({ variable: "EVE_PROXY_DEV", problem, hint });
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, config: assemble(settings, { ...files, ...interception }, hmacKey), warnings };
}

/** Files of the signing key that others than their owner can use: who reads one can sign what never happened. */
async function openKeys({ env, stat }: Pick<Runtime, "env" | "stat">): Promise<string[]> {
  const warnings: string[] = [];
  for (const name of ["EVE_PROXY_SIGNING_KEY", "EVE_PROXY_SIGNING_KEY_FILE", "JWT_SECRET_KEY_FILE"]) {
    const path = env[name];
    const info = path === undefined ? null : await stat(path).catch(() => null);
    if (path === undefined || info === null || !othersCan(info.mode)) continue;
    warnings.push(
      `others than its owner can use the signing key ${quote(path, 512)}: mode ${modeText(info.mode)}, chmod 600 it`,
    );
  }
  return warnings;
}

/** The settings' texts, with those of `…_FILE` read in. */
export async function gather(runtime: Runtime, problems: Problem[]): Promise<Record<string, string>> {
  const given: Record<string, string> = {};
  for (const name of SETTING_NAMES) {
    const direct = runtime.env[name];
    if (direct !== undefined) given[name] = direct;
    const { file } = manualOf(name);
    const variable = `${name}_FILE`;
    const path = file === null ? undefined : runtime.env[variable];
    if (path === undefined) continue;
    if (direct !== undefined) {
      problems.push({ variable, problem: `is given together with ${name}`, hint: "unset one of the two" });
    } else if (path === "") {
      problems.push({ variable, problem: "is empty", hint: "give the path of a file" });
    } else if (file === "alias") {
      given[name] = path;
    } else {
      const text = await readSecret(runtime, variable, path, problems);
      if (text !== null) given[name] = text.replace(/\r?\n$/, "");
    }
  }
  return given;
}

/** The settings that can be read, and defaults for the others: enough to look for the remaining problems. */
export function read(given: Readonly<Record<string, string>>, problems: Problem[]): Settings {
  const settings: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const value: unknown = environment[name].read(given[name]);
    if (isRefused(value)) problems.push({ variable: name, problem: value.refused, hint: value.hint });
    settings[name] = isRefused(value) ? environment[name].read(undefined) : value;
  }
  return settings as Settings;
}

/** Beside the audit log unless it is told; nowhere when that has no place on a disk. */
function findingsPath({ EVE_PROXY_FINDINGS: path, EVE_PROXY_AUDIT_PATH: audit }: Settings): string | null {
  if (path !== undefined) return path === "-" ? null : path;
  return audit === "-" ? null : beside(audit, "findings.jsonl");
}

function beside(path: string, name: string): string {
  return `${path.slice(0, path.lastIndexOf("/") + 1)}${name}`;
}

/** How a plane is asked, whatever for. */
function planeOf(from: Settings, { ca, cert, key }: Files): Omit<GovernanceConfig, "url"> {
  const { EVE_PROXY_GOVERNANCE_TOKEN: token = null, EVE_PROXY_GOVERNANCE_JWKS: jwks = null } = from;
  return { token, ca, cert, key, jwks };
}

function policyBundleOf(from: Settings, plane: Omit<GovernanceConfig, "url">): PolicyBundleConfig | null {
  const url = from.EVE_PROXY_POLICY_BUNDLE_URL;
  if (url === undefined) return null;
  const { EVE_PROXY_POLICY_BUNDLE_CACHE: cachePath, EVE_PROXY_POLICY_BUNDLE_INTERVAL: intervalMs } = from;
  return { url, tenant: from.EVE_PROXY_ORG_ID, cachePath, intervalMs, plane };
}

export function opaOf(from: Settings): OpaConfig | null {
  const bundle = from.EVE_PROXY_OPA_BUNDLE;
  if (bundle === undefined) return null;
  return { bundle, entrypoint: from.EVE_PROXY_OPA_ENTRYPOINT, intervalMs: from.EVE_PROXY_POLICY_BUNDLE_INTERVAL };
}

function assemble(from: Settings, files: Files & Interception, hmacKey: string | null): Config {
  const url = from.EVE_PROXY_GOVERNANCE_URL;
  const plane = planeOf(from, files);
  return {
    host: from.EVE_PROXY_HOST,
    port: from.EVE_PROXY_PORT,
    upstreamTimeoutMs: from.EVE_PROXY_UPSTREAM_TIMEOUT,
    firstByteTimeoutMs: from.EVE_PROXY_FIRST_BYTE_TIMEOUT,
    idleTimeoutMs: from.EVE_PROXY_IDLE_TIMEOUT,
    headerTimeoutMs: from.EVE_PROXY_HEADER_TIMEOUT,
    bodyTimeoutMs: from.EVE_PROXY_BODY_TIMEOUT,
    bodyMinRate: from.EVE_PROXY_BODY_MIN_RATE,
    keepAliveTimeoutMs: from.EVE_PROXY_KEEPALIVE_TIMEOUT,
    enforceTimeoutMs: from.EVE_PROXY_ENFORCE_TIMEOUT,
    drainTimeoutMs: from.EVE_PROXY_DRAIN_TIMEOUT,
    maxBody: from.EVE_PROXY_MAX_BODY,
    maxHeld: from.EVE_PROXY_MAX_HELD,
    maxHeaderBytes: from.EVE_PROXY_MAX_HEADER_BYTES,
    maxHeaders: from.EVE_PROXY_MAX_HEADERS,
    maxConnections: from.EVE_PROXY_MAX_CONNECTIONS,
    poolIdle: from.EVE_PROXY_POOL_IDLE,
    poolIdleTimeoutMs: from.EVE_PROXY_POOL_IDLE_TIMEOUT,
    blockedHosts: from.EVE_PROXY_BLOCKED_HOSTS,
    orgId: from.EVE_PROXY_ORG_ID,
    failClosed: from.EVE_PROXY_FAIL_CLOSED,
    connectPassthrough: from.EVE_PROXY_CONNECT_PASSTHROUGH,
    transparent: from.EVE_PROXY_TRANSPARENT,
    h2Sever: from.EVE_PROXY_H2_SEVER,
    governance: url === undefined ? null : { url, ...plane },
    redis: from.EVE_PROXY_REDIS_URL === undefined ? null : { url: from.EVE_PROXY_REDIS_URL, ca: files.redisCa },
    policyPath: from.EVE_PROXY_POLICY ?? null,
    candidateLog: from.EVE_PROXY_AUDIT_PATH === "-" ? null : beside(from.EVE_PROXY_AUDIT_PATH, "candidate.jsonl"),
    candidatePath: from.EVE_PROXY_POLICY_CANDIDATE ?? null,
    decisionCache: from.EVE_PROXY_DECISION_CACHE,
    degraded: from.EVE_PROXY_DEGRADED,
    degradedTtlMs: from.EVE_PROXY_DEGRADED_TTL,
    policyBundle: policyBundleOf(from, plane),
    opa: opaOf(from),
    hmacKey,
    signingKey: files.signingKey,
    auditPath: from.EVE_PROXY_AUDIT_PATH,
    auditSync: from.EVE_PROXY_AUDIT_SYNC,
    auditRotateBytes: from.EVE_PROXY_AUDIT_ROTATE,
    findingsPath: findingsPath(from),
    mode: from.EVE_PROXY_MODE,
    dev: from.EVE_PROXY_DEV,
    allowAddresses: from.EVE_PROXY_ALLOW_ADDRESSES,
    clients: from.EVE_PROXY_CLIENTS ?? null,
    adminListen: from.EVE_PROXY_ADMIN_LISTEN ?? null,
    adminToken: from.EVE_PROXY_ADMIN_TOKEN ?? null,
    killFile: from.EVE_PROXY_KILL_FILE ?? null,
    workers: from.EVE_PROXY_WORKERS,
    upstreamProxy: from.EVE_PROXY_UPSTREAM_PROXY ?? null,
    upstreamRoots: files.upstreamRoots,
    interceptCa: files.interceptCa,
    interceptExcept: from.EVE_PROXY_INTERCEPT_EXCEPT,
    upstreamClientCerts: files.clientCerts,
    readyStrict: from.EVE_PROXY_READY_STRICT,
    logLevel: from.EVE_PROXY_LOG_LEVEL,
    logFormat: from.EVE_PROXY_LOG_FORMAT,
    decisionLog: from.EVE_PROXY_DECISION_LOG === "on",
  };
}
