import { Fault, messageOf } from "../errors.ts";
import { parseCases } from "../policy/cases.ts";
import { type PolicySource, parsePolicy } from "../policy/document.ts";
import type { Program } from "../policy/program.ts";
import { policySchema } from "../policy/schema.ts";
import type { Runtime } from "../runtime/contract.ts";
import { quote } from "../words/quote.ts";
import { type CommandSpec, EXIT, readArgs, wrong } from "./_args.ts";
import { directoryOf, loadPolicy, readText } from "./_policy-load.ts";
import { notesOnFindings, notesOnLimits } from "./_policy-notes.ts";

const SPEC: CommandSpec = {
  name: "policy test",
  summary: "run the cases that stand beside a policy",
  usage: "PATH... [options]",
  options: [
    { name: "policy", value: "PATH", doc: "the policy to ask, instead of the one the cases name" },
    { name: "json", doc: "print a JSON object" },
  ],
  operands: [1, 64],
  notes: `
PATH is a file of cases (*.test.yaml), or a directory of them. Cases are for the file that their policy: names, or for
every policy file beside them. Rules are asked, not inspection, limits and sequences: where inspection would be more
severe than they are, a note says so. Exits 1 when a case fails, 78 when a file cannot be read.`,
};

const MAX_CASES_BYTES = 4 * 1024 * 1024;

interface Ran {
  readonly at: string;
  readonly name: string;
  readonly ok: boolean;
  readonly verdict: string;
  readonly rule: string;
  readonly reason: string;
  readonly differences: readonly { readonly what: string; readonly expected: string; readonly got: string }[];
  /** What the gateway does besides the rules. */
  readonly notes: readonly string[];
}

export async function policyTest(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const files: string[] = [];
  for (const path of parsed.operands) {
    const info = await runtime.stat(path).catch(() => null);
    if (info === null) return wrong(runtime, SPEC, `there is no ${quote(path)}`);
    if (!info.directory) files.push(path);
    else files.push(...(await casesIn(runtime, path)));
  }
  if (files.length === 0) return wrong(runtime, SPEC, "there is no *.test.yaml there");
  const ran: Ran[] = [];
  const problems: string[] = [];
  for (const file of files) await runFile(runtime, file, { policy: parsed.value("policy"), ran, problems });
  const failed = ran.filter(({ ok }) => !ok);
  if (parsed.has("json")) {
    runtime.stdout(
      `${JSON.stringify({ passed: ran.length - failed.length, failed: failed.length, problems, cases: ran }, null, 2)}\n`,
    );
  } else {
    for (const each of failed) {
      runtime.stdout(`FAIL ${each.at}: ${each.name}\n`);
      for (const { what, expected, got } of each.differences) {
        runtime.stdout(`  - ${what}: ${expected}\n  + ${what}: ${got}\n`);
      }
      runtime.stdout(`    by ${each.rule}: ${each.reason}\n`);
      for (const note of each.notes) runtime.stdout(`    note: ${note}\n`);
    }
    for (const { ok, at, name, notes } of ran) {
      if (ok) for (const note of notes) runtime.stdout(`${at}: note: ${name}: ${note}\n`);
    }
    for (const problem of problems) runtime.stdout(`${problem}\n`);
    runtime.stderr(`sallyport policy test: ${ran.length - failed.length} passed, ${failed.length} failed\n`);
  }
  return problems.length > 0 ? EXIT.config : failed.length > 0 ? EXIT.failed : EXIT.ok;
}

/** Whoever gives the policy wants its cases; what is wrong with it as a file of cases would not say so. */
function isPolicy(source: PolicySource): boolean {
  const { default: verdict, tree } = parsePolicy(source);
  const keys = typeof tree?.value === "object" && tree.value !== null ? Object.keys(tree.value) : [];
  return (
    !keys.includes("cases") && (verdict != null || keys.some((key) => key in policySchema.shape && key !== "policy"))
  );
}

function notCases(file: string): string {
  const cases = `${file.replace(/(?:\.test)?\.ya?ml$/, "")}.test.yaml`;
  return `${file}:1:1: is a policy, not cases for one: they stand in a file of their own, ${cases} (docs/policy.md); give that, or the directory`;
}

async function casesIn(runtime: Runtime, directory: string): Promise<string[]> {
  const names = await runtime.list(directory);
  return names
    .map((name) => name.slice(name.lastIndexOf("/") + 1))
    .filter((name) => /^[^.].*\.test\.ya?ml$/.test(name))
    .sort()
    .map((name) => `${directory.replace(/\/+$/, "")}/${name}`);
}

interface Running {
  readonly policy: string | null;
  readonly ran: Ran[];
  readonly problems: string[];
}

async function runFile(runtime: Runtime, file: string, { policy, ran, problems }: Running): Promise<void> {
  try {
    const text = await readText(runtime, file, MAX_CASES_BYTES);
    const parsed = parseCases({ name: file, text });
    if (parsed.problems.length > 0 && isPolicy({ name: file, text })) problems.push(notCases(file));
    else problems.push(...parsed.problems);
    if (parsed.problems.length > 0) return;
    const beside = directoryOf(file);
    const named =
      parsed.policy === null ? beside : parsed.policy.startsWith("/") ? parsed.policy : `${beside}/${parsed.policy}`;
    const program: Program = await loadPolicy(runtime, policy ?? named);
    for (const each of parsed.cases) {
      const { ruling, question, findings, differences } = each.run(program, runtime.now());
      const { verdict, rule, reason } = ruling;
      const ok = differences.length === 0;
      const notes = notesOnFindings(program, ruling, findings);
      // Of one that passes nobody asks what else there is: a limit on everything would be named by every case.
      if (!ok) notes.push(...(await notesOnLimits(program, ruling, question)));
      ran.push({ at: each.at, name: each.name, ok, verdict, rule, reason, differences, notes });
    }
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code !== "policy_invalid") throw thrown;
    problems.push(...messageOf(thrown).split("\n"));
  }
}
