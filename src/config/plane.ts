/** The settings of `sallyport governance`: the same names and the same strictness as the gateway's, of which it uses some. */
import type { Runtime } from "../runtime/contract.ts";
import type { LogFormat, LogLevel, OpaConfig, Problem, RedisConfig } from "./config.ts";
import { type Files, readFiles } from "./files.ts";
import { REDIS_CA_RULE, type Rule, redisRemark } from "./judge.ts";
import { gather, opaOf, read } from "./load.ts";
import { unknownNames } from "./names.ts";
import { SETTING_NAMES, type SettingName, type Settings } from "./schema.ts";

export interface PlaneConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa?: string } | null;
  /** The one tenant, where no file names any. */
  readonly orgId: string;
  /** File of the tenants; null: one tenant, with `token` and `policyPath`. */
  readonly tenantsPath: string | null;
  /** Secret. */
  readonly token: string | null;
  readonly policyPath: string | null;
  readonly opa: OpaConfig | null;
  /** Holds the counters of limits for all replicas; null: this process counts for itself. */
  readonly redis: RedisConfig | null;
  /** Secret. PEM or JWK; null: answers carry no attestation. */
  readonly signingKey: string | null;
  /** Bearer token of `/metrics` for whoever is not on this host. Secret. */
  readonly adminToken: string | null;
  readonly enforceTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly maxBody: number;
  readonly maxHeld: number;
  readonly maxConnections: number;
  readonly keepAliveTimeoutMs: number;
  readonly readyStrict: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly decisionLog: boolean;
}

