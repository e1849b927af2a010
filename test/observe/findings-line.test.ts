import { expect, test } from "bun:test";
import { findingsLine } from "../../src/observe/findings-line.ts";

test("findingsLine writes the members of a finding and nothing else, each of bounded length", () => {
  const finding = {
    pillar: "CoreGuard",
    vector: "dlp_secret",
    name: "openai-api-key",
    severity: "high" as const,
    view: "plain",
    where: `header ${"x".repeat(5000)}`,
    start: 3,
    end: 54,
    reason: "a key of OpenAI",
    text: "sk-must-not-be-written",
  };
  const line = findingsLine("cert_1", "1970-01-01T00:00:00.000Z", [finding]);
  expect(line).not.toContain("sk-must");
  expect(JSON.parse(line)).toEqual({
    certificate_id: "cert_1",
    at: "1970-01-01T00:00:00.000Z",
    findings: [{ ...finding, text: undefined, where: `${finding.where.slice(0, 255)}…` }],
  });
});
