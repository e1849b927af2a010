import { expect, test } from "bun:test";
import { configurationPage } from "../../src/config/manual.ts";
import { nearest } from "../../src/config/nearest.ts";

test("docs/configuration.md is what the schema prints (run: bun scripts/config-doc.ts)", async () => {
  const page = await Bun.file(new URL("../../docs/configuration.md", import.meta.url)).text();
  expect(page).toBe(configurationPage());
});

test("nearest suggests a near name and nothing for a far one", () => {
  const names = ["EVE_PROXY_PORT", "EVE_PROXY_HOST", "EVE_PROXY_MODE"];
  expect(nearest("EVE_PROXY_PROT", names, "EVE_PROXY_")).toBe("EVE_PROXY_PORT");
  expect(nearest("EVE_PROXY_PORTS", names, "EVE_PROXY_")).toBe("EVE_PROXY_PORT");
  expect(nearest("EVE_PROXY_ELEPHANT", names, "EVE_PROXY_")).toBeNull();
  expect(nearest("x".repeat(100_000), names)).toBeNull();
});
