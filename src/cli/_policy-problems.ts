import type { Problem } from "../config/config.ts";
import type { Loaded } from "../config/load.ts";
import { Fault } from "../errors.ts";
import type { Runtime } from "../runtime/contract.ts";

const VARIABLE = "EVE_PROXY_POLICY";

/**
 * What is wrong in the policy, as problems of the configuration: an operator hears of both at once. The settings may be
 * unusable otherwise; nothing is said about a path that they already complain of.
 */
export async function policyProblems(runtime: Runtime, loaded: Loaded): Promise<Problem[]> {
  const path = loaded.ok ? loaded.config.policyPath : (runtime.env[VARIABLE] ?? null);
  if (path === null || (!loaded.ok && loaded.problems.some(({ variable }) => variable === VARIABLE))) return [];
  // The engine behind it takes longer to load than all the rest: not at a start without a policy.
  const { openPolicy } = await import("../decide/policy-files.ts");
  try {
    await openPolicy(runtime, path);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    const directory = (await runtime.stat(path).catch(() => null))?.directory === true;
    const before = directory ? `${path.replace(/\/+$/, "")}/` : path.slice(0, path.lastIndexOf("/") + 1);
    return thrown.message.split("\n").map((line) => {
      // A place in a file is made one that an editor opens; that the path is a policy's, the variable says.
      const placed = /^[^ :"]+:[0-9]+:[0-9]+: /.test(line);
      const problem = placed ? `${before}${line}` : line.replace(/^policy (?=")/, "");
      return { variable: VARIABLE, problem, hint: "correct it; docs/policy.md has the format" };
    });
  }
}
