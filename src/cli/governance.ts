import { loadPlaneConfig } from "../config/plane.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type CommandSpec, EXIT, readArgs } from "./_args.ts";
import { problemList } from "./_problem-list.ts";

const SPEC: CommandSpec = {
  name: "governance",
  summary: "the governance plane: the engine behind the decision API",
  usage: "",
  options: [],
  operands: [0, 0],
  notes: `
Everything is configured by environment variables; see docs/configuration.md and docs/governance.md. To try it out:
  EVE_PROXY_DEV=1 sallyport governance
  EVE_PROXY_DEV=1 EVE_PROXY_GOVERNANCE_URL=http://127.0.0.1:3129 sallyport run

SIGTERM drains and ends it, SIGHUP reads tenants and policies again.`,
};

/** Runs until it is told to end. */
export async function runGovernance(runtime: Runtime, args: readonly string[]): Promise<number> {
  const parsed = readArgs(runtime, SPEC, args);
  if (typeof parsed === "number") return parsed;
  const loaded = await loadPlaneConfig(runtime);
  if (!loaded.ok) {
    runtime.stderr(`sallyport governance: the configuration has ${problemList(loaded.problems)}`);
    return EXIT.config;
  }
  const { servePlane } = await import("../plane/plane.ts");
  return servePlane(runtime, loaded.config, loaded.warnings);
}
