import { describe, expect, test } from "bun:test";
import { redactPath } from "../../src/dlp/redact-path.ts";
import { allows, denies } from "./_ask.ts";

describe("a rule on paths is not passed by", () => {
  const key = "xK9vQ2mZp7LrT4wYb8NcH3sD6fJ1gA5e";
  test.each([
    `/admin;${key}/x`,
    `/x%2f..%2fadmin%2f${key}`,
    `/${key.slice(0, 12)}%2f${key.slice(12)}%2f..%2f..%2fadmin`,
    `/admin\\${key}`,
    "/admin%00/x",
    "/%u0061dmin",
    "/admin./x",
    "/admin%20/x",
  ])("%s", (given) => {
    const path = redactPath(given);
    expect(denies("{ paths: /admin/** }", { path })).toBe(true);
    expect(allows("{ not: { paths: /admin/** } }", { path })).toBe(false);
  });
});

describe("a rule on methods is not passed by", () => {
  test.each([
    { headers: [["X-HTTP-Method-Override", "delete"]] },
    { query: [["_method", "%64elete"]] },
    { headers: [["content-type", "application/x-www-form-urlencoded"]], body: "_method=DELETE" },
  ] as const)("%j", (given) => {
    expect(denies("{ methods: DELETE }", { method: "POST", ...given })).toBe(true);
    expect(allows("{ methods: POST }", { method: "POST", ...given })).toBe(false);
  });

  test("one that says the same again is no other", () => {
    const headers = [["X-HTTP-Method-Override", "POST"]] as const;
    expect(allows("{ methods: POST }", { method: "POST", headers })).toBe(true);
  });
});

describe("a rule on a parameter is not passed by", () => {
  test.each([
    { query: [["action", "%64elete%ff"]] },
    { query: [["x", "1;action=delete"]] },
    { query: [["ACTION", "delete"]] },
    { query: [["action[]", "delete"]] },
    { query: [["action%00x", "delete"]] },
    { query: [["action", "delete;x=1"]] },
  ] as const)("%j", ({ query }) => {
    expect(denies('{ query: { action: "delete*" } }', { query })).toBe(true);
    expect(allows("{ query: { action: { present: false } } }", { query })).toBe(false);
  });

  test("and an allow is not met by what only some take for it", () => {
    expect(allows("{ query: { mode: safe } }", { query: [["MODE", "safe"]] })).toBe(false);
    expect(
      allows("{ query: { mode: safe } }", {
        query: [
          ["mode", "safe"],
          ["Mode", "raw"],
        ],
      }),
    ).toBe(false);
    expect(allows("{ query: { mode: safe } }", { query: [["mode", "safe"]] })).toBe(true);
  });
});

describe("a rule on a body is not passed by", () => {
  const call = '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}';
  test.each([
    ["\ufeff", call, ""],
    ["", call, "\n{}"],
    ["", call, "x"],
    [" ".repeat(2000), call, ""],
    ["/**/", call, ""],
  ])("%j before and behind it", (...parts) => {
    const asking = { method: "POST", headers: [["content-type", "text/plain"]] as const, body: parts.join("") };
    expect(denies("{ models: gpt-4* }", asking)).toBe(true);
    expect(allows("{ not: { models: gpt-4* } }", asking)).toBe(false);
  });
});
