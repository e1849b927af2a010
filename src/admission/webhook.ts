/** `sallyport webhook`: from its settings to its end. It keeps nothing: any number may stand beside each other. */
import { readText } from "../config/files.ts";
import type { WebhookConfig } from "../config/webhook.ts";
import { Poll } from "../decide/poll.ts";
import { Fault, messageOf } from "../errors.ts";
import { Health } from "../observe/health.ts";
import { Log } from "../observe/log.ts";
import type { Runtime, Served, TlsIdentity } from "../runtime/contract.ts";
import { boundBy } from "../words/bound.ts";
import { quote } from "../words/quote.ts";
import { readInjection } from "./injection.ts";
import { type InForce, MAX_REVIEW, MAX_REVIEWS, webhookMetrics, webhookSurface } from "./surface.ts";

/** The API server may have taken its connection for good when it ends. */
const LINGER_MS = 200;

class Webhook {
  readonly health = new Health();
  readonly metrics = webhookMetrics();
  readonly #runtime: Runtime;
  readonly #config: WebhookConfig;
  readonly #log: Log;
  readonly #poll: Poll;
  #served: Served | null = null;
  #inForce: (InForce & { readonly text: string }) | null = null;
  #identity: TlsIdentity | null = null;
  #problem: string | null = null;
  #drained: Promise<void> | null = null;

  constructor(runtime: Runtime, config: WebhookConfig, log: Log) {
    this.#runtime = runtime;
    this.#config = config;
    this.#log = log;
    this.#poll = new Poll(runtime, config.reloadMs);
  }

  /** Reads its files, then binds. Rejects with a Fault; nothing listens then. */
  async start(): Promise<Served> {
    const runtime = this.#runtime;
    const config = this.#config;
    this.#inForce = await this.#readInjection();
    const identity = await this.#readIdentity();
    const { metrics, health } = this;
    metrics.registry.collect(() => {
      metrics.stale.set(this.#problem === null ? 0 : 1);
      metrics.memoryBytes.set(runtime.memory());
    });
    const handler = webhookSurface({
      runtime,
      metrics,
      log: this.#log,
      adminToken: config.adminToken,
      health: () => health.snapshot(),
      inForce: () => {
        if (this.#inForce === null) throw new Fault("config_invalid", "there is no injection");
        return this.#inForce;
      },
    });
    const options = { ...config.listen, maxBody: MAX_REVIEW, maxBodies: MAX_REVIEWS, idleMs: 75_000, tls: identity };
    const served = await boundBy("EVE_PROXY_WEBHOOK_LISTEN", runtime.serve(options, handler));
    this.#identity = identity;
    this.#served = served;
    health.phase = "ready";
    this.#poll.start(() => this.reload());
    return served;
  }

  /** Looks at the files; what has a problem changes nothing, and is said once. Never throws. */
  async reload(): Promise<void> {
    const problems: string[] = [];
    await this.#follow().catch((thrown) => problems.push(messageOf(thrown)));
    await this.#renew().catch((thrown) => problems.push(messageOf(thrown)));
    const problem = problems.length === 0 ? null : problems.join("; ");
    this.health.policyStale = problem !== null;
    if (problem !== null && problem !== this.#problem)
      this.#log.error("what is in force is older than the files", { problem });
    this.#problem = problem;
  }

  async #follow(): Promise<void> {
    const read = await this.#readInjection();
    if (read.text === this.#inForce?.text) return;
    this.#inForce = read;
    this.#log.info("the injection was read again", { mark: read.mark });
  }

  async #renew(): Promise<void> {
    const identity = await this.#readIdentity();
    if (identity.cert === this.#identity?.cert && identity.key === this.#identity.key) return;
    this.#served?.secure(identity);
    this.#identity = identity;
    this.#log.info("the certificate was read again");
  }

  async #readInjection(): Promise<InForce & { readonly text: string }> {
    const { injectionPath } = this.#config;
    const text = await this.#read("EVE_PROXY_WEBHOOK_INJECTION", injectionPath);
    const injection = readInjection(injectionPath.slice(injectionPath.lastIndexOf("/") + 1), text);
    return { injection, text, mark: this.#runtime.sha256(JSON.stringify(injection)).slice(0, 16) };
  }

  async #readIdentity(): Promise<TlsIdentity> {
    const { certPath, keyPath } = this.#config;
    const cert = await this.#read("EVE_PROXY_WEBHOOK_TLS_CERT", certPath);
    return { cert, key: await this.#read("EVE_PROXY_WEBHOOK_TLS_KEY", keyPath) };
  }

  async #read(variable: string, path: string): Promise<string> {
    const found = await readText(this.#runtime, path);
    if (typeof found === "string") return found;
    throw new Fault("config_invalid", `${variable} ${quote(path, 512)} ${found.problem}`);
  }

  /** Not ready at once, so that no new connection comes; those that stand are answered until the port is let go of. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    this.health.phase = "draining";
    this.#poll.stop();
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
    await this.#served?.close();
    this.#log.info("drained");
    this.#log.flush();
  }
}

/** Runs until told to end; the exit code. Rejects with the Fault that kept it from starting. */
export async function serveWebhook(runtime: Runtime, config: WebhookConfig): Promise<number> {
  const log = new Log(runtime, { level: config.logLevel, format: config.logFormat, decisions: true });
  const webhook = new Webhook(runtime, config, log);
  runtime.onUncaught((thrown) => log.error("uncaught fault", { problem: messageOf(thrown) }));
  const { promise: code, resolve: stopped } = Promise.withResolvers<number>();
  const stop = () => void webhook.drain().then(() => stopped(0));
  runtime.onSignal("SIGTERM", stop);
  runtime.onSignal("SIGINT", stop);
  runtime.onSignal("SIGHUP", () => void webhook.reload());
  const { address, port } = await webhook.start();
  log.info("listening", { host: address, port, tls: true });
  return code;
}
