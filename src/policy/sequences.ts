/** The `sequences:` section, compiled. What has happened of them is kept in sequence-state.ts. */
import { listOf, secondsOf } from "./_values.ts";
import { NO } from "./asked.ts";
import type { Condition } from "./condition.ts";
import { compilingAt, conditionsOf, type RuleContext } from "./rule.ts";
import type { SequenceEntry } from "./schema.ts";
import type { Per, Sequence, SequenceStep } from "./sequence-state.ts";

/** Who does not say gets sessions that no caller can choose: an agent's name is its own word. */
const DEFAULT_PER: readonly Per[] = ["tenant", "client"];

/** `index`: its place in the section of its file. Problems go to the context. */
export function compileSequence(entry: SequenceEntry, index: number, context: RuleContext): Sequence {
  const { id, verdict, other_host: otherHost = false } = entry;
  const per = listOf(entry.per);
  const last = entry.steps.length - 1;
  return {
    id,
    rule: `sequences.${id}`,
    windowMs: secondsOf(entry.within) * 1000,
    per: per.length === 0 ? DEFAULT_PER : per,
    steps: entry.steps.map((when, step) => ({
      matches: holding(conditionsOf(when, compilingAt(["sequences", index, "steps", step], id, context))),
      elsewhere: otherHost && step === last,
    })),
    verdict,
    shadow: context.shadow || entry.mode === "shadow",
    reason: entry.reason ?? `this request completes the sequence ${id}`,
    controls: listOf(entry.controls),
    readsBody: entry.steps.some((when) => Object.keys(when).some((key) => !OF_THE_HEAD.has(key))),
    definition: JSON.stringify(entry),
  };
}

const OF_THE_HEAD: ReadonlySet<string> = new Set([
  "hosts",
  "methods",
  "schemes",
  "paths",
  "query",
  "headers",
  "content_types",
  "agents",
  "parents",
  "tenants",
  "callers",
  "doors",
  "phases",
  "times",
  "findings",
]);

/** A sequence only forbids, so what cannot be told counts as what it looks for. */
function holding(conditions: readonly Condition[]): SequenceStep["matches"] {
  const tunnel = conditions.every((condition) => condition.tunnel);
  return (asked) =>
    (tunnel || asked.question.phase !== "tunnel") && conditions.every((condition) => condition.test(asked) !== NO);
}
