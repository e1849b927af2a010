import { expect, test } from "bun:test";
import { lint } from "../../src/policy/lint.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import "./_ask.ts";

function unknown(text: string): string[] {
  const program = compilePolicy([{ name: "p.yaml", text: `version: 1\ndefault: allow\n${text}` }]);
  return lint(program, 0)
    .filter(({ code }) => code === "unknown")
    .map(({ at, message }) => `${at}: ${message}`);
}

const rule = (when: string) => `rules:\n  - id: r\n    when: { ${when} }\n    verdict: deny\n`;

test.each([
  ["findings: { names: payment-crad }", "5:32", "payment-card"],
  ["findings: { names: [iban, opnai-api-key] }", "5:39", "openai-api-key"],
  ["findings: { names: instruction-overide }", "5:32", "instruction-override"],
  ["findings: { vectors: dlp_secrets }", "5:34", "dlp_secret"],
  ['findings: { vectors: "731" }', "5:34", "701"],
  ["findings: { pillars: coreguard }", "5:34", "CoreGuard"],
  ["not: { findings: { names: ibn } }", "5:39", "iban"],
])("%s: a name that nothing finds is told with its place and the nearest there is", (when, at, meant) => {
  const [said = "", ...more] = unknown(rule(when));
  expect(said).toStartWith(`p.yaml:${at}: `);
  expect(said).toEndWith(`did you mean ${meant}?`);
  expect(more).toEqual([]);
});

test("a pattern that fits nothing, and a name far from any, are told without a guess", () => {
  expect(unknown(rule('findings: { names: "opnai-*" }'))).toHaveLength(1);
  expect(unknown(rule("findings: { names: zzzzzzzzzzzz }"))[0]).toContain("docs/dlp.md");
});

test("in unless, sequences, named lists, dlp.allow and detect too", () => {
  const step = "{ findings: { names: payment-crad } }";
  const said = unknown(
    [
      "lists: { cards: [payment-card, payment-crad] }",
      "detect: { vectors: { '799': off } }",
      "dlp: { allow: { names: [ibn] } }",
      `sequences: [{ id: s, steps: [${step}, { class: write }], within: 1m, verdict: deny }]`,
      "rules:",
      "  - { id: a, when: { findings: { names: $cards } }, verdict: deny }",
      `  - { id: b, unless: ${step}, verdict: deny }`,
      "",
    ].join("\n"),
  );
  const places = said.map((line) => line.split(" ", 1)[0]);
  expect(places).toEqual(["p.yaml:3:32:", "p.yaml:9:43:", "p.yaml:6:51:", "p.yaml:5:25:", "p.yaml:4:22:"]);
});

test("what is found is not told: detectors, patterns and dictionaries of one's own, stars", () => {
  const dlp =
    "dlp: { patterns: { list: [{ name: ticket, regex: 'T-[0-9]+' }] }, dictionaries: { list: [{ name: plans, words: [x-ray] }] } }\n";
  for (const names of ["ticket", "plans", '"*"', '"openai-*"', "[iban, jwt, url-password, canary, data-in-host]"])
    expect(unknown(dlp + rule(`findings: { names: ${names} }`))).toEqual([]);
  expect(unknown(rule('findings: { vectors: ["706", "7*", dlp_personal], pillars: "128", min: 2 }'))).toEqual([]);
});
