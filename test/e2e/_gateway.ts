/** The real program as a process of its own: its own folder, key and audit log; environment only, as users run it. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atTheEnd } from "../_at-the-end.ts";
import { type Env, Process, program, statusOf, until } from "./_process.ts";

export { type Env, program, ROOT, statusOf, until } from "./_process.ts";

export const KEY = "e2e-only-hmac-key-of-more-than-32-bytes";

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

export class Gateway {
  readonly folder: string;
  readonly auditPath: string;
  readonly keyFile: string;
  readonly #env: Env;
  readonly #ownsFolder: boolean;
  readonly #process = new Process();
  readonly #kept: () => void = () => {};
  port = 0;

  private constructor(folder: string, ownsFolder: boolean, env: Env) {
    this.folder = folder;
    this.#ownsFolder = ownsFolder;
    if (ownsFolder) this.#kept = atTheEnd(() => rmSync(folder, { recursive: true, force: true }));
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
    return this.#process.pid;
  }

  /** Everything it has said on the standard error since it was started. */
  get stderr(): string {
    return this.#process.stderr;
  }

  /** Starts (again) on the same folder: what a supervisor does after a crash. */
  async begin(): Promise<void> {
    this.port = await this.#process.begin("run", this.folder, {
      EVE_PROXY_HOST: "127.0.0.1",
      EVE_PROXY_PORT: "0",
      EVE_PROXY_ALLOW_ADDRESSES: "127.0.0.0/8",
      EVE_PROXY_AUDIT_PATH: this.auditPath,
      // What a test asks for is the decision; those that ask what becomes of a late one set their own time.
      EVE_PROXY_ENFORCE_TIMEOUT: "20",
      JWT_SECRET_KEY: KEY,
      ...this.#env,
    });
    await until(async () => (await statusOf(this.port, "/readyz")) === 200, "ready");
  }

  signal(name: Parameters<Process["signal"]>[0]): void {
    this.#process.signal(name);
  }

  exited(): Promise<number | null> {
    return this.#process.exited();
  }

  end(name?: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    return this.#process.end(name);
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<number | null> {
    const code = await this.end();
    this.remove();
    return code;
  }

  remove(): void {
    this.#process.signal("SIGKILL");
    if (!this.#ownsFolder) return;
    rmSync(this.folder, { recursive: true, force: true });
    this.#kept();
  }

  /** Every audit line of every file of the log, in no order; one that is being written is not there yet. */
  auditLines(): CertificateLike[] {
    const folder = join(this.folder, "audit");
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.startsWith("events") && name.endsWith(".jsonl"))
      .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1))
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** `sallyport verify` as a process: on a path, or on a certificate given as text. */
  verify(what: { path: string } | { text: string }, keyFile = this.keyFile): Verified {
    const [command = "", ...args] = program();
    const done = spawnSync(command, [...args, "verify", "path" in what ? what.path : "-", "--key-file", keyFile], {
      input: "text" in what ? what.text : "",
      encoding: "utf8",
      timeout: 110_000,
      cwd: this.folder,
    });
    return { status: done.status ?? -1, stdout: done.stdout, stderr: done.stderr };
  }

  verifyLogs(): Verified {
    return this.verify({ path: join(this.folder, "audit") });
  }
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}
