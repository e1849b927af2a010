/** Runs a program to its end: signals are passed on to it, and its end is told as a shell would. */
import type { Child, NotStarted, Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { ownTerminal } from "./_exec-terminal.ts";

/** As of a shell (POSIX, 2.8.2). */
export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;
const KILLED = 128;
/** How long a program may take to obey before it is killed. */
export const GRACE_MS = 2_000;

export interface Ran {
  /** What a shell would say in `$?`. */
  readonly code: number;
  readonly signal: string | null;
  /** Null when it ran. */
  readonly refused: NotStarted | null;
}

/** What the user is told of a program that was not run. */
export function notStarted(program: string, why: NotStarted): string {
  return `${quote(program, 512)} ${why === "not_found" ? "is not to be found" : "cannot be executed"}`;
}

export interface Running {
  readonly ended: Promise<Ran>;
  /** Ends it, by force if it has not obeyed after so many milliseconds. */
  kill(graceMs: number): void;
}

export type CommandLine = readonly [string, ...string[]];

const SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;
type Signal = (typeof SIGNALS)[number];
const no = Promise.resolve(false);

/**
 * How a program is to the terminal. `ours`: in our process group, so that keys reach it. `none`: in a session of its own
 * without a terminal, the standard streams may be one nevertheless; we tell it of keys and of a new size. `elsewhere`: one
 * that we start does that for another, and we only are not to be stopped before it.
 */
export type TerminalUse = "ours" | "none" | "elsewhere";

/** Until it ends signals to this process are the program's. `ended` rejects with Fault `spawn_failed`. */
export function runChild(
  runtime: Runtime,
  command: CommandLine,
  env: Readonly<Record<string, string>>,
  terminal: TerminalUse = "ours",
): Running {
  let child: Child | null = null;
  let over = false;
  const waiting: Signal[] = [];
  const pass = (name: Signal): void => {
    if (over) return;
    if (child === null) waiting.push(name);
    else child.signal(name);
  };
  const kill = (graceMs: number): void => {
    pass("SIGTERM");
    setTimeout(() => (over ? undefined : child?.signal("SIGKILL")), graceMs);
  };
  // As the terminal would have told it: the whole group, which has the number of its leader.
  const tell = (name: Signal | "SIGWINCH"): void => {
    if (over || child === null) return;
    const script = 'kill -s "$1" -- "-$2"';
    void runtime
      .spawn(["sh", "-c", script, "sh", name.slice(3), String(child.pid)], { PATH: runtime.env.PATH ?? "" })
      .catch(() => {});
  };
  const run = async (): Promise<Ran> => {
    const ignored = await ignoredFromStart(runtime);
    for (const name of SIGNALS) {
      if (ignored.includes(name)) continue;
      // A terminal sends its keys' to the whole process group: passed on, the program would get them twice, and many take
      // the second as an order to drop everything.
      const key = name === "SIGINT" || name === "SIGQUIT";
      if (key && terminal === "none") {
        runtime.onSignal(name, () => (child === null ? pass(name) : tell(name)));
        continue;
      }
      runtime.onSignal(
        name,
        () => void (key ? inForeground(runtime) : no).then((told) => (told ? undefined : pass(name))),
      );
    }
    // Nobody could stop it with us, and stopped we could not carry what it sends.
    if (terminal !== "ours") runtime.onSignal("SIGTSTP", () => {});
    if (terminal === "none") runtime.onSignal("SIGWINCH", () => tell("SIGWINCH"));
    const line: CommandLine = terminal === "none" ? ["setsid", "--wait", ...command] : command;
    const started = await runtime.spawn(ignoring(ignored, line), env);
    if (started === "not_found") return { code: NOT_FOUND, signal: null, refused: started };
    if (started === "not_executable") return { code: NOT_EXECUTABLE, signal: null, refused: started };
    child = started;
    for (const name of waiting.splice(0)) child.signal(name);
    const { code, signal } = await started.exited;
    over = true;
    const number = signal === null ? null : runtime.signalNumber(signal);
    return { code: code ?? KILLED + (number ?? 0), signal, refused: null };
  };
  return { ended: run(), kill };
}

/** Whether this process group is the one its terminal's keys are for. */
async function inForeground(runtime: Runtime): Promise<boolean> {
  try {
    return (await ownTerminal(runtime)).foreground;
  } catch {
    return runtime.stderrIsTerminal || runtime.stdoutIsTerminal;
  }
}

/** Those that whoever started us wants ignored: nohup, or a shell that put us into the background. */
async function ignoredFromStart(runtime: Runtime): Promise<readonly Signal[]> {
  try {
    const status = new TextDecoder().decode(await runtime.readFile("/proc/self/status"));
    const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
    return SIGNALS.filter((name) => (mask >> BigInt((runtime.signalNumber(name) ?? 1) - 1)) & 1n);
  } catch {
    return [];
  }
}

/** Not every runtime starts a program with what was ignored still ignored; a shell does. */
function ignoring(signals: readonly Signal[], command: CommandLine): CommandLine {
  if (signals.length === 0) return command;
  const names = signals.map((name) => name.slice(3)).join(" ");
  return ["sh", "-c", `trap '' ${names}; exec "$@"`, "sh", ...command];
}
