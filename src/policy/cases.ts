/** Cases beside a policy: requests, and what must be said of them. */
import { z } from "zod";
import { factsOf } from "../content/facts.ts";
import type { Finding } from "../model/finding.ts";
import type { Question } from "../model/question.ts";
import { problemsOf } from "./_problems.ts";
import { choice, many, strict } from "./_schema-parts.ts";
import type { PolicySource } from "./document.ts";
import { evaluateRules, type PolicyRuling } from "./evaluate.ts";
import type { Program } from "./program.ts";
import { VERDICTS } from "./schema.ts";
import { findingSchema, findingsOf, questionOf, requestSchema } from "./spoken-request.ts";
import { readTree } from "./tree.ts";
import { MAX_CONTROLS } from "./verdicts.ts";

const text = z.string({ error: "must be text: put it in quotes" });
const verdict = choice(VERDICTS);

const expectation = strict(
  {
    verdict,
    rule: text.optional(),
    would: verdict.optional(),
    controls: many(text, "a control", MAX_CONTROLS).optional(),
    /** Ids of rules that hold, among others. */
    matched: many(text, "an id", 64).optional(),
  },
  "must be a verdict, or a map that begins with verdict",
);

const caseSchema = strict(
  {
    name: text,
    request: requestSchema,
    findings: z.array(findingSchema, { error: "must be a list" }).max(1000).optional(),
    expect: z.union([verdict, expectation], { error: "must be a verdict, or a map that begins with verdict" }),
  },
  "must be a map of name, request, expect",
);

const casesSchema = strict(
  {
    /** The policy they are for, beside them; absent: every policy file beside them. */
    policy: text.optional(),
    cases: z.array(caseSchema, { error: "must be a list" }).min(1, "is an empty list").max(10_000),
  },
  "must be a map of policy and cases",
);

export interface PolicyCase {
  readonly name: string;
  readonly at: string;
  readonly run: (program: Program, now: number) => CaseResult;
}

export interface CaseResult {
  readonly question: Question;
  readonly findings: readonly Finding[];
  readonly ruling: PolicyRuling;
  /** What was expected and what came, where they differ. */
  readonly differences: readonly { readonly what: string; readonly expected: string; readonly got: string }[];
}

export interface PolicyCases {
  readonly policy: string | null;
  readonly cases: readonly PolicyCase[];
  /** One a line: `file:line:column: what`; then there are no cases. */
  readonly problems: readonly string[];
}

const MAX_BYTES = 4 * 1024 * 1024;

export function parseCases({ name, text: given }: PolicySource): PolicyCases {
  const none = { policy: null, cases: [] };
  const tree = given.length > MAX_BYTES ? `${name}:1:1: larger than ${MAX_BYTES} bytes` : readTree(name, given);
  if (typeof tree === "string") return { ...none, problems: tree.split("\n") };
  const checked = casesSchema.safeParse(tree.value);
  if (!checked.success || tree.problems.length > 0) {
    const wrong = checked.success ? [] : problemsOf(tree, casesSchema, checked.error.issues);
    return { ...none, problems: [...tree.problems, ...wrong] };
  }
  const problems: string[] = [];
  const cases = checked.data.cases.map((each, index): PolicyCase => {
    const place = (key: string): string => tree.at(["cases", index, ...key.split(".")]);
    const asked = questionOf(each.request, 0);
    if (typeof asked === "string") problems.push(`${place("request.url")}: cases[${index}].request: ${asked}`);
    return {
      name: each.name,
      at: tree.at(["cases", index]),
      run(program, now) {
        const question = questionOf(each.request, now);
        // Said above.
        if (typeof question === "string") throw new TypeError(question);
        const findings = findingsOf(each.findings ?? []);
        const ruling = evaluateRules(program, question, factsOf(question), findings);
        const wanted = typeof each.expect === "string" ? { verdict: each.expect } : each.expect;
        return { question, findings, ruling, differences: differencesOf(wanted, ruling) };
      },
    };
  });
  return problems.length > 0 ? { ...none, problems } : { policy: checked.data.policy ?? null, cases, problems };
}

function differencesOf(wanted: z.infer<typeof expectation>, ruling: PolicyRuling): CaseResult["differences"] {
  const found: { what: string; expected: string; got: string }[] = [];
  const compare = (what: string, expected: string | undefined, got: string): void => {
    if (expected !== undefined && expected !== got) found.push({ what, expected, got });
  };
  compare("verdict", wanted.verdict, ruling.verdict);
  // The id is enough.
  const rule = wanted.rule === ruling.rule.replace(/^rules\./, "") ? ruling.rule : wanted.rule;
  compare("rule", rule, ruling.rule);
  compare("would", wanted.would, ruling.would?.verdict ?? ruling.verdict);
  const list = (given: string | readonly string[]): readonly string[] => (typeof given === "string" ? [given] : given);
  for (const [what, all] of [
    ["controls", ruling.controls],
    ["matched", ruling.matched.map(({ rule: matched }) => matched.id)],
  ] as const) {
    const expected = wanted[what];
    if (expected === undefined) continue;
    const missing = list(expected).filter((each) => !all.includes(each));
    if (missing.length > 0) found.push({ what, expected: missing.join(", "), got: all.join(", ") || "none" });
  }
  return found;
}
