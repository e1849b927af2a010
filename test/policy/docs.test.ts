import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { celFields, celRoots } from "../../src/policy/_cel-bindings.ts";
import { CONDITION_NAMES } from "../../src/policy/_schema-when.ts";
import { parseCases } from "../../src/policy/cases.ts";
import { policyJsonSchema } from "../../src/policy/json-schema.ts";
import { lint } from "../../src/policy/lint.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { NAMED_POLICIES, policySchema } from "../../src/policy/schema.ts";
import "./_ask.ts";

const page = readFileSync(new URL("../../docs/policy.md", import.meta.url), "utf8");
const NOW = Date.parse("2026-03-04T12:00:00Z");

const blocks = [...page.matchAll(/```yaml( test)?\n([\s\S]*?)```/g)].map(([, cases, text]) => ({
  cases: cases !== undefined,
  text: text ?? "",
}));

test.each(blocks.filter(({ cases }) => !cases).map(({ text }) => [text]))(
  "the example compiles and lint is silent: %s",
  (text) => {
    expect(lint(compilePolicy([{ name: "example.yaml", text }]), NOW)).toEqual([]);
  },
);

test("the cases pass against the policy they stand beside", () => {
  const [example] = blocks.filter(({ text }) => text.includes("id: no-uploads"));
  const program = compilePolicy([{ name: "policy.yaml", text: example?.text ?? "" }]);
  const { cases, problems } = parseCases({
    name: "x.test.yaml",
    text: blocks.find((block) => block.cases)?.text ?? "",
  });
  expect(problems).toEqual([]);
  expect(cases).toHaveLength(2);
  for (const each of cases) expect(each.run(program, NOW).differences).toEqual([]);
});

test("every section, condition, starting policy and name of CEL is on the page", () => {
  const words = [...Object.keys(policySchema.shape), ...CONDITION_NAMES, ...NAMED_POLICIES];
  for (const word of [...words, ...Object.keys(celRoots), ...Object.values(celFields).flat()]) {
    expect(page).toMatch(new RegExp(`[\`"\\n ]${word}[\`: (]`));
  }
});

test("the schema for editors is published", () => {
  const published: unknown = JSON.parse(
    readFileSync(new URL("../../docs/policy.schema.json", import.meta.url), "utf8"),
  );
  expect(published).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())));
});
