/** A root file system run with nothing else: its own mounts and processes, read-only but for one volume, as a numeric user. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { tool } from "../_skip.ts";

/** What a container runtime gives every container besides its image: /proc, and four of /dev. */
const SCRIPT = `set -e
root=$1 volume=$2 user=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=755 none "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mount -t proc none "$root/proc"
[ -z "$volume" ] || mount --bind "$volume" "$root/var/lib/sallyport"
exec chroot --userspec="$user" "$root" "$@"`;

export interface Bare {
  readonly root: string;
  /** Writable at /var/lib/sallyport; none when it is not given. */
  readonly volume?: string;
  /** UID:GID. */
  readonly user: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A network of its own, in which there is nothing. */
  readonly alone?: boolean;
}

/** Null, or why it cannot be done here. */
export function bareMissing(): string | null {
  if (process.getuid?.() !== 0) return "a bare root is entered by root";
  return tool("unshare") ?? tool("chroot");
}

export function bareCommand({ root, volume = "", user, alone }: Bare, command: readonly string[]): string[] {
  const apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", ...(alone === true ? ["--net"] : [])];
  return [...apart, "sh", "-c", SCRIPT, "bare", root, volume, user, ...command];
}

/** With an environment that has what the image sets, and `env`. */
export function startBare(bare: Bare, command: readonly string[]): ChildProcess {
  const [program = "", ...args] = bareCommand(bare, command);
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/var/lib/sallyport", ...bare.env };
  return spawn(program, args, { env, cwd: "/", stdio: ["pipe", "pipe", "pipe"] });
}

/** The process inside, as this machine counts: unshare is its parent. */
export function insideOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
}

/** --kill-child alone does not do it: the kernel forgets that wish when the process becomes another user. */
export async function endBare(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("close", resolve));
  process.kill(insideOf(child), "SIGKILL");
  await gone;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runBare(bare: Bare, command: readonly string[], input = ""): Promise<Ended> {
  const child = startBare(bare, command);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (bytes: Uint8Array) => {
    stdout += new TextDecoder().decode(bytes);
  });
  child.stderr?.on("data", (bytes: Uint8Array) => {
    stderr += new TextDecoder().decode(bytes);
  });
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, stdout, stderr };
}
