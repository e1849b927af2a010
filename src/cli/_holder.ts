/** Who holds a port or a file, as far as Linux's /proc tells this user. Elsewhere, and of other users' sockets, nothing. */
import type { Runtime } from "../runtime/contract.ts";

type Files = Pick<Runtime, "readFile" | "stat" | "list">;

const LISTEN_STATE = "0A";
/** Bounds on what a crowded host can cost. */
const MAX_PROCESSES = 8192;
const MAX_DESCRIPTORS = 65_536;

/** ` by process 4711 (sallyport)` of whoever listens on the TCP port, else "". */
export async function portHolder(runtime: Files, port: number): Promise<string> {
  return said(runtime, await portProcess(runtime, port));
}

/** Number of the process that listens on the TCP port; null when nobody does, or nobody tells. */
export async function portProcess(runtime: Files, port: number): Promise<string | null> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = new Set<number>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of (await procText(runtime, table)).split("\n").slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (local?.endsWith(wanted) === true && state === LISTEN_STATE) inodes.add(Number(inode));
    }
  }
  inodes.delete(0);
  return inodes.size === 0 ? null : withSocket(runtime, inodes);
}

/** The same of whoever holds the lock of the file. */
export async function lockHolder(runtime: Files, path: string): Promise<string> {
  const info = await runtime.stat(path).catch(() => null);
  if (info === null) return "";
  for (const line of (await procText(runtime, "/proc/locks")).split("\n")) {
    // `1: FLOCK  ADVISORY  WRITE 4711 fe:00:9978186 0 EOF`; a process of another namespace is 0 or -1.
    const [, pid, inode] = /^\d+: FLOCK +\S+ +WRITE +([1-9]\d*) +[0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line) ?? [];
    if (pid !== undefined && Number(inode) === info.inode) return said(runtime, pid);
  }
  return "";
}

async function withSocket(runtime: Files, inodes: ReadonlySet<number>): Promise<string | null> {
  const processes = (await runtime.list("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  let left = MAX_DESCRIPTORS;
  for (const pid of processes.slice(0, MAX_PROCESSES)) {
    const descriptors = await runtime.list(`/proc/${pid}/fd`).catch(() => []);
    left -= descriptors.length;
    if (left < 0) return null;
    const found = await Promise.all(descriptors.map((fd) => runtime.stat(`/proc/${pid}/fd/${fd}`).catch(() => null)));
    // Sockets have numbers of their own; a file that has the same one has a size or another mode.
    if (found.some((info) => info !== null && info.size === 0 && info.mode === 0o777 && inodes.has(info.inode)))
      return pid;
  }
  return null;
}

/** ` by process 4711 (sallyport)`: only the short name, as a command line can carry secrets. "" for null. */
async function said(runtime: Files, pid: string | null): Promise<string> {
  if (pid === null) return "";
  const name = (await procText(runtime, `/proc/${pid}/comm`)).replace(/[^\x21-\x7e]/g, "").slice(0, 32);
  return ` by process ${pid}${name === "" ? "" : ` (${name})`}`;
}

async function procText(runtime: Files, path: string): Promise<string> {
  return runtime.readFile(path).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => "",
  );
}
