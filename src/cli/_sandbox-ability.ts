/** Whether this host lets `exec --sandbox` confine a command: what it takes is tried, with `true` for the command. */
import type { Runtime } from "../runtime/contract.ts";
import type { CommandLine } from "./_exec-child.ts";
import { socketPaths } from "./_sandbox-sockets.ts";

/** What keeps a command from being confined. */
export interface Lack {
  readonly what: string;
  /** What whoever runs the host can do about it. */
  readonly fix: string;
}

/** Of files this process makes. */
export interface Ids {
  readonly user: string;
  readonly group: string;
}

/** What the sandbox is made of, found to work here. */
export interface Able {
  readonly ids: Ids;
  /** Paths of Unix sockets: with a path they are in no namespace of the network. */
  readonly sockets: readonly string[];
  /** What runs a program without supplementary groups; empty when there are none, or nobody lets us drop them. */
  readonly ungrouped: readonly [] | CommandLine;
  /** Names, else numbers, of supplementary groups whose rights the command keeps. */
  readonly groups: readonly string[];
}

/** A group that a user namespace does not know is shown as nobody's there, and still opens what it opened. */
const UNGROUPED = ["setpriv", "--clear-groups", "--"] as const;

export const OUTER = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--"] as const;

/** Of one program that is tried, ms. */
const TRIED_MS = 5_000;

const TOOLS: readonly (readonly [CommandLine, string])[] = [
  [["unshare", "--version"], "unshare (util-linux)"],
  [["setpriv", "--version"], "setpriv (util-linux)"],
  [["setsid", "--version"], "setsid (util-linux)"],
  [["ip", "-V"], "ip (iproute2)"],
  [["mount", "--version"], "mount (util-linux)"],
  // Without it sockets would stay uncovered, and nobody would be told.
  [["find", "/", "-maxdepth", "0", "-printf", ""], "find (findutils)"],
  [["ss", "-V"], "ss (iproute2)"],
];

/** Whoever `tells` gets what the programs say of why not on the standard error. Rejects with what the runtime threw. */
export async function sandboxAbility(runtime: Runtime, tells: boolean): Promise<Able | Lack> {
  if (runtime.platform !== "linux") {
    return { what: `network namespaces are Linux's, and this is ${runtime.platform}`, fix: "use a Linux host" };
  }
  const ids = await ownIds(runtime);
  if (ids === null)
    return { what: "/proc/self/status tells no user", fix: "mount /proc, which Deno reads with -A only" };
  for (const [command, name] of TOOLS) {
    if (!(await succeeds(runtime, command, false)))
      return { what: `there is no ${name} on the PATH`, fix: "install it" };
  }
  if (!(await succeeds(runtime, [...OUTER, "ip", "link", "set", "lo", "up"], tells)))
    return { what: "user namespaces cannot be made here", fix: await allowing(runtime) };
  if (!(await succeeds(runtime, [...OUTER, ...dropped(ids), "true"], tells))) {
    return { what: "a user namespace inside another cannot be made", fix: "install util-linux 2.38 or newer" };
  }
  const sockets = await socketPaths(runtime);
  if ("what" in sockets) return sockets;
  const groups = await otherGroups(runtime, ids);
  if (groups.length > 0 && (await succeeds(runtime, [...UNGROUPED, "true"], false)))
    return { ids, sockets, ungrouped: UNGROUPED, groups: [] };
  return { ids, sockets, ungrouped: [], groups };
}

/** What in this kernel's settings says no; none of them: something around us does. */
async function allowing(runtime: Runtime): Promise<string> {
  const set = async (name: string): Promise<string> => (await read(runtime, `/proc/sys/${name}`)).trim();
  if ((await set("user/max_user_namespaces")) === "0") return "sysctl -w user.max_user_namespaces=10000";
  if ((await set("kernel/unprivileged_userns_clone")) === "0") return "sysctl -w kernel.unprivileged_userns_clone=1";
  if ((await set("kernel/apparmor_restrict_unprivileged_userns")) === "1") {
    return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give unshare an AppArmor profile with userns";
  }
  return "no setting of the kernel forbids it; in a container its seccomp and AppArmor profiles have to allow unshare and mount";
}

async function read(runtime: Runtime, path: string): Promise<string> {
  return runtime.readFile(path).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => "",
  );
}

async function ownIds(runtime: Runtime): Promise<Ids | null> {
  const status = await read(runtime, "/proc/self/status");
  const [, user] = /^Uid:\s+\d+\s+(\d+)/m.exec(status) ?? [];
  const [, group] = /^Gid:\s+\d+\s+(\d+)/m.exec(status) ?? [];
  return user === undefined || group === undefined ? null : { user, group };
}

async function otherGroups(runtime: Runtime, { group }: Ids): Promise<string[]> {
  const [, listed = ""] = /^Groups:(.*)$/m.exec(await read(runtime, "/proc/self/status")) ?? [];
  const others = listed.split(/\s+/).filter((id) => id !== "" && id !== group);
  if (others.length === 0) return [];
  const names = new Map<string, string>();
  for (const line of (await read(runtime, "/etc/group")).split("\n")) {
    const [name, , id] = line.split(":");
    if (name !== undefined && id !== undefined) names.set(id, name);
  }
  return others.map((id) => names.get(id) ?? id);
}

/** In the user namespace of the command its ids are those outside, and it has no capability over the network. */
export function dropped({ user, group }: Ids): CommandLine {
  const namespace = ["unshare", "--user", `--map-user=${user}`, `--map-group=${group}`, "--"] as const;
  // Who is root outside is so inside, and would have every capability over what the further namespace owns: nothing, so far.
  const none = user === "0" ? ["--bounding-set=-all", "--inh-caps=-all"] : [];
  return [...namespace, "setpriv", "--no-new-privs", ...none, "--"];
}

async function succeeds(runtime: Runtime, command: CommandLine, tells: boolean): Promise<boolean> {
  const said = tells ? command : (["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...command] as const);
  return (await exitStatus(runtime, said, { PATH: runtime.env.PATH ?? "" }, TRIED_MS)) === 0;
}

/** Exit status of another program; 127 when it cannot be started. `withinMs`: after that it is killed. */
export async function exitStatus(
  runtime: Runtime,
  command: CommandLine,
  env: Readonly<Record<string, string>>,
  withinMs: number | null = null,
): Promise<number> {
  const child = await runtime.spawn(command, env);
  if (typeof child === "string") return 127;
  const timer = withinMs === null ? null : setTimeout(() => child.signal("SIGKILL"), withinMs);
  const { code } = await child.exited;
  if (timer !== null) clearTimeout(timer);
  return code ?? 1;
}
