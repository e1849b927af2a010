/**
 * `exec --sandbox`: the command lives in a network namespace of its own, in which there is nothing but loopback. There a
 * second process of this program listens on the gateway's port and carries each connection through a Unix socket to this
 * one, which hands it to the gateway. No root, no packet filter: unshare(1) makes a user namespace, in which the second
 * process may set up loopback, and a further one for the command, in which it may not.
 */
import { Fault } from "../errors.ts";
import type { Conn, DialTarget, Runtime } from "../runtime/contract.ts";

/** In the scratch folder of the run. */
const GATE = "gate";
const ALIVE = "alive";
const SOCKETS = "sockets";
/** Unix sockets with a path are in no network namespace. More than so many are not covered one by one. */
const MAX_SOCKETS = 4096;

type Command = readonly [string, ...string[]];

const OUTER = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--"] as const;

export interface Sandbox {
  /** What runs the command inside. */
  readonly command: Command;
  /** Tells the process inside to end the command, by force if need be: it alone can reach it whatever happens to us. */
  sever(): void;
}

/**
 * What the sandbox needs is listening when this resolves. Rejects with Fault `unsupported`, which names what is missing:
 * what was to be confined is not run otherwise.
 */
export async function sandboxed(
  runtime: Runtime,
  command: Command,
  { scratch, port }: { readonly scratch: string; readonly port: number },
): Promise<Sandbox> {
  if (runtime.platform !== "linux") throw lacking(`network namespaces are Linux's, and this is ${runtime.platform}`);
  const ids = await ownIds(runtime);
  await probe(runtime, ids);
  await runtime.writeNew(`${scratch}/${SOCKETS}`, await boundSockets(runtime), 0o600);
  await runtime.listenUnix(`${scratch}/${GATE}`, (conn) => carry(runtime, conn, { address: "127.0.0.1", port }));
  // Held open by the process inside: when we are gone, however that came about, it hears so.
  let severed = false;
  const held: Conn[] = [];
  await runtime.listenUnix(`${scratch}/${ALIVE}`, (conn) => {
    conn.handler = { data() {}, end: () => conn.end(), drain() {}, close() {} };
    if (severed) conn.destroy();
    else held.push(conn);
  });
  const inside = ["exec", "--inside", scratch, String(port), ids.user, ids.group];
  return {
    command: [...OUTER, ...runtime.ownCommand(), ...inside, ...command],
    sever() {
      severed = true;
      for (const conn of held) conn.destroy();
    },
  };
}

interface Ids {
  readonly user: string;
  readonly group: string;
}

/** Of files this process makes. */
async function ownIds(runtime: Runtime): Promise<Ids> {
  const status = new TextDecoder().decode(await runtime.readFile("/proc/self/status"));
  const [, user] = /^Uid:\s+\d+\s+(\d+)/m.exec(status) ?? [];
  const [, group] = /^Gid:\s+\d+\s+(\d+)/m.exec(status) ?? [];
  if (user === undefined || group === undefined) throw lacking("/proc/self/status tells no user");
  return { user, group };
}

/** In the user namespace of the command its ids are those outside, and it has no capability over the network. */
function dropped({ user, group }: Ids): Command {
  const namespace = ["unshare", "--user", `--map-user=${user}`, `--map-group=${group}`, "--"] as const;
  // Who is root outside is so inside, and would have every capability over what the further namespace owns: nothing, so far.
  const none = user === "0" ? ["--bounding-set=-all", "--inh-caps=-all"] : [];
  return [...namespace, "setpriv", "--no-new-privs", ...none, "--"];
}

