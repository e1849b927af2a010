import { UNLIMITED } from "../../src/detect/effort.ts";
import { SliceSize } from "../../src/detect/inspect.ts";
import { Engine, type Ruled } from "../../src/engine/engine.ts";
import type { Question } from "../../src/model/question.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { questionWith } from "../_question.ts";

export function engineOf(policy: string | null = null): Engine {
  return new Engine(policy === null ? null : compilePolicy([{ name: "policy.yaml", text: `version: 1\n${policy}` }]));
}

export function question(body: string | Uint8Array | null, over: Partial<Question> = {}): Question {
  const { body: _, ...rest } = over;
  return questionWith({
    path: "/v1/chat/completions",
    headers: [["content-type", "application/json"]],
    at: 1_700_000_000_000,
    ...rest,
    body: over.body === undefined ? body : over.body,
  });
}

/** Ruled on in one go, or slice by slice: a caller cannot tell which. */
export function rule(engine: Engine, asked: Question, layers: readonly Uint8Array[] = []): Ruled {
  const all = { question: asked, budget: UNLIMITED, unread: { url: true, headers: asked.headers }, layers };
  if (Engine.isShort(all, Number.POSITIVE_INFINITY)) return engine.rule(all);
  const steps = engine.ruleInSteps(all, new SliceSize());
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

export const chat = (...texts: string[]): string =>
  JSON.stringify({ model: "gpt-4o", messages: texts.map((content) => ({ role: "user", content })) });
