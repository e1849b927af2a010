/** Starting, watching and ending the measured processes. Nothing outlives `endAll`, whatever way the bench ends. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CLOCK_TICKS_PER_SECOND = 100;

const children = new Set<ChildProcess>();
const folders = new Set<string>();

function removeAtEnd(folder: string): void {
  folders.add(folder);
}

/**
 * A folder for this run, which peers that drop root can reach. From here on the run leaves nothing behind: neither it nor
 * a child, however it ends.
 */
export function runFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `sallyport-${name}-`));
  chmodSync(folder, 0o755);
  removeAtEnd(folder);
  process.on("exit", endAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
  return folder;
}

/** With `log`, the standard error goes to that file: a pipe would make this process pay for reading it. */
export function start(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
  log: string | null = null,
): ChildProcess {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env.PATH ?? "", HOME: cwd, ...env },
    stdio: log === null ? ["pipe", "pipe", "pipe"] : ["ignore", "ignore", openSync(log, "a")],
    detached: true,
  });
  children.add(child);
  child.on("exit", () => children.delete(child));
  child.on("error", () => children.delete(child));
  return child;
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  signalGroup(child, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), 3000);
  await gone;
  clearTimeout(timer);
}

function endAll(): void {
  for (const child of children) signalGroup(child, "SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** Each child leads a group of its own, so a master's workers go with it. */
function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // Already gone.
  }
}

/** A process and all it has started, by the parent links in /proc. */
export function tree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const fields = /^\d+$/.test(name) ? statFields(Number(name)) : null;
    if (fields !== null) parents.set(Number(name), Number(fields[1]));
  }
  const found = [root];
  for (let i = 0; i < found.length; i++) {
    for (const [pid, parent] of parents) if (parent === found[i]) found.push(pid);
  }
  return found;
}

/** utime + stime of a process tree, in microseconds, to the kernel's tick (10 ms). */
export function cpuMicros(root: number): number {
  let ticks = 0;
  for (const pid of tree(root)) {
    const fields = statFields(pid);
    if (fields !== null) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1e6) / CLOCK_TICKS_PER_SECOND;
}

/** Resident memory of a process tree in MB; pages that master and worker share count twice. */
export function residentMb(root: number): number {
  let kb = 0;
  for (const pid of tree(root)) {
    try {
      kb += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    } catch {
      // Ended between the listing and the reading.
    }
  }
  return kb / 1024;
}

/** Fields of /proc/PID/stat from the state on (the name before it may hold anything). */
function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/**
 * Asks again and again until the answer's status is 200 (or, without a request, until a connection is accepted).
 * Gives the milliseconds since `since`; throws what went wrong instead.
 */
export async function untilReady(
  port: number,
  request: string | null,
  since: number,
  child: ChildProcess,
): Promise<number> {
  let last = "no answer";
  while (performance.now() - since < 15_000) {
    if (child.exitCode !== null) throw new Error(`ended with status ${child.exitCode}`);
    last = await askOnce(port, request);
    if (/^HTTP\/1\.[01] 200 /.test(last)) return performance.now() - since;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`not ready after 15 s: ${last.split("\r\n")[0]}`);
}

function askOnce(port: number, request: string | null): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => {
      if (request !== null) return socket.write(request);
      text = "HTTP/1.1 200 accepted";
      return socket.destroy();
    });
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (text.includes("\r\n")) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(text));
  });
}

/** Runs a command to its end; its standard output, or an error with what it said. */
export function output(command: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = "."): string {
  const [program = "", ...args] = command;
  const done = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    timeout: 120_000,
    maxBuffer: 1 << 26,
  });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0)
    throw new Error(`${program} ended with ${done.status}: ${(done.stderr || done.stdout).trim()}`);
  return `${done.stdout}${done.stderr}`;
}

export function which(program: string): string | null {
  const found = spawnSync("which", [program], { encoding: "utf8" });
  return found.status === 0 ? found.stdout.trim() : null;
}
