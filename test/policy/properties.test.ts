import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseDocument } from "yaml";
import { factsOf } from "../../src/content/facts.ts";
import type { Finding } from "../../src/model/finding.ts";
import { Asked } from "../../src/policy/asked.ts";

import { explain } from "../../src/policy/explain.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { VERDICT_RANK } from "../../src/policy/verdicts.ts";
import { spentMs } from "../_spent.ts";
import { type Asking, ask, finding, json, policy, question } from "./_ask.ts";

setDefaultTimeout(60_000);

/** Numbers that look random and are the same every time. */
function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const CONDITIONS = [
  "hosts: [a.test, .b.test, 192.0.2.0/24]",
  "hosts: '*:8080'",
  "methods: [POST, PUT]",
  "class: write",
  "paths: [/v1/**, '/a*/b']",
  "paths: /v1/files/**",
  "agents: 'ci-*'",
  "tenants: acme",
  "models: 'gpt-*'",
  "tools: [shell, 'run-*']",
  "tool_calls: { names: 'run-*', contains: rm }",
  "dialects: 'openai-*'",
  "operations: chat",
  "stream: false",
  "max_tokens: { min: 10 }",
  "images: { max: 0 }",
  "files: { max: 0 }",
  "headers: { x-a: '1*' }",
  "headers: { x-a: { present: false } }",
  "query: { q: b }",
  'json: { "$.model": { glob: "gpt*" } }',
  "findings: { vectors: dlp_personal }",
  "cel: 'request.port == 443'",
  "cel: 'json.model == \"gpt-4\"'",
  "body: { min_bytes: 5 }",
  "times: { days: [mon, wed] }",
  "phases: request",
];
const VERDICTS = ["allow", "deny", "sanitize", "approval_needed"];

function randomRule(pick: (below: number) => number, id: string, verdict?: string): string {
  const chosen = new Map<string, string>();
  for (let i = pick(3); i >= 0; i--) {
    const condition = CONDITIONS[pick(CONDITIONS.length)] as string;
    chosen.set(condition.split(":")[0] as string, condition);
  }
  const not = pick(4) === 0 ? `, not: { ${CONDITIONS[pick(CONDITIONS.length)]} }` : "";
  const mode = pick(5) === 0 ? ", mode: shadow" : "";
  return `- { id: ${id}, when: { ${[...chosen.values()].join(", ")}${not} }, verdict: ${verdict ?? VERDICTS[pick(4)]}${mode} }`;
}

const BODIES = [null, "", "{", '{"model":"gpt-4"}', '{"model":"x","model":"gpt-4","messages":[]}', "plain text"];
const PATHS = ["/", "/v1/files", "/v1/x/../files/1", "/a1/b", "/V1/files", "/%761/files", "/v1%2ffiles"];

function randomQuestion(pick: (below: number) => number): [Asking, Finding[]] {
  const one = <T>(list: readonly T[]): T => list[pick(list.length)] as T;
  const host = one(["a.test", "x.b.test", "192.0.2.9", "other.test"]);
  const asking: Asking = {
    host,
    literal: host.startsWith("192"),
    port: one([443, 8080]),
    method: one(["GET", "POST", "PUT", "DELETE"]),
    path: one(PATHS),
    agent: one([null, "ci-1", "dev"]),
    org: one(["acme", "other"]),
    headers: one([
      [],
      [["x-a", "12"]],
      [
        ["x-a", "12"],
        ["X-A", "2"],
      ],
      [["content-type", "application/json"]],
    ]) as Asking["headers"] & {},
    query: one([[], [["q", "b"]]]) as Asking["query"] & {},
    body: one(BODIES),
  };
  return [asking, pick(2) === 0 ? [] : [finding()]];
}

