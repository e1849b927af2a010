/** `sallyport governance` as a process of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Env, program, statusOf, until } from "./_gateway.ts";

export const TOKEN = "e2e-plane-token-0123456789";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class Plane {
  readonly folder = mkdtempSync(join(tmpdir(), "sallyport-plane-"));
  readonly #env: Env;
  readonly #tls: boolean;
  #child: ChildProcess | null = null;
  stderr = "";
  port = 0;

  private constructor(env: Env) {
    this.#env = env;
    this.#tls = env.EVE_PROXY_GOVERNANCE_TLS_CERT !== undefined;
  }

  static async start(env: Env = {}): Promise<Plane> {
    const plane = new Plane(env);
    await plane.begin();
    return plane;
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
    const [command = "", ...args] = program();
    const env: Record<string, string> = {};
    const wanted: Env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      DENO_DIR: process.env.DENO_DIR,
      DENO_NO_UPDATE_CHECK: "1",
      EVE_PROXY_GOVERNANCE_LISTEN: `127.0.0.1:${this.port}`,
      EVE_PROXY_GOVERNANCE_TOKEN: TOKEN,
      ...this.#env,
    };
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) env[name] = value;
    const child = spawn(command, [...args, "governance"], {
      cwd: this.folder,
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    this.stderr = "";
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => {
      if (this.stderr.length < 4_000_000) this.stderr += text;
    });
    const port = () => /"message":"listening"[^\n]*"port":(\d+)/.exec(this.stderr)?.[1];
    await until(
      () => port() !== undefined || child.exitCode !== null,
      `listening (${this.stderr.slice(0, 500)})`,
      20_000,
    );
    if (port() === undefined) throw new Error(`ended with ${child.exitCode}: ${this.stderr}`);
    this.port = Number(port());
    if (!this.#tls) await until(async () => (await statusOf(this.port, "/readyz")) === 200, "ready");
  }

  signal(name: "SIGTERM" | "SIGHUP" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(name);
  }

  /** The exit status, or null when the signal ended it. */
  async end(name: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(name);
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await gone;
    clearTimeout(timer);
    return child.exitCode;
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGCONT");
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
