import { expect, test } from "bun:test";
import { configurationPage } from "../../src/config/manual.ts";

test("docs/configuration.md is what the schema prints (run: bun scripts/config-doc.ts)", async () => {
  const page = await Bun.file(new URL("../../docs/configuration.md", import.meta.url)).text();
  expect(page).toBe(configurationPage());
});
