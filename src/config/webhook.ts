/** The settings of `sallyport webhook`: the same names and the same strictness as the gateway's, of which it uses some. */
import type { Runtime } from "../runtime/contract.ts";
import type { LogFormat, LogLevel, Problem } from "./config.ts";
import { gather, read } from "./load.ts";
import { unknownNames } from "./names.ts";
import type { SettingName } from "./schema.ts";

export interface WebhookConfig {
  readonly listen: { readonly host: string; readonly port: number };
  /** Paths: what is in them changes while it runs. */
  readonly certPath: string;
  readonly keyPath: string;
  readonly injectionPath: string;
  readonly reloadMs: number;
  /** Bearer token of `/metrics` for whoever is not on this host. Secret. */
  readonly adminToken: string | null;
  readonly drainTimeoutMs: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export type LoadedWebhook =
  | { readonly ok: true; readonly config: WebhookConfig }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const NEEDED = [
  ["EVE_PROXY_WEBHOOK_TLS_CERT", "give the PEM file of its certificate: the API server speaks nothing but TLS"],
  ["EVE_PROXY_WEBHOOK_TLS_KEY", "give the PEM file of the key of its certificate"],
  ["EVE_PROXY_WEBHOOK_INJECTION", "give the YAML file of what is put into pods; docs/kubernetes.md has one"],
] as const satisfies readonly (readonly [SettingName, string])[];

/** Reports every problem at once. Binds nothing; what the paths lead to is read by whoever follows it. */
export async function loadWebhookConfig(runtime: Runtime): Promise<LoadedWebhook> {
  const problems = unknownNames(runtime.env);
  const from = read(await gather(runtime, problems), problems);
  const failed = new Set(problems.map(({ variable }) => variable.replace(/_FILE$/, "")));
  for (const [variable, hint] of NEEDED) {
    if (from[variable] === undefined && !failed.has(variable)) problems.push({ variable, problem: "is not set", hint });
  }
  const {
    EVE_PROXY_WEBHOOK_TLS_CERT: certPath,
    EVE_PROXY_WEBHOOK_TLS_KEY: keyPath,
    EVE_PROXY_WEBHOOK_INJECTION: injectionPath,
  } = from;
  if (problems.length > 0 || certPath === undefined || keyPath === undefined || injectionPath === undefined) {
    return { ok: false, problems };
  }
  return {
    ok: true,
    config: {
      listen: from.EVE_PROXY_WEBHOOK_LISTEN,
      certPath,
      keyPath,
      injectionPath,
      reloadMs: from.EVE_PROXY_WEBHOOK_RELOAD,
      adminToken: from.EVE_PROXY_ADMIN_TOKEN ?? null,
      drainTimeoutMs: from.EVE_PROXY_DRAIN_TIMEOUT,
      logLevel: from.EVE_PROXY_LOG_LEVEL,
      logFormat: from.EVE_PROXY_LOG_FORMAT,
    },
  };
}
