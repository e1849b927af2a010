/**
 * The command line. Its manners: data goes to stdout and nothing else does; diagnostics go to stderr and begin with the
 * program's name. A message says what failed, quotes what it was given, and tells what to do next; it has no full stop
 * and no colour, and it never repeats a secret. Exit codes: 0 done, 1 it failed, 64 wrong usage, 70 a defect of ours,
 * 78 a bad configuration.
 */
import { Fault, type FaultCode, messageOf } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";
import { nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";
import { columns, EXIT } from "./_args.ts";

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Loads the command on demand: a health check every few seconds must not pay for the gateway. */
  load(): Promise<(runtime: Runtime, args: readonly string[]) => Promise<number>>;
}

const CONFIG_FAULTS: readonly FaultCode[] = [
  "config_invalid",
  "key_invalid",
  "key_missing",
  "certificate_invalid",
  "policy_invalid",
];

/** Runs the command the arguments name, `run` when they name none. Resolves to the exit code, never rejects. */
export async function runCli(runtime: Runtime, commands: readonly Command[]): Promise<number> {
  const [first, ...rest] = runtime.args;
  if (first === "--help" || first === "-h") return help(runtime, commands, []);
  if (first === "help") return help(runtime, commands, rest);
  const bare = first === undefined || first.startsWith("-");
  const name = first === "--version" || first === "-V" ? "version" : bare ? "run" : first;
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) return unknown(runtime, commands, name);
  try {
    return await (await command.load())(runtime, name === "run" && bare ? runtime.args : rest);
  } catch (thrown) {
    runtime.stderr(`sallyport ${name}: ${messageOf(thrown)}\n`);
    if (!(thrown instanceof Fault)) return EXIT.software;
    return thrown.code === "usage" ? EXIT.usage : CONFIG_FAULTS.includes(thrown.code) ? EXIT.config : EXIT.failed;
  }
}

async function help(runtime: Runtime, commands: readonly Command[], topic: readonly string[]): Promise<number> {
  const [name, ...rest] = topic;
  if (name !== undefined) {
    const command = commands.find((candidate) => candidate.name === name);
    return command === undefined
      ? unknown(runtime, commands, name)
      : (await command.load())(runtime, [...rest, "--help"]);
  }
  const rows = commands.map((command) => [command.name, command.summary] as const);
  runtime.stdout(
    "sallyport: the guarded exit that AI traffic cannot route around\n\n" +
      `usage: sallyport [COMMAND] [options]\n\n${columns([...rows, ["help", "this, or help COMMAND"]])}\n` +
      "Without a command: run. Every command has --help.\n",
  );
  return EXIT.ok;
}

function unknown(runtime: Runtime, commands: readonly Command[], name: string): number {
  const near = nearest(name, [...commands.map((command) => command.name), "help"]);
  const hint = near === null ? "see sallyport help" : `did you mean ${near}?`;
  runtime.stderr(`sallyport: unknown command ${quote(name)}, ${hint}\n`);
  return EXIT.usage;
}
