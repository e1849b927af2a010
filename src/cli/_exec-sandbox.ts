/**
 * `exec --sandbox`: the command lives in a network namespace of its own, in which there is nothing but loopback. There a
 * second process of this program listens on the gateway's port and carries each connection through a Unix socket to this
 * one, which hands it to the gateway. No root, no packet filter: unshare(1) makes a user namespace, in which the second
 * process may set up loopback, and a further one for the command, in which it may not.
 */
import { Fault } from "../errors.ts";
import type { Conn, DialTarget, Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import {
  type CommandLine,
  GRACE_MS,
  NOT_EXECUTABLE,
  NOT_FOUND,
  notStarted,
  runChild,
  type TerminalUse,
} from "./_exec-child.ts";
import { canType } from "./_exec-terminal.ts";
import { dropped, exitStatus, OUTER, sandboxAbility } from "./_sandbox-ability.ts";

/** In the scratch folder of the run. */
const GATE = "gate";
const ALIVE = "alive";
const SOCKETS = "sockets";

export interface Sandbox {
  /** What runs the command inside. */
  readonly command: CommandLine;
  readonly terminal: TerminalUse;
  /** What it does not do, or does at a price. */
  readonly remarks: readonly string[];
  /** Tells the process inside to end the command, by force if need be: it alone can reach it whatever happens to us. */
  sever(): void;
}

/**
 * What the sandbox needs is listening when this resolves. Rejects with Fault `unsupported`, which names what is missing:
 * what was to be confined is not run otherwise.
 */
export async function sandboxed(
  runtime: Runtime,
  command: CommandLine,
  { scratch, port }: { readonly scratch: string; readonly port: number },
): Promise<Sandbox> {
  // What the programs say of why not goes to the standard error, which is where the user looks.
  const ability = await sandboxAbility(runtime, true);
  if ("what" in ability) throw lacking(`${ability.what}: ${ability.fix}`);
  const { ids, sockets, ungrouped, groups } = ability;
  const apart = await canType(runtime);
  await runtime.writeNew(`${scratch}/${SOCKETS}`, sockets.join("\0"), 0o600);
  await runtime.listenUnix(`${scratch}/${GATE}`, (conn) => carry(runtime, conn, { address: "127.0.0.1", port }));
  // Held open by the process inside: when we are gone, however that came about, it hears so.
  let severed = false;
  const held: Conn[] = [];
  await runtime.listenUnix(`${scratch}/${ALIVE}`, (conn) => {
    conn.handler = { data() {}, end: () => conn.end(), drain() {}, close() {} };
    if (severed) conn.destroy();
    else held.push(conn);
  });
  const inside = ["exec", "--inside", scratch, String(port), ids.user, ids.group, apart ? "none" : "ours"];
  const remarks: string[] = [];
  if (groups.length > 0)
    remarks.push(`the command keeps what your groups ${quote(groups.join(", "), 512)} may do: only root can drop them`);
  if (apart) remarks.push("the command has no controlling terminal, into which it could type (dev.tty.legacy_tiocsti)");
  const [program, ...rest] = [...ungrouped, ...OUTER];
  return {
    command: [program ?? OUTER[0], ...rest, ...runtime.ownCommand(), ...inside, ...command],
    terminal: apart ? "elsewhere" : "ours",
    remarks,
    sever() {
      severed = true;
      for (const conn of held) conn.destroy();
    },
  };
}

/**
 * Loopback, and nothing else: a service behind a Unix socket (a container engine, a session bus, an agent with keys) would
 * be a way out, so every socket that was found gets /dev/null mounted over it. The paths are the arguments.
 */
const PREPARE = `
ip link set lo up || exit 1
for path; do
  [ -S "$path" ] || continue
  mount --bind /dev/null "$path" || { echo "cannot cover $path" >&2; exit 1; }
done`;

/**
 * Whether the command can be started, by who will start it: of a program that starts another the words and the status would
 * be that program's own. The status is a shell's; what it is about is the argument.
 */
const LOOK = `
see() {
  [ -x "$1" ] && [ ! -d "$1" ] && exit 0
  [ -e "$1" ] && code=${NOT_EXECUTABLE}
}
code=${NOT_FOUND}
case $1 in
*/*) see "$1" ;;
*) IFS=:; set -f; for folder in $PATH; do see "\${folder:-.}/$1"; done ;;
esac
exit $code`;

/** The process inside. `args`: scratch folder, port, user, group, use of the terminal, and the command. Resolves to the exit code. */
export async function runInside(runtime: Runtime, args: readonly string[]): Promise<number> {
  const [scratch = "", port = "", user = "", group = "", terminal, ...command] = args;
  const env = Object.fromEntries(
    Object.entries(runtime.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const sockets = new TextDecoder().decode(await runtime.readFile(`${scratch}/${SOCKETS}`));
  const paths = sockets === "" ? [] : sockets.split("\0");
  if ((await exitStatus(runtime, ["sh", "-c", PREPARE, "sh", ...paths], env)) !== 0)
    throw lacking("the namespace cannot be made ready");
  await runtime.listen({ host: "127.0.0.1", port: Number(port) }, (conn) =>
    carry(runtime, conn, { path: `${scratch}/${GATE}` }),
  );
  const seen = await exitStatus(runtime, [...dropped({ user, group }), "sh", "-c", LOOK, "sh", command[0] ?? ""], env);
  if (seen === NOT_FOUND || seen === NOT_EXECUTABLE) {
    const why = seen === NOT_FOUND ? "not_found" : "not_executable";
    runtime.stderr(`sallyport exec: ${notStarted(command[0] ?? "", why)}\n`);
    return seen;
  }
  let lost = (): void => {};
  const gone = new Promise<void>((resolve) => {
    lost = resolve;
  });
  const alive = { path: `${scratch}/${ALIVE}` };
  await runtime.dial(alive, { data() {}, end: () => lost(), drain() {}, close: () => lost() }).conn;
  const running = runChild(
    runtime,
    [...dropped({ user, group }), ...command],
    env,
    terminal === "ours" ? "ours" : "none",
  );
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
