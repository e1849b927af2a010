import type { Runtime } from "../runtime/contract.ts";
import { nearest } from "../words/nearest.ts";
import { quote } from "../words/quote.ts";

/** sysexits(3) where it has a word for it. */
export const EXIT = { ok: 0, failed: 1, usage: 64, software: 70, config: 78 } as const;

export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** Name of its value in help; absent: it has none. */
  readonly value?: string;
  /** May be given more than once. */
  readonly repeat?: boolean;
  readonly doc: string;
}

export interface CommandSpec {
  /** As typed after `sallyport`, such as "keys generate". */
  readonly name: string;
  readonly summary: string;
  /** What follows the name in the usage line, such as "FILE|DIR|- [options]". */
  readonly usage: string;
  readonly options: readonly OptionSpec[];
  /** Fewest and most operands. */
  readonly operands: readonly [number, number];
  /** Paragraphs printed behind the options. */
  readonly notes?: string;
}

export interface Arguments {
  has(option: string): boolean;
  /** Value of an option, or null. */
  value(option: string): string | null;
  values(option: string): readonly string[];
  readonly operands: readonly string[];
}

const HELP: OptionSpec = { name: "help", doc: "print this" };

/** The arguments of a command; a number when it is over: help was printed (0) or the usage is wrong (64). */
export function readArgs(runtime: Runtime, spec: CommandSpec, args: readonly string[]): Arguments | number {
  const given = new Map<string, string[]>();
  const operands: string[] = [];
  const options = [...spec.options, HELP];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === "--") {
      operands.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const typed = equals === -1 ? arg : arg.slice(0, equals);
    const option = options.find(({ name }) => typed === `--${name}` || (name === "help" && typed === "-h"));
    if (option === undefined) {
      const near = nearest(
        typed,
        options.map(({ name }) => `--${name}`),
        "--",
      );
      return wrong(runtime, spec, `unknown option ${quote(typed)}${near === null ? "" : `, did you mean ${near}?`}`);
    }
    if (option.name === "help") {
      runtime.stdout(helpOf(spec));
      return EXIT.ok;
    }
    let value = equals === -1 ? "" : arg.slice(equals + 1);
    if (option.value === undefined && equals !== -1) return wrong(runtime, spec, `${typed} takes no value`);
    if (option.value !== undefined && equals === -1) {
      const next = args[++i];
      if (next === undefined) return wrong(runtime, spec, `${typed} needs a value: ${option.value}`);
      value = next;
    }
    const values = given.get(option.name) ?? [];
    if (values.length > 0 && option.repeat !== true) return wrong(runtime, spec, `${typed} is given twice`);
    given.set(option.name, [...values, value]);
  }
  const [fewest, most] = spec.operands;
  if (operands.length < fewest) return wrong(runtime, spec, "too few arguments");
  if (operands.length > most) return wrong(runtime, spec, `unexpected argument ${quote(operands[most] ?? "")}`);
  const values = (option: string): readonly string[] => given.get(option) ?? [];
  return { operands, values, has: (option) => given.has(option), value: (option) => values(option)[0] ?? null };
}

/** Says what is wrong with the command line and how it is used; answers the exit code. */
export function wrong(runtime: Runtime, spec: CommandSpec, problem: string): number {
  const name = `sallyport ${spec.name}`.trimEnd();
  runtime.stderr(`${name}: ${problem}\n${usageOf(spec)}\n`);
  return EXIT.usage;
}

function usageOf(spec: CommandSpec): string {
  return `usage: sallyport ${spec.name} ${spec.usage}`.trimEnd();
}

export function helpOf(spec: CommandSpec): string {
  const rows = [...spec.options, HELP].map(({ name, value, doc }): [string, string] => [
    value === undefined ? `--${name}` : `--${name} ${value}`,
    doc,
  ]);
  const text = `sallyport ${spec.name}: ${spec.summary}\n\n${usageOf(spec)}\n\n${columns(rows)}`;
  return spec.notes === undefined ? text : `${text}\n${spec.notes.trim()}\n`;
}

/** Two columns, indented, the first as wide as it needs to be. */
export function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}