export type LoadedPlane =
  | { readonly ok: true; readonly config: PlaneConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reports every problem at once. Binds nothing. */
export async function loadPlaneConfig(runtime: Runtime): Promise<LoadedPlane> {
  const problems = unknownNames(runtime.env);
  const settings = read(await gather(runtime, problems), problems);
  const failed = new Set(problems.map(({ variable }) => variable.replace(/_FILE$/, "")));
  problems.push(...contradictions(settings, failed));
  const files = await readFiles(runtime, settings, problems);
  if (problems.length > 0) return { ok: false, problems };
  const warnings = [...remarks(settings), ...unused(runtime.env)];
  return { ok: true, config: assemble(settings, files), warnings };
}

/** Of what a relay sends the plane that it asks has the say; what this plane takes must not be guessed. */
const MIN_TOKEN = 16;

const RULES: readonly Rule[] = [
  {
    about: ["EVE_PROXY_GOVERNANCE_TENANTS", "EVE_PROXY_GOVERNANCE_TOKEN", "EVE_PROXY_GOVERNANCE_CLIENT_CA"],
    broken: (s) =>
      s.EVE_PROXY_GOVERNANCE_TENANTS === undefined &&
      s.EVE_PROXY_GOVERNANCE_TOKEN === undefined &&
      s.EVE_PROXY_GOVERNANCE_CLIENT_CA === undefined &&
      !s.EVE_PROXY_DEV,
    problem:
      "is not set, and neither are EVE_PROXY_GOVERNANCE_TOKEN and EVE_PROXY_GOVERNANCE_CLIENT_CA: anybody could ask",
    hint: "set one of them, or EVE_PROXY_DEV=1 to try things out",
  },
  {
    about: ["EVE_PROXY_GOVERNANCE_TENANTS", "EVE_PROXY_GOVERNANCE_TOKEN"],
    broken: (s) => s.EVE_PROXY_GOVERNANCE_TENANTS !== undefined && s.EVE_PROXY_GOVERNANCE_TOKEN !== undefined,
    problem: "and EVE_PROXY_GOVERNANCE_TOKEN are both set: it would not be clear whose token it is",
    hint: "unset one of the two",
  },
  {
    about: ["EVE_PROXY_GOVERNANCE_TOKEN"],
    broken: ({ EVE_PROXY_GOVERNANCE_TOKEN: token }) =>
      token !== undefined && new TextEncoder().encode(token).length < MIN_TOKEN,
    problem: `has fewer than ${MIN_TOKEN} bytes: whoever guesses it asks as the relays do`,
    hint: `give at least ${MIN_TOKEN} random bytes, such as the output of: openssl rand -hex 32`,
  },
  {
    about: ["EVE_PROXY_GOVERNANCE_TENANTS", "EVE_PROXY_POLICY"],
    broken: (s) => s.EVE_PROXY_GOVERNANCE_TENANTS !== undefined && s.EVE_PROXY_POLICY !== undefined,
    problem: "and EVE_PROXY_POLICY are both set: each tenant names its policy in the file",
    hint: "unset one of the two",
  },
  {
    about: ["EVE_PROXY_OPA_BUNDLE", "EVE_PROXY_POLICY"],
    broken: (s) =>
      s.EVE_PROXY_OPA_BUNDLE !== undefined &&
      (s.EVE_PROXY_POLICY !== undefined || s.EVE_PROXY_GOVERNANCE_TENANTS !== undefined),
    problem: "is set together with a policy or with tenants: it would not be clear which of them decides",
    hint: "unset one of the two",
  },
  {
    about: ["EVE_PROXY_GOVERNANCE_TLS_CERT", "EVE_PROXY_GOVERNANCE_TLS_KEY"],
    broken: (s) => (s.EVE_PROXY_GOVERNANCE_TLS_CERT === undefined) !== (s.EVE_PROXY_GOVERNANCE_TLS_KEY === undefined),
    problem: "and EVE_PROXY_GOVERNANCE_TLS_KEY are only useful together",
    hint: "set both or neither",
  },
  {
    about: ["EVE_PROXY_GOVERNANCE_CLIENT_CA", "EVE_PROXY_GOVERNANCE_TLS_CERT"],
    broken: (s) => s.EVE_PROXY_GOVERNANCE_CLIENT_CA !== undefined && s.EVE_PROXY_GOVERNANCE_TLS_CERT === undefined,
    problem: "is set without EVE_PROXY_GOVERNANCE_TLS_CERT: no certificate would ever be asked for",
    hint: "set the certificate and the key of this plane",
  },
  REDIS_CA_RULE,
];

/** What a plane obeys. */
const USED: ReadonlySet<SettingName> = new Set<SettingName>([
  "EVE_PROXY_GOVERNANCE_LISTEN",
  "EVE_PROXY_GOVERNANCE_TENANTS",
  "EVE_PROXY_GOVERNANCE_TOKEN",
  "EVE_PROXY_GOVERNANCE_TLS_CERT",
  "EVE_PROXY_GOVERNANCE_TLS_KEY",
  "EVE_PROXY_GOVERNANCE_CLIENT_CA",
  "EVE_PROXY_ORG_ID",
  "EVE_PROXY_POLICY",
  "EVE_PROXY_OPA_BUNDLE",
  "EVE_PROXY_OPA_ENTRYPOINT",
  "EVE_PROXY_POLICY_BUNDLE_INTERVAL",
  "EVE_PROXY_SIGNING_KEY",
  "EVE_PROXY_REDIS_URL",
  "EVE_PROXY_REDIS_CA",
  "EVE_PROXY_DEV",
  "EVE_PROXY_ADMIN_TOKEN",
  "EVE_PROXY_ENFORCE_TIMEOUT",
  "EVE_PROXY_DRAIN_TIMEOUT",
  "EVE_PROXY_MAX_BODY",
  "EVE_PROXY_MAX_HELD",
  "EVE_PROXY_MAX_CONNECTIONS",
  "EVE_PROXY_KEEPALIVE_TIMEOUT",
  "EVE_PROXY_READY_STRICT",
  "EVE_PROXY_LOG_LEVEL",
  "EVE_PROXY_LOG_FORMAT",
  "EVE_PROXY_DECISION_LOG",
]);

/** Somebody relies on what is set: a kill switch that nobody looks at must not go unnoticed. */
function unused(env: Runtime["env"]): string[] {
  const set = SETTING_NAMES.filter((name) => !USED.has(name)).flatMap((name) =>
    [name, `${name}_FILE`].filter((given) => env[given] !== undefined),
  );
  if (set.length === 0) return [];
  return [`set, but nothing to a plane: ${set.join(", ")} (set them at the relays)`];
}

function contradictions(settings: Settings, failed: ReadonlySet<string>): Problem[] {
  return RULES.filter((rule) => !rule.about.some((name) => failed.has(name)) && rule.broken(settings)).map(
    ({ about, problem, hint }) => ({ variable: about[0], problem, hint }),
  );
}

function remarks(settings: Settings): string[] {
  const warnings: string[] = [];
  const { host } = settings.EVE_PROXY_GOVERNANCE_LISTEN;
  if (settings.EVE_PROXY_GOVERNANCE_TLS_CERT === undefined && !host.startsWith("127.") && host !== "::1") {
    warnings.push("questions and tokens arrive in the clear: set EVE_PROXY_GOVERNANCE_TLS_CERT, or put TLS in front");
  }
  warnings.push(...redisRemark(settings));
  if (settings.EVE_PROXY_SIGNING_KEY === undefined) {
    warnings.push("EVE_PROXY_SIGNING_KEY is not set: answers carry no attestation and bundles no signature");
  }
  return warnings;
}

function assemble(from: Settings, files: Files): PlaneConfig {
  const { planeCert: cert, planeKey: key, planeClientCa: clientCa } = files;
  return {
    listen: from.EVE_PROXY_GOVERNANCE_LISTEN,
    tls: cert === null || key === null ? null : { cert, key, ...(clientCa === null ? {} : { clientCa }) },
    orgId: from.EVE_PROXY_ORG_ID,
    tenantsPath: from.EVE_PROXY_GOVERNANCE_TENANTS ?? null,
    token: from.EVE_PROXY_GOVERNANCE_TOKEN ?? null,
    policyPath: from.EVE_PROXY_POLICY ?? null,
    opa: opaOf(from),
    redis: from.EVE_PROXY_REDIS_URL === undefined ? null : { url: from.EVE_PROXY_REDIS_URL, ca: files.redisCa },
    signingKey: files.signingKey,
    adminToken: from.EVE_PROXY_ADMIN_TOKEN ?? null,
    enforceTimeoutMs: from.EVE_PROXY_ENFORCE_TIMEOUT,
    drainTimeoutMs: from.EVE_PROXY_DRAIN_TIMEOUT,
    maxBody: from.EVE_PROXY_MAX_BODY,
    maxHeld: from.EVE_PROXY_MAX_HELD,
    maxConnections: from.EVE_PROXY_MAX_CONNECTIONS,
    keepAliveTimeoutMs: from.EVE_PROXY_KEEPALIVE_TIMEOUT,
    readyStrict: from.EVE_PROXY_READY_STRICT,
    logLevel: from.EVE_PROXY_LOG_LEVEL,
    logFormat: from.EVE_PROXY_LOG_FORMAT,
    decisionLog: from.EVE_PROXY_DECISION_LOG === "on",
  };
}
