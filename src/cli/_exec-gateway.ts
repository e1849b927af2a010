/** The private gateway of `exec`: the settings of the environment, a port and a CA of its own, evidence in one folder. */
import type { Config, Problem } from "../config/config.ts";
import { developmentKeyPath } from "../config/development-key.ts";
import { loadConfig } from "../config/load.ts";
import { type CaFiles, createCa } from "../crypto/ca.ts";
import { trustStore } from "../crypto/trust-store.ts";
import { messageOf } from "../errors.ts";
import type { Gateway } from "../gateway.ts";
import type { AppendFile, Runtime } from "../runtime/contract.ts";
import type { TrustFiles } from "./_exec-env.ts";
import { nodePreload } from "./_exec-node.ts";
import { policyProblems } from "./_policy-problems.ts";
import { bundleOf, type Roots, systemRoots } from "./_roots.ts";

/** Nobody is left who could wait for more than an answer under way. */
const DRAIN_MS = 5_000;
/** Longer than a command runs; the key is never on a disk. */
const CA_DAYS = 30;

/** Settings of a gateway for everybody; the private one answers them itself. */
const NOT_OURS = [
  "EVE_PROXY_ADMIN_LISTEN",
  "EVE_PROXY_ADMIN_TOKEN",
  "EVE_PROXY_ADMIN_TOKEN_FILE",
  "EVE_PROXY_CA_CERT",
  "EVE_PROXY_CA_CERT_FILE",
  "EVE_PROXY_CA_KEY",
  "EVE_PROXY_CA_KEY_FILE",
  "EVE_PROXY_FINDINGS",
  "EVE_PROXY_FINDINGS_FILE",
] as const;

export interface Private {
  readonly gateway: Gateway;
  readonly port: number;
  readonly trust: TrustFiles;
  readonly config: Config;
  /** Ends the gateway, and with it the log. */
  close(): Promise<void>;
}

export interface Planned {
  readonly config: Config;
  readonly warnings: readonly string[];
  /** Of `verify`: files that hold what the certificates verify with; null: the secret is in the environment only. */
  readonly keyFile: string | null;
  /** It signs with that file, whose public half is what others are to verify with. */
  readonly keyPrivate: boolean;
}

/** Binds nothing. `folder` is where evidence goes. */
export async function planGateway(runtime: Runtime, folder: string): Promise<Planned | readonly Problem[]> {
  const env: Record<string, string | undefined> = { ...runtime.env };
  for (const name of NOT_OURS) delete env[name];
  const own = {
    EVE_PROXY_HOST: "127.0.0.1",
    EVE_PROXY_PORT: "0",
    // On loopback nobody else arrives; what the kernel redirected comes from the address it would have left by.
    EVE_PROXY_CLIENTS: ["127.0.0.0/8", ...runtime.localAddresses().filter((address) => !address.includes(":"))].join(
      ",",
    ),
    EVE_PROXY_WORKERS: "1",
    EVE_PROXY_AUDIT_PATH: `${folder}/audit.jsonl`,
    EVE_PROXY_LOG_FORMAT: "json",
    // Counts only where no key is configured.
    EVE_PROXY_DEV: "1",
  };
  for (const name of Object.keys(own)) delete env[`${name}_FILE`];
  const alone: Runtime = { ...runtime, env: { ...env, ...own } };
  const loaded = await loadConfig(alone);
  const problems = [...(loaded.ok ? [] : loaded.problems), ...(await policyProblems(alone, loaded))];
  if (!loaded.ok || problems.length > 0) return problems;
  const { config } = loaded;
  const development = developmentKeyPath(own.EVE_PROXY_AUDIT_PATH);
  const made = config.signingKey === null && env.JWT_SECRET_KEY === undefined && env.JWT_SECRET_KEY_FILE === undefined;
  return {
    config: { ...config, drainTimeoutMs: Math.min(config.drainTimeoutMs, DRAIN_MS) },
    // Of the key that is made for each run nobody needs to be warned each time.
    warnings: loaded.warnings.filter((warning) => !warning.includes(development)),
    keyPrivate: config.signingKey !== null,
    keyFile: made
      ? development
      : config.signingKey !== null
        ? (env.EVE_PROXY_SIGNING_KEY ?? env.EVE_PROXY_SIGNING_KEY_FILE ?? null)
        : (env.JWT_SECRET_KEY_FILE ?? null),
  };
}

