/** Runs every check as a real process under Bun, under Deno, and in a compiled binary. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { testUnless, tool } from "../_skip.ts";
import { checks } from "./body.ts";

const ROOT = resolve(import.meta.dir, "../..");
const BODY = "test/conformance/run.ts";
/** Certificates are made by openssl, so that nothing under test vouches for itself. */
const NEEDS_OPENSSL = /^tls|^secure|^https|^httpIgnores|^redisTls/;
const NEEDS_REDIS = /^redis/;
const PROXIES = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"];
const LIMIT_MS = 600_000;

const folder = mkdtempSync(join(tmpdir(), "sallyport-conformance-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function bin(name: string): string {
  return join(ROOT, "node_modules/.bin", name);
}

function results(command: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const env: Record<string, string | undefined> = {
    ...process.env,
    CONFORMANCE_SELF: JSON.stringify(command),
    TMPDIR: folder,
  };
  for (const name of PROXIES) env[name] = "http://127.0.0.1:9";
  const [program = "", ...args] = command;
  const child = spawn(program, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (bytes) => {
    out += bytes;
  });
  return new Promise((settle, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      const found = new Map<string, string>();
      for (const line of out.split("\n")) {
        const match = /^(ok|not ok) (\w+)(.*)$/.exec(line);
        if (match !== null) found.set(match[2] ?? "", match[1] === "ok" ? "ok" : line);
      }
      settle(found);
    });
  });
}

function suite(name: string, command: () => readonly string[]): void {
  let found: ReadonlyMap<string, string> = new Map();
  // One after the other: the checks look at memory, CPU time and order.
  beforeAll(async () => {
    found = await results(command());
  }, LIMIT_MS);
  test(`${name} runs every check`, () => {
    expect([...found.keys()].sort()).toEqual(Object.keys(checks).sort());
  });
  for (const check of Object.keys(checks)) {
    const missing =
      (NEEDS_OPENSSL.test(check) ? tool("openssl") : null) ?? (NEEDS_REDIS.test(check) ? tool("redis-server") : null);
    testUnless(missing, `${name} ${check}`, () => {
      expect(found.get(check)).toBe("ok");
    });
  }
}

suite("bun", () => [bin("bun"), BODY]);
suite("deno", () => [bin("deno"), "run", "-A", BODY]);
suite("compiled", () => {
  const file = join(folder, "run");
  const built = Bun.spawnSync([bin("bun"), "build", "--compile", BODY, "--outfile", file], { cwd: ROOT });
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  return [file];
});
