/** The program as a process of its own, with an environment of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { leashed } from "../_at-the-end.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

/** What hangs is found by these; they are no promise, and longer than a start or a drain takes on a busy machine. */
const START_MS = 60_000;
const END_MS = 60_000;
const PIPE_MS = 5_000;

export type Env = Readonly<Record<string, string | undefined>>;

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

/** One that listens: `run`, `governance` or `webhook`. It may be ended and begun again, as a supervisor does. */
export class Process {
  #child: ChildProcess | null = null;
  #stderr = "";

  /** What it has said on the standard error since it was begun, up to 4 MB. */
  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves to the port it says it listens on. An undefined value removes a variable. */
  async begin(command: "run" | "governance" | "webhook", folder: string, given: Env): Promise<number> {
    const [path = "", ...args] = program();
    const env: Record<string, string> = {};
    const wanted: Env = {
      PATH: process.env.PATH,
      HOME: folder,
      DENO_DIR: process.env.DENO_DIR,
      // Deno itself asks for a newer version now and then: a name lookup that is not the gateway's.
      DENO_NO_UPDATE_CHECK: "1",
      ...given,
    };
    for (const [name, value] of Object.entries(wanted)) if (value !== undefined) env[name] = value;
    const child = leashed(spawn(path, [...args, command], { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] }));
    this.#child = child;
    this.#stderr = "";
    return new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`does not listen after ${START_MS} ms: ${this.#stderr}`));
      }, START_MS);
      child.stderr?.setEncoding("utf8");
      child.stderr?.on("data", (text: string) => {
        if (this.#child !== child) return;
        if (this.#stderr.length < 4_000_000) this.#stderr += text;
        const port = listeningPort(this.#stderr);
        if (port === null) return;
        clearTimeout(timer);
        resolve(port);
      });
      // At "exit" its last words may not have been read.
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        reject(new Error(`ended with ${code ?? signal} before it listened: ${this.#stderr}`));
      });
      child.once("error", reject);
    });
  }

  signal(name: "SIGTERM" | "SIGHUP" | "SIGUSR2" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(name);
  }

  /** Waits for an end that something else brings about; the exit status, or null when a signal ended it. */
  exited(): Promise<number | null> {
    const child = this.#child;
    return child === null ? Promise.resolve(null) : over(child);
  }

  /** Sends the signal and waits for the end; the exit status, or null when the signal ended it. */
  async end(name: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = over(child);
      child.kill(name);
      const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
      await gone;
      clearTimeout(timer);
    }
    return child.exitCode;
  }
}

/** Resolves when all it said has been read; a child of its own that outlives it, and its pipe, is not waited for long. */
function over(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once("close", (code) => resolve(code));
    child.once("exit", (code) => setTimeout(() => resolve(code), PIPE_MS).unref());
  });
}

/** The port in the start line, whatever field names the event. */
export function listeningPort(stderr: string): number | null {
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
    socket.setTimeout(30_000, () => socket.destroy());
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(Number(text.split(" ")[1] ?? 0)));
  });
}

/** Waits for a condition, never for a time; fails loudly when it does not come. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not ${what} after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
