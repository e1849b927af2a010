/** `sallyport governance` as a process of its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Env, Process, program, statusOf, until } from "./_process.ts";

export const TOKEN = "e2e-plane-token-0123456789";

export class Plane {
  readonly folder = mkdtempSync(join(tmpdir(), "sallyport-plane-"));
  readonly #env: Env;
  readonly #tls: boolean;
  readonly #process = new Process();
  port = 0;

  private constructor(env: Env) {
    this.#env = env;
    this.#tls = env.EVE_PROXY_GOVERNANCE_TLS_CERT !== undefined;
  }

  static async start(env: Env = {}): Promise<Plane> {
    const plane = new Plane(env);
    try {
      await plane.begin();
    } catch (error) {
      await plane.stop();
      throw error;
    }
    return plane;
  }

  get stderr(): string {
    return this.#process.stderr;
  }

  get url(): string {
    return this.#tls ? `https://localhost:${this.port}` : `http://127.0.0.1:${this.port}`;
  }

  /** What a relay needs to ask it. */
  get relay(): Env {
    return { EVE_PROXY_GOVERNANCE_URL: this.url, EVE_PROXY_GOVERNANCE_TOKEN: TOKEN };
  }

  /** Again on the port it had. */
  async begin(): Promise<void> {
    this.port = await this.#process.begin("governance", this.folder, {
      EVE_PROXY_GOVERNANCE_LISTEN: `127.0.0.1:${this.port}`,
      EVE_PROXY_GOVERNANCE_TOKEN: TOKEN,
      EVE_PROXY_ENFORCE_TIMEOUT: "20",
      ...this.#env,
    });
    if (!this.#tls) await until(async () => (await statusOf(this.port, "/readyz")) === 200, "ready");
  }

  signal(name: Parameters<Process["signal"]>[0]): void {
    this.#process.signal(name);
  }

  end(name?: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    return this.#process.end(name);
  }

  async stop(): Promise<void> {
    this.#process.signal("SIGCONT");
    await this.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A fresh Ed25519 key, made by the program itself; its path. */
export function signingKey(folder: string, name = "signing.pem"): string {
  const [command = "", ...args] = program();
  const path = join(folder, name);
  const done = spawnSync(command, [...args, "keys", "generate", path], { encoding: "utf8", cwd: folder });
  if (done.status !== 0) throw new Error(done.stderr);
  return path;
}
