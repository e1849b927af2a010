import { Fault } from "../errors.ts";
import { lint, type Warning } from "../policy/lint.ts";
import { pastTunnels } from "../policy/lint-tunnels.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { loadPolicy, readText } from "./_policy-load.ts";

const SPEC: CommandSpec = {
  name: "policy lint",
  summary: "say what is wrong with a policy, and what is probably not meant",
  usage: "PATH [options]",
  options: [
    { name: "strict", doc: "exit 1 when there are warnings" },
    { name: "json", doc: "print a JSON object" },
  ],
  operands: [1, 1],
  notes: `
PATH is a file, a directory, or the name of a starting policy. Errors exit 78: a gateway would not start on such a
policy. Warnings are rules that decide nothing, hosts that are denied for good, conditions that never hold, findings
that nothing finds, lists that nobody uses, rules that have expired, hosts that an extended policy lets through anyway.
A note says what TLS tunnels go past where the gateway has no CA; it changes no exit code.`,
};

const MAX_CASES_BYTES = 4 * 1024 * 1024;

export async function policyLint(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const [path = ""] = parsed.operands;
  const json = parsed.has("json");
  let errors: readonly string[] = [];
  let warnings: readonly Warning[] = [];
  let version: string | null = null;
  let rules = 0;
  const notes: string[] = [];
  try {
    const program = await loadPolicy(runtime, path);
    version = program.version;
    rules = program.rules.length;
    warnings = lint(program, runtime.now());
    const note = pastTunnels(program);
    if (note !== null) notes.push(note);
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== "policy_invalid") throw thrown;
    errors = (await isCases(runtime, path)) ? [`${path}:1:1: ${CASES}`] : thrown.message.split("\n");
  }
  if (json) {
    runtime.stdout(`${JSON.stringify({ version, rules, errors: errors.map(placed), warnings, notes }, null, 2)}\n`);
  } else {
    for (const error of errors) runtime.stdout(`${error}\n`);
    for (const { at, message, code } of warnings) runtime.stdout(`${at}: warning: ${message} [${code}]\n`);
    // What is no slip is no data either: who counts lines counts what is to be mended.
    for (const note of notes) runtime.stderr(`sallyport policy lint: note: ${note}\n`);
    const what = version === null ? "" : `, ${counted(rules, "rule")}, ${version}`;
    runtime.stderr(
      `sallyport policy lint: ${counted(errors.length, "error")}, ${counted(warnings.length, "warning")}${what}\n`,
    );
  }
  if (errors.length > 0) return EXIT.config;
  return warnings.length > 0 && parsed.has("strict") ? EXIT.failed : EXIT.ok;
}

const CASES = "is a file of cases, not a policy: run them with sallyport policy test";

/** Cases are called so, and say so: a policy has no such key. */
async function isCases(runtime: Runtime, path: string): Promise<boolean> {
  if (!/\.test\.ya?ml$/.test(path)) return false;
  const text = await readText(runtime, path, MAX_CASES_BYTES).catch(() => "");
  return /^cases:/m.test(text);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function placed(line: string): { at: string | null; message: string } {
  const found = /^([^ ]+:[0-9]+:[0-9]+): (.*)$/.exec(line);
  return found === null ? { at: null, message: line } : { at: found[1] ?? null, message: found[2] ?? line };
}
