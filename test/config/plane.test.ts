import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { loadPlaneConfig } from "../../src/config/plane.ts";
import { runtime } from "../../src/runtime/bun.ts";

const TOKEN = "a-token-of-16-bytes-or-more";

async function load(env: Record<string, string>) {
  return loadPlaneConfig({ ...runtime, env });
}

async function problems(env: Record<string, string>): Promise<string[]> {
  const loaded = await load(env);
  return loaded.ok ? [] : loaded.problems.map(({ variable, problem, hint }) => `${variable} ${problem} — ${hint}`);
}

async function warnings(env: Record<string, string>): Promise<readonly string[]> {
  const loaded = await load(env);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.warnings;
}

describe("a plane refuses", () => {
  test("a token that can be guessed, also for development, without repeating it", async () => {
    for (const token of ["short", "x".repeat(15)]) {
      for (const dev of ["0", "1"]) {
        expect(await problems({ EVE_PROXY_GOVERNANCE_TOKEN: token, EVE_PROXY_DEV: dev })).toEqual([
          "EVE_PROXY_GOVERNANCE_TOKEN has fewer than 16 bytes: whoever guesses it asks as the relays do — give at least 16 random bytes, such as the output of: openssl rand -hex 32",
        ]);
      }
    }
    expect(await problems({ EVE_PROXY_GOVERNANCE_TOKEN: "x".repeat(16) })).toEqual([]);
  });
});

describe("a plane warns", () => {
  test("of what only a gateway obeys, by name", async () => {
    const said = await warnings({
      EVE_PROXY_GOVERNANCE_TOKEN: TOKEN,
      EVE_PROXY_MODE: "shadow",
      EVE_PROXY_KILL_FILE: "/tmp/kill",
      EVE_PROXY_PORT: "3177",
      EVE_PROXY_WORKERS: "4",
      EVE_PROXY_POLICY_CANDIDATE: "zzz",
      JWT_SECRET_KEY_FILE: new URL(import.meta.url).pathname,
    });
    const line = said.find((each) => each.startsWith("set, but nothing to a plane: "));
    for (const name of ["MODE", "KILL_FILE", "PORT", "WORKERS", "POLICY_CANDIDATE"])
      expect(line).toMatch(new RegExp(`\\bEVE_PROXY_${name}\\b`));
    expect(line).toMatch(/\bJWT_SECRET_KEY_FILE\b.* \(set them at the relays\)$/);
    expect(line).not.toContain("EVE_PROXY_GOVERNANCE_TOKEN");
  });
});

test("a plane that is given nothing but its own has nothing to say of it", async () => {
  const own = { EVE_PROXY_GOVERNANCE_TOKEN: TOKEN, EVE_PROXY_GOVERNANCE_LISTEN: "127.0.0.1:0", EVE_PROXY_DEV: "0" };
  expect((await warnings(own)).filter((each) => each.includes("nothing to a plane"))).toEqual([]);
});

test("whatever a plane's configuration is made of is not warned of", async () => {
  const source = readFileSync("src/config/plane.ts", "utf8");
  const made = [...source.matchAll(/\bfrom\.(\w+)/g)].map(([, name = ""]) => name);
  expect(made.length).toBeGreaterThan(15);
  const list = /const USED[^[]*\[([^\]]*)\]/.exec(source)?.[1] ?? "";
  for (const name of made) expect(list).toContain(`"${name}"`);
});
