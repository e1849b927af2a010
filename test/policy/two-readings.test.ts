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
