import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import { loadConfig } from "../../src/config/load.ts";
import { createCa } from "../../src/crypto/ca.ts";
import { openDecider } from "../../src/decide/open.ts";
import { leftToPlane } from "../../src/decide/policy.ts";

async function warningsOf(policy: string, env: Readonly<Record<string, string>>, reloaded: string) {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-open-"));
  const path = join(folder, "policy.yaml");
  const said: string[] = [];
  try {
    writeFileSync(path, policy);
    const machine = {
      ...runtime,
      env: { EVE_PROXY_POLICY: path, JWT_SECRET_KEY: "a-secret-of-more-than-thirty-two-bytes", ...env },
    };
    const loaded = await loadConfig(machine);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const opened = await openDecider(machine, loaded.config, {
      warn: (message) => said.push(message),
      cacheLooked() {},
      degraded() {},
      same() {},
      differs() {},
      skipped() {},
    });
    writeFileSync(path, reloaded);
    await opened.reload();
    await opened.close();
    return said;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const PLACES = "version: 1\ndefault: deny\nhosts: {allow: [a.test]}\nlimits: [{id: x, concurrency: 1}]\n";
const MORE = `${PLACES}access: {writes: closed}\ndetect: {threshold: high}\nrules: [{id: r, when: {class: write}, verdict: deny}]\n`;
/** No tunnel goes unread. */
const CLOSED = { EVE_PROXY_CONNECT_PASSTHROUGH: "0" };
const PLANE = { EVE_PROXY_GOVERNANCE_URL: "http://127.0.0.1:1" };

test("beside a plane the log names what of the policy is not run, at the start and after a reload", async () => {
  const [first, ...more] = await warningsOf(MORE, PLANE, PLACES);
  expect(first).toContain("NOT run: rules.r, access.writes, detect;");
  expect(more).toEqual([]);
  expect(await warningsOf(PLACES, PLANE, MORE)).toHaveLength(1);
});

test("it is silent where everything is run", async () => {
  expect(await warningsOf(PLACES, PLANE, PLACES)).toEqual([]);
  expect(await warningsOf(MORE, CLOSED, MORE)).toEqual([]);
});

test("without a CA what a tunnel goes past is named, at the start and after a reload; not beside a plane, and not where tunnels are closed", async () => {
  const missed = expect.stringMatching(/^without a CA only host and port .*: rules\.r, detect do nothing there; /);
  expect(await warningsOf(MORE, {}, PLACES)).toEqual([missed]);
  expect(await warningsOf(PLACES, {}, MORE)).toEqual([missed]);
  expect((await warningsOf(MORE, PLANE, PLACES)).join()).not.toContain("without a CA");
});

test("with a CA nothing is missed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-open-ca-"));
  try {
    const ca = await createCa({ commonName: "open.test", days: 30, key: "P-256" }, Date.now());
    const [EVE_PROXY_CA_CERT, EVE_PROXY_CA_KEY] = [join(folder, "ca.crt"), join(folder, "ca.key")];
    writeFileSync(EVE_PROXY_CA_CERT, ca.certPem);
    writeFileSync(EVE_PROXY_CA_KEY, ca.keyPem, { mode: 0o600 });
    expect(await warningsOf(MORE, { EVE_PROXY_CA_CERT, EVE_PROXY_CA_KEY }, MORE)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a policy that only watches is said to, at the start and after a reload, but not where a plane decides", async () => {
  const watching = "version: 1\nextends: [observe]\n";
  const said = await warningsOf(watching, CLOSED, watching);
  expect(said).toHaveLength(2);
  expect(said[0]).toStartWith("the policy enforces nothing");
  expect(await warningsOf(PLACES, CLOSED, watching)).toHaveLength(1);
  expect((await warningsOf(watching, PLANE, PLACES)).join()).not.toContain("enforces nothing");
});

test("many rules are one line", () => {
  const line = leftToPlane(Array.from({ length: 500 }, (_, i) => `rules.r${i}`)) ?? "";
  expect(line).toContain("rules.r7 and 492 more");
  expect(line).not.toContain("rules.r8");
});
