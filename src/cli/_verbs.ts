/** A command whose first argument says which of several it is: `policy lint`, `keys generate`. */
import type { Runtime } from "../runtime/contract.ts";
import { nearest } from "../words/nearest.ts";
import { type CommandSpec, EXIT, helpOf, wrong } from "./_args.ts";

type Verbs = Readonly<Record<string, (runtime: Runtime, args: readonly string[]) => number | Promise<number>>>;

/** `verbs` in the order they are told. Resolves with the exit code. */
export async function runVerb(
  runtime: Runtime,
  { group, verbs }: { readonly group: CommandSpec; readonly verbs: Verbs },
  [verb, ...rest]: readonly string[],
): Promise<number> {
  if (verb !== undefined && Object.hasOwn(verbs, verb)) return verbs[verb]?.(runtime, rest) ?? EXIT.software;
  if (verb === "--help" || verb === "-h") {
    runtime.stdout(helpOf(group));
    return EXIT.ok;
  }
  const names = Object.keys(verbs);
  const near = verb === undefined ? null : nearest(verb, names);
  const said = `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
  return wrong(runtime, group, `say ${said}${near === null ? "" : `: did you mean ${near}?`}`);
}
