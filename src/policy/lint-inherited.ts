/** Entries of `hosts.allow` that an extended policy lets through anyway. */
import { quote } from "../words/quote.ts";
import { coveredBy } from "./_covering.ts";
import { listOf } from "./_values.ts";
import { namedPolicy } from "./named.ts";
import { compilePolicy, type Program } from "./program.ts";

/**
 * Lists of hosts add up: who extends one and names some of its hosts again most often means these and no others, and
 * has left all of them open.
 */
export function inherited({ files }: Program): { readonly at: string; readonly message: string }[] {
  const names = new Set(
    files.flatMap(({ sections }) => (sections?.mode === "shadow" ? [] : listOf(sections?.extends))),
  );
  const above = [...names].map((name) => ({ name, from: compilePolicy([{ name, text: namedPolicy(name) }]) }));
  return files.flatMap((file) =>
    file.lists["hosts.allow"].flatMap(({ text, where, at }) => {
      for (const { name, from } of above) {
        const by = coveredBy(from.allow, text) ?? coveredBy(from.allowRules, text);
        if (by === null) continue;
        const said = `${where}: ${quote(text)} changes nothing: ${by} of ${name} lets it through, and more than it`;
        return [{ at: at(), message: `${said}; for these hosts alone say default: deny, and leave ${name} out` }];
      }
      return [];
    }),
  );
}
