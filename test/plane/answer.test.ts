/** What a plane answers is what a relay can read, or nothing. */
import { expect, test } from "bun:test";
import { decisionAnswerSchema } from "../../src/decide/governance-schema.ts";
import { rulingOf } from "../../src/decide/plane-answer.ts";
import { ruling } from "../../src/engine/ruling.ts";
import type { Finding } from "../../src/model/finding.ts";
import { answerOf, type LimitedRuling } from "../../src/plane/answer.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { questionWith } from "../_question.ts";

const FINDING: Finding = {
  pillar: "CoreGuard",
  vector: "dlp_pii",
  name: "email",
  severity: "low",
  view: "plain",
  where: "body",
  start: 3,
  end: 9,
  reason: "an e-mail address",
};

const answered = (ruled: LimitedRuling) =>
  answerOf({ id: "req_0", question: questionWith({}) }, ruled, { runtime, key: null, tenant: "default" });

test.each<[string, LimitedRuling]>([
  [
    "more controls than there is room for",
    ruling("allow", "r", { controls: Array.from({ length: 65 }, (_, n) => `C-${n}`) }),
  ],
  ["a control that is too long", ruling("allow", "r", { controls: ["C".repeat(65)] })],
  [
    "more findings than there is room for",
    ruling("allow", "r", { findings: Array.from({ length: 65 }, () => FINDING) }),
  ],
  ["a finding before the part begins", ruling("allow", "r", { findings: [{ ...FINDING, start: -1 }] })],
  ["a limit that refuses what is allowed", { ...ruling("allow", "r"), limit: { status: 429, fields: [] } }],
  ["limits that are open for what is denied", { ...ruling("deny", "r"), limit: { mode: "degraded" } }],
  ["a token that is too long", { ...ruling("allow", "r"), settle: { token: "x".repeat(10_000), usage: false } }],
])("a ruling with %s is no answer", async (_, ruled) => {
  await expect(answered(ruled)).rejects.toThrow();
});

test("long texts and halves of surrogate pairs are mended, and what is sent can be read", async () => {
  const findings = [{ ...FINDING, where: `header ${"x".repeat(300)}`, reason: "\ud800" }];
  const response = await answered(ruling("deny", `${"x".repeat(4094)}\u{1f600}y`, { rule: "r\udc00", findings }));
  const answer = decisionAnswerSchema.parse(await response.json());
  const read = rulingOf(answer, null).ruling;
  expect([read.reason.length, read.reason.slice(-2), read.rule]).toEqual([4096, "\ufffd…", "r\ufffd"]);
  expect(read.findings[0]?.reason).toBe("\ufffd");
});
