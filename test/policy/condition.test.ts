import { expect, test } from "bun:test";
import { sayRange } from "../../src/policy/condition.ts";
import { policy } from "./_ask.ts";

test.each([
  [5, undefined, "5 bytes or more"],
  [undefined, 10, "at most 10 bytes"],
  [0, 10, "from 0 to 10 bytes"],
  [5, 5, "from 5 to 5 bytes"],
  [undefined, undefined, "any"],
])("bounds %p and %p are told as %s", (min, max, said) => {
  expect(sayRange(min, max, " bytes")).toBe(said);
});

test("no condition of a policy is told with a bound that nobody wrote", () => {
  const rules = ["body: { min_bytes: 5 }", "tokens: { min: 7 }", "tokens: { max: 9 }"];
  const program = policy(rules.map((when, n) => `- { id: r${n}, verdict: deny, when: { ${when} } }`).join("\n"));
  const said = program.rules.flatMap((rule) => rule.conditions.map(({ says }) => says));
  expect(said).toEqual(["5 bytes or more", "7 or more", "at most 9"]);
});
