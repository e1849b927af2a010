import { expect, test } from "bun:test";
import { overLimit } from "../../src/decide/limits-refusal.ts";
import { claimsOf } from "../../src/limits/claims.ts";
import { BUDGETS } from "../../src/limits/schema.ts";
import { program, subject } from "../limits/_limits.ts";

const LIMIT = {
  id: "x",
  rate: { requests: 6, per: "1m", burst: 2 },
  concurrency: 3,
  bytes: { max: 100, per: "1d" },
  tokens: { max: 100, per: "1d" },
  money: { max: "2.50", currency: "EUR", per: "1d" },
  payment: { field: "$.a", currency: "USD", unit: "major", max: 9, per: "1d" },
};
const PRICES = [{ model: "m", currency: "EUR", input: 1, output: 1 }];
const CALL = { model: "m", inputTokens: 10, maxOutput: 20 };
const paying = { body: new TextEncoder().encode('{"a":7}'), contentType: "application/json", query: "" };

const { claims } = claimsOf(program([LIMIT], PRICES), subject({ call: CALL, bytes: 30, paying }));
const refused = (part: string) => {
  const claim = claims.find((each) => each.part === part);
  if (claim === undefined) throw new Error(part);
  return overLimit(claim, { value: 80, mark: 1, fits: false }, 0, "p");
};

test.each([
  ["bytes", "budget_exceeded", "80 bytes of 100 bytes in 1d are spent, and this would be up to 30 bytes;"],
  ["tokens", "budget_exceeded", "80 tokens of 100 tokens in 1d are spent, and this would be up to 30 tokens;"],
  ["money", "budget_exceeded", "0.00008 EUR of 2.50 EUR in 1d are spent, and this would be up to 0.00003 EUR;"],
  ["payment", "payment_ceiling", "0.00008 USD of 9.00 USD in 1d are spent, and this would be up to 7.00 USD;"],
  ["rate", "rate_limited", "more than a burst of 2 at a pace of 6 requests in 60 s"],
  ["concurrency", "rate_limited", "3 requests are under way already"],
])("%s that is spent is %s, in words of its own", (part, vector, words) => {
  const decision = refused(part);
  expect(decision).toMatchObject({ vector, rule: "limit: x", policyVersion: "p" });
  expect(decision.reason).toStartWith(`limit "x": ${words}`);
});

test("each budget was claimed", () => {
  expect(claims.map(({ part }): string => part).sort()).toEqual([...BUDGETS, "rate", "concurrency"].sort());
});
