import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { AS_OF } from "../../src/limits/default-prices.ts";

test("docs/limits.md says of which day the prices are that are shipped", () => {
  expect(AS_OF).toMatch(/^20\d\d-\d\d-\d\d$/);
  expect(readFileSync("docs/limits.md", "utf8")).toContain(`as far as known on ${AS_OF})`);
});