describe("over random rules and questions", () => {
  test("another deny rule never turns a veto into an allow, another allow never makes it more severe", () => {
    const pick = seeded(7);
    for (let round = 0; round < 60; round++) {
      const rules = Array.from({ length: 1 + pick(6) }, (_, i) => randomRule(pick, `r${i}`));
      const rest = ["default: allow", "default: deny", "default: deny\naccess: { reads: open }"][pick(3)] as string;
      const before = policy(rules.join("\n"), rest);
      const denying = policy([...rules, randomRule(pick, "more", "deny")].join("\n"), rest);
      const allowing = policy([...rules, randomRule(pick, "more", "allow")].join("\n"), rest);
      for (let i = 0; i < 20; i++) {
        const [asking, findings] = randomQuestion(pick);
        const was = VERDICT_RANK[ask(before, asking, findings).verdict];
        expect(VERDICT_RANK[ask(denying, asking, findings).verdict]).toBeGreaterThanOrEqual(was);
        expect(VERDICT_RANK[ask(allowing, asking, findings).verdict]).toBeLessThanOrEqual(Math.max(was, 1));
      }
    }
  });

  test("the index leaves out no rule that holds, and a ruling is the same every time", () => {
    const pick = seeded(11);
    for (let round = 0; round < 25; round++) {
      const program = policy(Array.from({ length: 30 }, (_, i) => randomRule(pick, `r${i}`)).join("\n"));
      for (let i = 0; i < 25; i++) {
        const [asking, findings] = randomQuestion(pick);
        const asked = question(asking);
        const { rules, ruling } = explain(program, new Asked(asked, factsOf(asked), findings));
        const holding = rules.filter(({ counts }) => counts).map(({ rule }) => rule.id);
        expect(ruling.matched.map(({ rule }) => rule.id)).toEqual(holding);
        const again = ask(program, asking, findings);
        expect([again.verdict, again.rule, again.reason]).toEqual([ruling.verdict, ruling.rule, ruling.reason]);
      }
    }
  });

  test("what hosts.deny denies no rule lets through", () => {
    const pick = seeded(13);
    for (let round = 0; round < 50; round++) {
      const rules = Array.from({ length: 5 }, (_, i) => randomRule(pick, `r${i}`, "allow"));
      const program = policy(rules.join("\n"), "default: allow\nhosts: { deny: [a.test] }");
      const [asking, findings] = randomQuestion(pick);
      expect(ask(program, { ...asking, host: "a.test", literal: false }, findings).verdict).toBe("deny");
    }
  });
});

describe("big policies", () => {
  test("ten thousand hosts", () => {
    const hosts = Array.from({ length: 10_000 }, (_, i) => `    - h${i}.zone${i % 9}.test\n`).join("");
    const text = `version: 1\ndefault: deny\nhosts:\n  allow:\n${hosts}`;
    const best = (run: () => void): number =>
      Math.min(
        ...Array.from({ length: 5 }, () => {
          const start = spentMs();
          run();
          return spentMs() - start;
        }),
      );
    // The goal is 50 ms on a machine that does nothing else, where the YAML parser alone takes a hundred for this text.
    const compiling = best(() => compilePolicy([{ name: "p.yaml", text }]));
    expect(compiling).toBeLessThan(0.7 * best(() => parseDocument(text)));
    const program = compilePolicy([{ name: "p.yaml", text }]);
    expect(ask(program, { host: "h9999.zone0.test" })).toMatchObject({
      verdict: "allow",
      rule: "hosts.allow[9999] h9999.zone0.test",
    });
    expect(ask(program, { host: "h10000.zone0.test" }).verdict).toBe("deny");
  });

  test("of a thousand rules as many are asked as of ten", () => {
    const rules = (count: number) =>
      policy(
        Array.from(
          { length: count },
          (_, i) =>
            [
              `- { id: r${i}, when: { hosts: h${i}.test, methods: POST }, verdict: deny }`,
              `- { id: r${i}, when: { hosts: api.test, paths: /v${i}/** }, verdict: deny }`,
              `- { id: r${i}, when: { hosts: api.test, agents: agent-${i} }, verdict: deny }`,
              `- { id: r${i}, when: { hosts: api.test, models: 'model-${i}-*' }, verdict: deny }`,
              `- { id: r${i}, when: { methods: POST, tools: tool-${i} }, verdict: deny }`,
            ][i % 5],
        ).join("\n"),
      );
    const asked = (count: number): number => {
      const { index } = rules(count);
      const asking = question(
        json({ model: "model-3-x", messages: [] }, { host: "api.test", path: "/v1/chat/completions" }),
      );
      return index.candidates(new Asked(asking, factsOf(asking), [])).length;
    };
    expect(asked(1000)).toBeLessThanOrEqual(asked(10) + 1);
  });
});
