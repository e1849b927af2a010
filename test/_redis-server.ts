/** A real redis-server of a test's own: no disk, a port nobody else has. Both runtimes start it. */
import { type ChildProcess, spawn } from "node:child_process";
import { freePort } from "./_free-port.ts";

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** As if the machine had gone. */
  kill(): Promise<void>;
  /** Stops it without closing anything: connections stay and nobody answers. */
  hang(): void;
  goOn(): void;
  /** On the same port again, empty. */
  restart(): Promise<void>;
}

const started = new Set<ChildProcess>();

/** What a test that failed has left running; the test runner tells nobody that it ends. */
export function killEveryRedis(): void {
  for (const child of started) child.kill("SIGKILL");
  started.clear();
}

function begin(port: number, args: readonly string[]): Promise<ChildProcess> {
  const own = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", "/tmp"];
  const ports = args.includes("--tls-port") ? [] : ["--port", String(port)];
  const child = spawn("redis-server", [...own, ...ports, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  started.add(child);
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (bytes) => {
      out += bytes;
      if (out.includes("Ready to accept connections")) resolve(child);
    });
    child.on("exit", (code) => reject(new Error(`redis-server ended with ${code}: ${out.slice(-500)}`)));
  });
}

export async function startRedis(args: readonly string[] = [], given?: number): Promise<RedisServer> {
  const port = given ?? (await freePort());
  let child = await begin(port, args);
  const kill = (): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    hang: () => void child.kill("SIGSTOP"),
    goOn: () => void child.kill("SIGCONT"),
    async restart() {
      await kill();
      child = await begin(port, args);
    },
  };
}
