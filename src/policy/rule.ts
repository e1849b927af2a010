/** One rule, compiled. */
import { quote } from "../words/quote.ts";
import type { Path } from "./_problems.ts";
import type { Conditions } from "./_schema-when.ts";
import { listOf, secondsOf } from "./_values.ts";
import { bodyConditions } from "./_when-body.ts";
import { headConditions } from "./_when-head.ts";
import { otherConditions, parseInstant } from "./_when-other.ts";
import type { Compiling, Condition } from "./condition.ts";
import { listName, type ParsedRule, type PolicyEntry, unknownList } from "./document.ts";
import type { RuleEntry, RuleMode, RuleVerdict } from "./schema.ts";
import type { PolicyTree } from "./tree.ts";

export interface CompiledRule {
  /** Its place among all rules of the program. */
  readonly number: number;
  readonly id: string;
  /** As a certificate names it: `rules.no-uploads`. */
  readonly name: string;
  readonly file: string;
  readonly at: () => string;
  /** As it stands in its file. */
  readonly source: () => string;
  readonly verdict: RuleVerdict;
  readonly mode: RuleMode;
  /** Not null when the rule says it. */
  readonly reason: string | null;
  /** For whoever asked. */
  readonly message: string | null;
  readonly controls: readonly string[];
  readonly ttlS: number | null;
  /** Milliseconds since the epoch from which on the rule is no more. */
  readonly expires: number;
  /** Whether it holds for a request may change with nothing but the time. */
  readonly clocked: boolean;
  /** All must hold; cheap ones first. */
  readonly conditions: readonly Condition[];
  /** If all of one of these hold, the rule does not. */
  readonly exceptions: readonly (readonly Condition[])[];
  /** Every condition makes sense of a tunnel. */
  readonly tunnel: boolean;
  readonly entry: RuleEntry;
  /** The words of a condition with named lists put in. */
  readonly words: (key: keyof Conditions) => readonly string[];
}

/** What a file gives to the compiling of its rules. */
export interface RuleContext {
  readonly file: string;
  readonly tree: PolicyTree;
  readonly shadow: boolean;
  /** Over all files. */
  readonly lists: ReadonlyMap<string, readonly PolicyEntry[]>;
  readonly used: Set<string>;
  readonly problems: string[];
}

export function compileRule({ entry, index }: ParsedRule, number: number, context: RuleContext): CompiledRule {
  const { file, tree, problems } = context;
  const path: Path = ["rules", index];
  const when = entry.when ?? {};
  const compiling = compilingAt([...path, "when"], entry.id, context);
  const conditions = conditionsOf(when, compiling);
  const exceptions: Condition[][] = [];
  if (when.not !== undefined) {
    exceptions.push(conditionsOf(when.not, compilingAt([...path, "when", "not"], entry.id, context)));
  }
  if (entry.unless !== undefined) {
    exceptions.push(conditionsOf(entry.unless, compilingAt([...path, "unless"], entry.id, context)));
  }
  const expires = entry.expires === undefined ? Number.POSITIVE_INFINITY : parseInstant(entry.expires);
  if (Number.isNaN(expires)) {
    problems.push(
      `${tree.at([...path, "expires"])}: rule ${quote(entry.id)}: expires: ${quote(entry.expires ?? "")} is not a day or an instant`,
    );
  }
  return {
    number,
    id: entry.id,
    name: `rules.${entry.id}`,
    file,
    at: () => tree.at(path),
    source: () => tree.excerpt(path),
    verdict: entry.verdict,
    mode: context.shadow ? "shadow" : (entry.mode ?? "enforce"),
    reason: entry.reason ?? null,
    message: entry.message ?? null,
    controls: listOf(entry.controls),
    ttlS: entry.ttl === undefined ? null : secondsOf(entry.ttl),
    expires,
    clocked: readsClock(entry),
    conditions,
    exceptions,
    tunnel: [conditions, ...exceptions].every((list) => list.every((condition) => condition.tunnel)),
    entry,
    // What is wrong with them has been said when the condition was compiled.
    words: (key) =>
      compilingAt(path, entry.id, { ...context, problems: [] }).words(
        when[key] as string | readonly string[] | undefined,
        path,
      ),
  };
}

/** The conditions of a `when`, as sequences and limits use them too. */
export function conditionsOf(when: Conditions, compiling: Compiling): Condition[] {
  return [
    ...headConditions(when, compiling),
    ...bodyConditions(when, compiling),
    ...otherConditions(when, compiling),
  ].sort((a, b) => a.cost - b.cost);
}

export function compilingAt(path: Path, id: string, { tree, lists, used, problems }: RuleContext): Compiling {
  const said = (place: Path): string => `rule ${quote(id)}: ${String(place.slice(2).join("."))}`;
  return {
    path,
    problem: (place, what) => problems.push(`${tree.at(place)}: ${said(place)}: ${what}`),
    problemInside: (place, line, column, what) =>
      problems.push(`${tree.inside(place, line, column)}: ${said(place)}: ${what}`),
    words(given, place) {
      const words = listOf(given);
      if (!words.some((word) => word.startsWith("$"))) return words;
      return words.flatMap((word, i) => {
        const name = listName(word);
        if (name === null) return [word];
        used.add(name);
        const list = lists.get(name);
        if (list === undefined)
          problems.push(`${tree.at([...place, i])}: ${said([...place, i])}: ${unknownList(name)}`);
        return list?.map(({ text }) => text) ?? [];
      });
    },
  };
}

/** A text of CEL that only names a field `now` counts too: what is asked again is never wrong. */
function readsClock({ when, unless }: RuleEntry): boolean {
  const asks = [when, when?.not, unless];
  return asks.some((each) => each?.times !== undefined || (each?.cel !== undefined && /\bnow\b/.test(each.cel)));
}
