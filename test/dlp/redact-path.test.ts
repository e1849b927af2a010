import { describe, expect, test } from "bun:test";
import { REDACTED_UNCLEAR, redactPath } from "../../src/dlp/redact-path.ts";

// Put together here so that no scanner takes these for real ones.
const token = (prefix: string) => `${prefix}${"4f9Kq2Zr8XbW1nTj7LcV0sYd"}`;

describe("redactPath replaces", () => {
  const cases: [string, string][] = [
    [`/v1/${token("sk-")}/models`, "/v1/[redacted]/models"],
    [`/x/${token("ghp_")}`, "/x/[redacted]"],
    [`/bot123456789:AA${token("")}/sendMessage`, "/[redacted]/sendMessage"],
    [`/bot123456789%3AAA${token("")}/sendMessage`, "/[redacted]/sendMessage"],
    [`/services/T012AB3CD/B012AB3CD/${token("")}`, "/services/T012AB3CD/B012AB3CD/[redacted]"],
    [`/a/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${token("")}`, "/a/[redacted]"],
    [`/a;jsessionid=${token("")}/b`, "/a;jsessionid=[redacted]/b"],
    [`/a/%73k-${token("")}`, "/a/[redacted]"],
    ["/k/0123456789abcdef0123456789abcdef", "/k/[redacted]"],
  ];
  for (const [path, redacted] of cases) test(redacted + path.length, () => expect(redactPath(path)).toBe(redacted));
});

describe("redactPath keeps", () => {
  const cases = [
    "",
    "/",
    "*",
    "/v1/chat/completions",
    "/v1/models/claude-3-5-sonnet-20241022",
    "/openai/deployments/gpt-4o-mini-2024-07-18/chat/completions",
    "/models/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "/v1/projects/my-project/locations/us-central1/publishers/google/models/gemini-2.0-flash:streamGenerateContent",
    "/items/123e4567-e89b-12d3-a456-426614174000",
    "/a/%zz/averyveryverylongsegmentofletters",
    "/sk-short",
  ];
  for (const path of cases) test(JSON.stringify(path), () => expect(redactPath(path)).toBe(path));
});

describe("redactPath hides no place behind a credential", () => {
  const cases: [string, string][] = [
    [`/admin;${token("")}/x`, "/admin;[redacted]/x"],
    [`/x%2f..%2fadmin%252F${token("")}`, `/${REDACTED_UNCLEAR}`],
    [`/admin\\${token("")}`, `/${REDACTED_UNCLEAR}`],
    [`/${token("").slice(0, 12)}%2F${token("")}`, `/${REDACTED_UNCLEAR}`],
    [`/bot123456789:AA${token("")}%2f..%2fadmin`, "/[redacted]%2f..%2fadmin"],
  ];
  for (const [path, redacted] of cases) test(redacted, () => expect(redactPath(path)).toBe(redacted));
});

test("redactPath drops query and fragment, with what they hold", () => {
  expect(redactPath(`/a/b?key=${token("sk-")}`)).toBe("/a/b");
  expect(redactPath("/a?b/c/dddddddddddddddddddddd")).toBe("/a");
  expect(redactPath("/a#b")).toBe("/a");
});
