import { factsOf } from "../../src/content/facts.ts";
import type { Finding } from "../../src/model/finding.ts";
import type { Question } from "../../src/model/question.ts";
import { loadEngines } from "../../src/policy/engines.ts";
import { evaluateRules, type PolicyRuling } from "../../src/policy/evaluate.ts";
import { compilePolicy, type Program } from "../../src/policy/program.ts";
import { type Questioning, questionWith } from "../_question.ts";

await loadEngines([{ name: "", text: "cel regex" }]);

export type Asking = Questioning;

export function question(given: Asking = {}): Question {
  const at = Date.parse("2026-03-04T12:00:00Z");
  return questionWith({ org: "acme", caller: "test", method: "GET", at, ...given });
}

export function json(value: unknown, given: Asking = {}): Asking {
  return {
    method: "POST",
    headers: [["content-type", "application/json"]],
    ...given,
    body: typeof value === "string" ? value : JSON.stringify(value),
  };
}

export function finding(given: Partial<Finding> = {}): Finding {
  return {
    pillar: "CoreGuard",
    vector: "dlp_personal",
    name: "payment-card",
    severity: "high",
    view: "plain",
    where: "body",
    start: 0,
    end: 4,
    reason: "a card number",
    ...given,
  };
}

/** A policy of these rules, in YAML without the key; `default: allow` unless it says otherwise. */
export function policy(rules: string, rest = "default: allow"): Program {
  const indented = rules.replace(/^/gm, "  ");
  return compilePolicy([
    { name: "p.yaml", text: `version: 1\n${rest}\n${rules === "" ? "" : `rules:\n${indented}\n`}` },
  ]);
}

export function ask(program: Program, asking: Asking = {}, findings: readonly Finding[] = []): PolicyRuling {
  const asked = question(asking);
  return evaluateRules(program, asked, factsOf(asked), findings);
}

/** What a rule with this `when` does: `deny` when it matches. */
export function denies(when: string, asking: Asking = {}, findings: readonly Finding[] = []): boolean {
  return ask(policy(`- { id: r, when: ${when}, verdict: deny }`), asking, findings).verdict === "deny";
}

/** What an allow rule with this `when` lets through, the default being deny. */
export function allows(when: string, asking: Asking = {}, findings: readonly Finding[] = []): boolean {
  const program = policy(`- { id: r, when: ${when}, verdict: allow }`, "default: deny");
  return ask(program, asking, findings).verdict === "allow";
}
