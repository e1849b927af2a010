/** Codes that operators switch over stand in a list, as those of vetoes do: in `src/errors.ts`, and in what they read. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dirname, "../..");
const ERRORS = readFileSync(join(ROOT, "src/errors.ts"), "utf8");
const PAGE = readFileSync(join(ROOT, "docs/operations.md"), "utf8");

/** The literals of a union. */
function codesOf(union: string): string[] {
  const [, body = ""] = new RegExp(`export type ${union} =([^;]*);`).exec(ERRORS) ?? [];
  return [...body.replace(/`[^`]*`/g, "").matchAll(/"([a-z_]+)"/g)].map(([, code = ""]) => code);
}

describe("codes", () => {
  test("of defects are told where the metric is", () => {
    const codes = codesOf("DefectCode");
    expect(codes).toContain("uncaught");
    const line = PAGE.split("\n").find((each) => each.startsWith("| `sallyport_faults_total`")) ?? "";
    expect(codes.filter((code) => !line.includes(`\`${code}\``))).toEqual([]);
  });

  test("of ends are told in the table of how it failed", () => {
    const codes = codesOf("EndCode");
    expect(codes.length).toBeGreaterThan(8);
    const table = /### How it failed\n(.*?)\n## /s.exec(PAGE)?.[1] ?? "";
    expect(codes.filter((code) => !table.includes(`\`${code}\``))).toEqual([]);
    for (const family of ["client_websocket_", "upstream_websocket_", "client_grpc_", "upstream_grpc_"])
      expect(table).toContain(`\`${family}…\``);
  });

  test("given to the counter of defects past the observer are of the union, too", () => {
    const given = new Set<string>();
    for (const path of new Glob("src/**/*.ts").scanSync(ROOT))
      for (const [, code = ""] of readFileSync(join(ROOT, path), "utf8").matchAll(/faults\.with\("([a-z_]+)"/g))
        given.add(code);
    expect([...given].filter((code) => !codesOf("DefectCode").includes(code))).toEqual([]);
  });
});
