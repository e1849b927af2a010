/** `sallyport policy`: works on policy files without running the gateway. */
import { namedPolicy } from "../policy/named.ts";
import { NAMED_POLICIES } from "../policy/schema.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { policyDiff } from "./_policy-diff.ts";
import { policyExplain } from "./_policy-explain.ts";
import { policyLint } from "./_policy-lint.ts";
import { policyTest } from "./_policy-test.ts";
import { runVerb } from "./_verbs.ts";

const GROUP: CommandSpec = {
  name: "policy",
  summary: "check, test, explain and compare policies",
  usage: "lint|test|explain|diff|show [options]",
  options: [],
  operands: [0, 0],
  notes: `
lint says what is wrong, test runs cases, explain says why a request or a certificate was decided as it was, diff says
what another policy would change, show prints a starting policy. Each has --help.`,
};

const SHOW: CommandSpec = {
  name: "policy show",
  summary: "print a starting policy",
  usage: "NAME",
  options: [],
  operands: [0, 1],
  notes: `
Without a NAME: the names there are. A policy file takes one in by its name, as in "extends: llm-only".`,
};

const VERBS = { lint: policyLint, test: policyTest, explain: policyExplain, diff: policyDiff, show };

export function runPolicy(runtime: Runtime, args: readonly string[]): Promise<number> {
  return runVerb(runtime, { group: GROUP, verbs: VERBS }, args);
}

function show(runtime: Runtime, args: readonly string[]): number {
  const parsed = readArgs(runtime, SHOW, args);
  if (typeof parsed === "number") return parsed;
  const [name] = parsed.operands;
  runtime.stdout(name === undefined ? `${NAMED_POLICIES.join("\n")}\n` : namedPolicy(name));
  return EXIT.ok;
}
