/** A candidate policy beside the one in force, in real processes: SIGHUP reads both, and a bad one harms nothing. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../_free-port.ts";
import { type Env, Gateway, until } from "./_gateway.ts";
import { exchange, proxied } from "./_raw.ts";
import { Upstream } from "./_upstream.ts";

let folder: string;
let upstream: Upstream;
let gateway: Gateway | null = null;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-candidate-"));
  writeFileSync(join(folder, "policy.yaml"), "version: 1\ndefault: allow\n");
  writeFileSync(join(folder, "candidate.yaml"), "version: 1\ndefault: maybe\n");
  upstream = await Upstream.start();
});
afterEach(async () => {
  await gateway?.stop();
  gateway = null;
  await upstream.stop();
  rmSync(folder, { recursive: true });
});

async function start(env: Env = {}): Promise<Gateway> {
  gateway = await Gateway.start({
    EVE_PROXY_POLICY: join(folder, "policy.yaml"),
    EVE_PROXY_POLICY_CANDIDATE: join(folder, "candidate.yaml"),
    ...env,
  });
  return gateway;
}

function differences(on: Gateway): Record<string, unknown>[] {
  const audit = join(on.folder, "audit");
  return readdirSync(audit)
    .filter((name) => name.startsWith("candidate"))
    .flatMap((name) => readFileSync(join(audit, name), "utf8").split("\n").slice(0, -1))
    .map((line) => JSON.parse(line));
}

const asks = async (on: Gateway) => (await exchange(on.port, proxied("GET", `${upstream.url}/`))).status;

test("a bad candidate starts and is told of; mended, SIGHUP brings it in; it decides nothing", async () => {
  const on = await start();
  await until(() => on.stderr.includes("the candidate policy is no good"), "told");
  expect(await asks(on)).toBe(200);
  writeFileSync(join(folder, "candidate.yaml"), "version: 1\ndefault: deny\n");
  on.signal("SIGHUP");
  await until(() => /the candidate is sha256-/.test(on.stderr), "reloaded");
  expect(await asks(on)).toBe(200);
  await until(() => differences(on).length === 1, "a difference");
  expect(differences(on)).toMatchObject([{ from: { verdict: "allow" }, to: { verdict: "block", rule: "default" } }]);
  expect(statSync(join(on.folder, "audit", "candidate.jsonl")).mode & 0o777).toBe(0o600);
  expect(existsSync(join(on.folder, "audit", "findings.jsonl"))).toBe(false);
  expect(on.verifyLogs()).toMatchObject({ status: 0 });
}, 120_000);

test("each worker compares for itself", async () => {
  writeFileSync(join(folder, "candidate.yaml"), "version: 1\ndefault: deny\n");
  const on = await start({ EVE_PROXY_WORKERS: "2", EVE_PROXY_PORT: String(await freePort()) });
  for (let i = 0; i < 10; i++) expect(await asks(on)).toBe(200);
  await until(() => differences(on).length === 10, "ten differences");
  expect(
    readdirSync(join(on.folder, "audit")).filter((name) => /^candidate\.w[01]\.jsonl$/.test(name)).length,
  ).toBeGreaterThan(0);
  await on.end();
  expect(on.verifyLogs()).toMatchObject({ status: 0 });
}, 120_000);
