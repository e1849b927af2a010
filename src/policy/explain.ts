/** Why a program says what it says of a question: each rule, each condition. */
import { type Asked, NO, SOME, type Truth, UNKNOWN } from "./asked.ts";
import type { Condition } from "./condition.ts";
import { type PolicyRuling, rule } from "./evaluate.ts";
import { counts, holds } from "./holding.ts";
import type { Program } from "./program.ts";
import type { CompiledRule } from "./rule.ts";

export type Told = "no" | "unknown" | "some" | "yes";

export interface ExplainedCondition {
  /** `methods`, `not paths`. */
  readonly name: string;
  readonly says: string;
  readonly holds: Told;
  /** What the question has instead, or null. */
  readonly found: string | null;
}

export interface ExplainedRule {
  readonly rule: CompiledRule;
  readonly holds: Told;
  /** It counts: it holds, or it forbids and may hold. */
  readonly counts: boolean;
  readonly conditions: readonly ExplainedCondition[];
  /** Why it was not even asked, or null. */
  readonly aside: string | null;
}

export interface Explanation {
  readonly ruling: PolicyRuling;
  readonly rules: readonly ExplainedRule[];
}

/** Every rule is asked, those too that the index would pass over. */
export function explain(program: Program, asked: Asked): Explanation {
  const rules = program.rules.map((each): ExplainedRule => {
    const truth = holds(each, asked);
    const conditions = [
      ...each.conditions.map((condition) => explainedCondition(condition, asked, "")),
      ...each.exceptions.flatMap((list) => list.map((condition) => explainedCondition(condition, asked, "not "))),
    ];
    return { rule: each, holds: told(truth), counts: counts(each, truth), conditions, aside: asideOf(each, asked) };
  });
  return { ruling: rule(program, asked), rules };
}

function asideOf(each: CompiledRule, { question }: Asked): string | null {
  if (question.at >= each.expires) return `it has expired on ${new Date(each.expires).toISOString()}`;
  if (question.phase === "tunnel" && !each.tunnel) return "it asks for what a tunnel does not show";
  return null;
}

function explainedCondition(condition: Condition, asked: Asked, before: string): ExplainedCondition {
  return {
    name: `${before}${condition.name}`,
    says: condition.says,
    holds: told(condition.test(asked)),
    found: condition.found?.(asked) ?? null,
  };
}

function told(truth: Truth): Told {
  return truth === NO ? "no" : truth === UNKNOWN ? "unknown" : truth === SOME ? "some" : "yes";
}

/** Where the rule that a certificate names stands, and its text; null for `default`, or when there is no such rule here. */
export function placeOfRule(program: Program, name: string): { readonly at: string; readonly text: string } | null {
  const found = program.rules.find((each) => each.name === name);
  if (found !== undefined) return { at: found.at(), text: found.source() };
  for (const file of program.files) {
    const own = name.startsWith(`${file.name}: `) ? name.slice(file.name.length + 2) : name;
    for (const list of ["hosts.allow", "hosts.deny"] as const) {
      if (!own.startsWith(list)) continue;
      const entry = file.lists[list].find(({ where, text }) => own === `${where} ${text}`);
      if (entry !== undefined) return { at: entry.at(), text: entry.text };
    }
  }
  return null;
}
