import { expect, test } from "bun:test";
import { lint } from "../../src/policy/lint.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import "./_ask.ts";

function inherited(...texts: readonly string[]): string[] {
  const sources = texts.map((text, index) => ({ name: `${index}.yaml`, text: `version: 1\n${text}` }));
  return lint(compilePolicy(sources), 0)
    .filter(({ code }) => code === "inherited")
    .map(({ at, message }) => `${at}: ${message}`);
}

const line = (at: string, index: number, host: string) =>
  `${at}: hosts.allow[${index}]: "${host}" changes nothing: rules.llm-providers of llm-only lets it through, and more than it; for these hosts alone say default: deny, and leave llm-only out`;

test("two providers named again leave all of them open, and that is told of each", () => {
  expect(inherited("extends: [llm-only]\nhosts: {allow: [api.openai.com, api.anthropic.com]}")).toEqual([
    line("0.yaml:3:17", 0, "api.openai.com"),
    line("0.yaml:3:33", 1, "api.anthropic.com"),
  ]);
});

test("one at a port, one below a name, and what another file extends", () => {
  expect(
    inherited("extends: llm-only", 'hosts: {allow: ["api.openai.com:443", a.openai.azure.com, .b.openai.azure.com]}'),
  ).toHaveLength(3);
});

test.each([
  "extends: [llm-only]\nhosts: {allow: [pypi.org, .openai.com, notapi.openai.com, 10.0.0.0/8]}",
  "extends: [deny-by-default]\nhosts: {allow: [api.openai.com]}",
  "extends: [pci]\nhosts: {allow: [api.openai.com]}",
  "default: deny\nhosts: {allow: [api.openai.com, api.anthropic.com]}",
  "default: deny\nextends: [llm-only]",
])("%s changes something, or extends no list", (text) => expect(inherited(text)).toEqual([]));

test("what is extended in shadow lets nothing through", () => {
  expect(inherited("extends: [llm-only]\nmode: shadow", "default: deny\nhosts: {allow: [api.openai.com]}")).toEqual([]);
});
