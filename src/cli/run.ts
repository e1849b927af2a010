import { loadConfig } from "../config/load.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { policyProblems } from "./_policy-problems.ts";
import { problemList } from "./_problem-list.ts";

const SPEC: CommandSpec = {
  name: "run",
  summary: "the gateway",
  usage: "",
  options: [],
  operands: [0, 0],
  notes: `
Everything is configured by environment variables; see docs/configuration.md. To try it out:
  EVE_PROXY_DEV=1 sallyport run
  curl -x http://127.0.0.1:3128 http://example.com/

SIGTERM drains and ends it, SIGHUP reads the policy again, SIGUSR2 throws the kill switch.`,
};

/** Runs until it is told to end. */
export async function runRun(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const loaded = await loadConfig(runtime);
  const problems = [...(loaded.ok ? [] : loaded.problems), ...(await policyProblems(runtime, loaded))];
  if (!loaded.ok || problems.length > 0) {
    runtime.stderr(`sallyport run: the configuration has ${problemList(problems)}`);
    return EXIT.config;
  }
  const { startGateway } = await import("../run.ts");
  return startGateway(runtime, loaded.config, loaded.warnings);
}
