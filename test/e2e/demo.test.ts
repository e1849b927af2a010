import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./_gateway.ts";

function demo(env: Readonly<Record<string, string>>): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [join(ROOT, "scripts/demo.ts")], { env: { ...process.env, ...env } });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes) => {
      said += bytes;
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, said })));
}

test("the demo ends by itself, with status 0 and every case as told", async () => {
  const { code, said } = await demo({});
  expect(said).not.toContain("FAIL  ");
  const [, good, all] = /^(\d+) of (\d+) went as told$/m.exec(said) ?? [];
  expect(good).toBe(all as string);
  for (const status of [200, 400, 413, 451, 502, 503, 508])
    expect(said).toMatch(new RegExp(`^ok .*\\b${status}\\b`, "m"));
  expect(code).toBe(0);
}, 120_000);

test("the demo of a program that is not there ends with status 1", async () => {
  const { code, said } = await demo({ SALLYPORT_BIN: "dist/no-such-program" });
  expect(code).toBe(1);
  expect(said).toContain("ENOENT");
}, 120_000);
