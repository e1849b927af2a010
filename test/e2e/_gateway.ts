/** The real program as a process of its own: its own folder, key and audit log; environment only, as users run it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
export const KEY = "e2e-only-hmac-key-of-more-than-32-bytes";

export type Env = Readonly<Record<string, string | undefined>>;

export interface Verified {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A certificate as it arrives in a header, a body or a log line; checked by `sallyport verify`, not by this type. */
export interface CertificateLike {
  readonly certificate_id: string;
  readonly verdict: string;
  readonly matched_pillar: string | null;
  readonly matched_vector: string | null;
  readonly phase: string;
  readonly parent: string | null;
  readonly content_hash: string | null;
  readonly chain: { readonly seq: number } | null;
}

/** The command that is under test: a compiled binary, the source under Bun, or the source under Deno. */
export function program(): string[] {
  const binary = process.env.SALLYPORT_BIN;
  if (binary !== undefined && binary !== "") return [resolve(ROOT, binary === "1" ? "dist/sallyport" : binary)];
  const main = join(ROOT, "src/main.ts");
  if (process.env.SALLYPORT_RUNTIME === "deno") {
    return [join(ROOT, "node_modules/.bin/deno"), "run", "-A", "--config", join(ROOT, "deno.json"), main];
  }
  return [join(ROOT, "node_modules/.bin/bun"), main];
}

export class Gateway {
  readonly folder: string;
  readonly auditPath: string;
  readonly keyFile: string;
  readonly #env: Env;
  readonly #ownsFolder: boolean;
  #child: ChildProcess | null = null;
  #stderr = "";
  port = 0;

  private constructor(folder: string, ownsFolder: boolean, env: Env) {
    this.folder = folder;
    this.#ownsFolder = ownsFolder;
    if (ownsFolder) folders.add(folder);
    this.auditPath = join(folder, "audit", "events.jsonl");
    this.keyFile = join(folder, "key");
    this.#env = env;
    writeFileSync(this.keyFile, KEY, { mode: 0o600 });
  }

  /** Starts the gateway and waits until `/readyz` is 200. An undefined value removes a variable. */
  static async start(env: Env = {}, folder?: string): Promise<Gateway> {
    const gateway = new Gateway(folder ?? mkdtempSync(join(tmpdir(), "sallyport-e2e-")), folder === undefined, env);
    try {
      await gateway.begin();
    } catch (error) {
      gateway.remove();
      throw error;
    }
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Everything it has said on the standard error since it was started. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Starts (again) on the same folder: what a supervisor does after a crash. */
  async begin(): Promise<void> {
    const [command = "", ...args] = program();
    const env: Record<string, string> = {};
    const wanted: Env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      DENO_DIR: process.env.DENO_DIR,
      // Deno itself asks for a newer version now and then: a name lookup that is not the gateway's.
      DENO_NO_UPDATE_CHECK: "1",
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      EVE_PROXY_AUDIT_PATH: this.auditPath,
      JWT_SECRET_KEY: KEY,
      ...this.#env,
    };
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) env[name] = value;
    const child = spawn(command, [...args, "run"], { cwd: this.folder, env, stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    this.#stderr = "";
    running.add(child);
    child.once("exit", () => running.delete(child));
    this.port = await new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`does not listen after 20 s: ${this.#stderr}`)), 20_000);
      child.stderr?.setEncoding("utf8");
      child.stderr?.on("data", (text: string) => {
        if (this.#stderr.length < 4_000_000) this.#stderr += text;
        const port = this.port === 0 || this.#child === child ? listeningPort(this.#stderr) : null;
        if (port !== null) {
          clearTimeout(timer);
          resolve(port);
        }
      });
      child.once("exit", (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`ended with ${code ?? signal} before it listened: ${this.#stderr}`));
      });
      child.once("error", reject);
    });
    await until(async () => (await statusOf(this.port, "/readyz")) === 200, "ready");
  }

  signal(name: "SIGTERM" | "SIGHUP" | "SIGUSR2" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(name);
  }

  /** Waits for an end that something else brings about; the exit status, or null when a signal ended it. */
  exited(): Promise<number | null> {
    return new Promise((resolve) => this.#child?.once("exit", (code) => resolve(code)));
  }

  /** Sends the signal and waits for the end; the exit status, or null when the signal ended it. */
  async end(name: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill(name);
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await gone;
      clearTimeout(timer);
    }
    return child.exitCode;
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<number | null> {
    const code = await this.end();
    this.remove();
    return code;
  }

  remove(): void {
    this.#child?.kill("SIGKILL");
    if (!this.#ownsFolder) return;
    rmSync(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }

  /** Every audit line of every file of the log, in no order. */
  auditLines(): CertificateLike[] {
    const folder = join(this.folder, "audit");
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.startsWith("events") && name.endsWith(".jsonl"))
      .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"))
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** `sallyport verify` as a process: on a path, or on a certificate given as text. */
  verify(what: { path: string } | { text: string }, keyFile = this.keyFile): Verified {
    const [command = "", ...args] = program();
    const done = spawnSync(command, [...args, "verify", "path" in what ? what.path : "-", "--key-file", keyFile], {
      input: "text" in what ? what.text : "",
      encoding: "utf8",
      timeout: 60_000,
      cwd: this.folder,
    });
    return { status: done.status ?? -1, stdout: done.stdout, stderr: done.stderr };
  }

  verifyLogs(): Verified {
    return this.verify({ path: join(this.folder, "audit") });
  }
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The port in the start line, whatever field names the event. */
function listeningPort(stderr: string): number | null {
  for (const line of stderr.split("\n")) {
    if (!line.startsWith("{") || !line.endsWith("}")) continue;
    const { event, message, port } = JSON.parse(line) as Record<string, unknown>;
    if ((event === "listening" || message === "listening") && typeof port === "number") return port;
  }
  return null;
}

export function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
    });
    socket.setTimeout(5000, () => socket.destroy());
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(Number(text.split(" ")[1] ?? 0)));
  });
}

/** Waits for a condition, never for a time; fails loudly when it does not come. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not ${what} after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}