/** Everything the real thing does, with `true` for the command. */
async function probe(runtime: Runtime, ids: Ids): Promise<void> {
  const env = { PATH: runtime.env.PATH ?? "" };
  const tried: readonly (readonly [Command, string])[] = [
    [["unshare", "--version"], "unshare (util-linux)"],
    [["setpriv", "--version"], "setpriv (util-linux)"],
    [["ip", "-V"], "ip (iproute2)"],
  ];
  for (const [command, name] of tried) {
    const [program, ...args] = command;
    if ((await status(runtime, ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", program, ...args], env)) !== 0)
      throw lacking(`there is no ${name} on the PATH`);
  }
  // What it says of why not goes to the standard error, which is where the user looks.
  if ((await status(runtime, [...OUTER, "ip", "link", "set", "lo", "up"], env)) !== 0) {
    const settings =
      "user.max_user_namespaces, kernel.unprivileged_userns_clone or kernel.apparmor_restrict_unprivileged_userns";
    throw lacking(`user namespaces cannot be made here, see ${settings} (a container needs to allow unshare, too)`);
  }
  if ((await status(runtime, [...OUTER, ...dropped(ids), "true"], env)) !== 0)
    throw lacking("a user namespace inside another cannot be made (util-linux 2.38 or newer is needed)");
}

async function status(runtime: Runtime, command: Command, env: Readonly<Record<string, string>>): Promise<number> {
  const child = await runtime.spawn(command, env);
  return typeof child === "string" ? 127 : ((await child.exited).code ?? 1);
}

/** Paths of the Unix sockets of this network namespace, one a line. */
async function boundSockets(runtime: Runtime): Promise<string> {
  const paths: string[] = [];
  for (const line of new TextDecoder().decode(await runtime.readFile("/proc/net/unix")).split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, path] = /^(?:\S+ +){6}\d+ (\/.*)$/.exec(line) ?? [];
    if (path !== undefined) paths.push(path);
  }
  const all = [...new Set(paths)];
  if (all.length > MAX_SOCKETS) throw lacking(`there are more than ${MAX_SOCKETS} Unix sockets to cover`);
  return all.map((path) => `${path}\n`).join("");
}

/**
 * Loopback, and nothing else: a service behind a Unix socket (a container engine, a session bus, an agent with keys) would
 * be a way out, so every socket that can be seen gets /dev/null mounted over it.
 */
const PREPARE = `
ip link set lo up || exit 1
{ cat "$1/${SOCKETS}"; find /run /var/run /tmp "\${XDG_RUNTIME_DIR:-/run}" -maxdepth 4 -type s 2>/dev/null; } | while IFS= read -r path; do
  case "$path" in "$1"/*) continue;; esac
  [ -S "$path" ] || continue
  mount --bind /dev/null "$path" || { echo "cannot cover $path" >&2; exit 1; }
done`;

/** The process inside. `args`: scratch folder, port, user, group, and the command. Resolves to the exit code. */
export async function runInside(runtime: Runtime, args: readonly string[]): Promise<number> {
  const [scratch = "", port = "", user = "", group = "", ...command] = args;
  const env = Object.fromEntries(
    Object.entries(runtime.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  if ((await status(runtime, ["sh", "-c", PREPARE, "sh", scratch], env)) !== 0)
    throw lacking("the namespace cannot be made ready");
  await runtime.listen({ host: "127.0.0.1", port: Number(port) }, (conn) =>
    carry(runtime, conn, { path: `${scratch}/${GATE}` }),
  );
  const { runChild, GRACE_MS } = await import("./_exec-child.ts");
  let lost = (): void => {};
  const gone = new Promise<void>((resolve) => {
    lost = resolve;
  });
  const alive = { path: `${scratch}/${ALIVE}` };
  await runtime.dial(alive, { data() {}, end: () => lost(), drain() {}, close: () => lost() }).conn;
  const running = runChild(runtime, [...dropped({ user, group }), ...command], env);
  void gone.then(() => running.kill(GRACE_MS));
  return (await running.ended).code;
}

/** Bytes both ways between a connection that came in and one that is dialled for it. */
export function carry(runtime: Pick<Runtime, "dial">, near: Conn, target: DialTarget): void {
  let far: Conn | null = null;
  const dialing = runtime.dial(target, {
    data(bytes) {
      if (!near.write(bytes)) far?.pause();
    },
    end: () => near.end(),
    drain: () => near.resume(),
    // What was written is still on its way to a peer that reads slowly.
    close: (error) => (error === null ? near.end() : near.reset()),
  });
  near.handler = {
    data(bytes) {
      if (far?.write(bytes) === false) near.pause();
    },
    end: () => far?.end(),
    drain: () => far?.resume(),
    close(error) {
      if (far === null) dialing.cancel();
      else if (error === null) far.destroy();
      else far.reset();
    },
  };
  near.pause();
  dialing.conn.then(
    (conn) => {
      far = conn;
      if (near.closed) conn.destroy();
      else near.resume();
    },
    () => near.reset(),
  );
}

function lacking(what: string): Fault {
  return new Fault("unsupported", `cannot confine the command: ${what}; nothing was run`);
}