export interface Places {
  /** Exists. For the log, beside the evidence. */
  readonly folder: string;
  /** Exists, 0700; gone after the run. */
  readonly scratch: string;
}

/** Rejects with a Fault; nothing listens then. `crashed` is told of a defect that nobody caught. */
export async function startPrivate(
  runtime: Runtime,
  planned: Planned,
  { folder, scratch }: Places,
  crashed: (problem: string) => void,
): Promise<Private> {
  const [{ Gateway }, { KillSwitch, watchKillSources }, { Log }] = await Promise.all([
    import("../gateway.ts"),
    import("../kill.ts"),
    import("../observe/log.ts"),
  ]);
  const roots = await systemRoots(runtime);
  const ca = await createCa(
    { commonName: `sallyport exec ${runtime.pid}`, days: CA_DAYS, key: "P-256" },
    runtime.now(),
  );
  const config = { ...planned.config, interceptCa: ca };
  const file = runtime.openAppend(`${folder}/gateway.log`);
  const { logLevel: level, decisionLog: decisions } = config;
  const log = new Log({ ...runtime, stderr: (text) => kept(file, text) }, { level, format: "json", decisions });
  for (const warning of planned.warnings) log.warn(warning);
  const gateway = new Gateway(runtime, config, log);
  runtime.onUncaught((thrown) => {
    const problem = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    log.error("uncaught fault", { problem });
    crashed(messageOf(thrown));
  });
  const kill = new KillSwitch(async (order) => gateway.kill(order), runtime.now);
  const unwatch = await watchKillSources(runtime, config, { kill, log });
  const listener = await gateway.start({ reusePort: false, instance: null, vitals: null, admin: null, counters: null });
  const { port } = listener;
  log.info("listening", { host: listener.address, port });
  const trust = await writeTrust(runtime, { scratch, roots, ca, port });
  const close = async (): Promise<void> => {
    await gateway.drain();
    unwatch();
    file.close();
  };
  return { gateway, port, trust, config, close };
}

/** The log is for people; that it cannot be written must not end what evidence proves. */
function kept(file: AppendFile, text: string): void {
  try {
    file.append(text);
  } catch {
    // Full, say. Evidence on the same disk then refuses every request.
  }
}

interface Trusted {
  readonly scratch: string;
  readonly roots: Roots;
  readonly ca: CaFiles;
  readonly port: number;
}

async function writeTrust(runtime: Runtime, { scratch, roots, ca, port }: Trusted): Promise<TrustFiles> {
  const at = (name: string): string => `${scratch}/${name}`;
  const put = async (name: string, text: string): Promise<string> => {
    await runtime.writeNew(at(name), text, 0o600);
    return at(name);
  };
  const store = runtime.openAppend(at("trust.p12"));
  store.append(trustStore([...roots.pems, ca.certPem]));
  store.close();
  const bundle = await put("bundle.pem", await bundleOf(roots, ca.certPem));
  return {
    bundle,
    ca: await put("ca.crt", ca.certPem),
    store: at("trust.p12"),
    preload: await put("node-preload.cjs", nodePreload(port)),
    wgetrc: (await hasWgetrc(runtime)) ? null : await put("wgetrc", `ca_certificate = ${bundle}\n`),
  };
}

/** A file of the user's own may have more in it than roots; it is left alone. */
async function hasWgetrc({ env, hasName }: Runtime): Promise<boolean> {
  if (env.WGETRC) return true;
  return env.HOME ? hasName(`${env.HOME}/.wgetrc`).catch(() => true) : false;
}
