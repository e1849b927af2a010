import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpaConfig } from "../../src/config/config.ts";
import { readTenants, type TenantSpec, tenantOf } from "../../src/plane/tenants.ts";
import { runtime } from "../../src/runtime/bun.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-tenants-"));
afterAll(() => rmSync(folder, { recursive: true }));
const TOKEN = "a-token-of-more-than-16";
const HASH = `sha256-${runtime.sha256(TOKEN)}`;
const tls = { cert: "c", key: "k", clientCa: "ca" };
let files = 0;

function read(text: string, clientCa = true, opa: OpaConfig | null = null) {
  const tenantsPath = join(folder, `t${files++}.yaml`);
  writeFileSync(tenantsPath, text);
  return readTenants(runtime, {
    orgId: "acme",
    tenantsPath,
    token: null,
    policyPath: null,
    opa,
    tls: clientCa ? tls : null,
  });
}

test("without a file there is one tenant: the organisation", async () => {
  const config = { orgId: "acme", tenantsPath: null, token: TOKEN, policyPath: "p.yaml", tls: null, opa: null };
  const only = { id: "acme", tokenHashes: [HASH.slice(7)], clientName: null, policyPath: "p.yaml" };
  expect(await readTenants(runtime, config)).toEqual([only]);
});

describe("a tenants file is refused:", () => {
  const one = `  - {id: a, token_hash: ${HASH}}\n`;
  const cases: [string, string, RegExp][] = [
    ["nothing", "", /^t\d+\.yaml:1:1: /],
    ["no list", "tenants: 5\n", /^t\d+\.yaml:1:10: tenants: must be a list of tenants, each with an id and token_hash/],
    [
      "another map",
      "tenant: []\n",
      /^t\d+\.yaml:1:1: tenants: must be a list of tenants[\s\S]*: unknown key "tenant", did you mean tenants\?$/,
    ],
    [
      "a misspelt key",
      `tenants:\n  - {id: a, token_hash: ${HASH}, polcy: x}\n`,
      /2:\d+: tenants\.0: unknown key "polcy", did you mean policy\?$/,
    ],
    ["no tenant", "tenants: []\n", /names no tenant/],
    ["an unknown key", "tenants:\n  - {id: a, token: secret}\n", /token/],
    ["a tenant that anybody could be", "tenants:\n  - {id: a}\n", /anybody could ask/],
    ["a token in the place of its hash", "tenants:\n  - {id: a, token_hash: hunter2}\n", /sha256-/],
    ["an id that would break a log", `tenants:\n  - {id: "a b", token_hash: ${HASH}}\n`, /letters, digits/],
    ["an id twice", `tenants:\n${one}  - {id: a, client_cn: x}\n`, /^t\d+\.yaml:3:10: tenant "a": is named twice$/],
    [
      "a token twice",
      `tenants:\n${one}  - {id: b, token_hash: ${HASH}}\n`,
      /^t\d+\.yaml:3:5: tenant "b": has the same token as "a"/,
    ],
    [
      "a certificate twice",
      "tenants:\n  - {id: a, client_cn: x}\n  - {id: b, client_cn: x}\n",
      /:3:24: tenant "b": has the same client_cn as "a"/,
    ],
    ["a key twice", `tenants:\n${one}tenants: []\n`, /twice/],
    [
      "a token file that is not there",
      "tenants:\n  - {id: a, token_file: /nowhere/at/all}\n",
      /:2:25: tenant "a": "\/nowhere\/at\/all" does not exist$/,
    ],
    [
      "a policy that is not there",
      `tenants:\n  - {id: a, token_hash: ${HASH}, policy: /nope}\n`,
      /tenant "a": "\/nope" does not exist$/,
    ],
    [
      "a misspelt hash",
      "tenants:\n  - {id: a, token_hash: [5]}\n",
      /must be "sha256-" and 64 lower-case hex digits, or a list/,
    ],
  ];
  for (const [name, text, message] of cases) {
    test(name, async () => {
      const thrown = await read(text).catch((problem: unknown) => problem);
      expect(thrown).toMatchObject({ code: "policy_invalid", message: expect.stringMatching(message) });
    });
  }

  test("all that is wrong with its tenants at once, each with its place", async () => {
    const text = `tenants:\n${one}  - {id: b, token_file: /nope1}\n  - {id: a, token_hash: ${HASH}, policy: /nope2}\n`;
    const thrown = await read(text).catch((problem: unknown) => problem);
    expect((thrown as Error).message.replace(/t\d+\.yaml/g, "t").split("\n")).toEqual([
      't:3:25: tenant "b": "/nope1" does not exist',
      expect.stringMatching(/^t:4:\d+: tenant "a": "\/nope2" does not exist$/),
      't:4:10: tenant "a": is named twice',
      't:4:5: tenant "a": names a token twice',
    ]);
  });

  test("a certificate's name where none is asked for", async () => {
    await expect(read("tenants:\n  - {id: a, client_cn: x}\n", false)).rejects.toMatchObject({
      code: "policy_invalid",
    });
  });

  test("a token file with a short token", async () => {
    writeFileSync(join(folder, "short"), "short\n");
    await expect(read(`tenants:\n  - {id: a, token_file: ${folder}/short}\n`)).rejects.toMatchObject({
      code: "policy_invalid",
    });
  });
});

test("with an OPA policy for all nobody's policy is looked for", async () => {
  const text = `tenants:\n  - {id: a, token_hash: ${HASH}, policy: /nope}\n`;
  const opa = { bundle: "b.tar.gz", entrypoint: "sallyport/decision", intervalMs: 1000 };
  expect(await read(text, true, opa)).toHaveLength(1);
});

test("hashes, token files and certificates make tenants", async () => {
  writeFileSync(join(folder, "token"), `${TOKEN}-2\n`);
  writeFileSync(join(folder, "p.yaml"), "version: 1\ndefault: deny\n");
  const tenants = await read(
    `tenants:\n  - {id: a, token_hash: [${HASH}], policy: ${folder}/p.yaml}\n  - {id: b, token_file: ${folder}/token, client_cn: relay}\n`,
  );
  expect(tenants).toEqual([
    { id: "a", tokenHashes: [HASH.slice(7)], clientName: null, policyPath: `${folder}/p.yaml` },
    { id: "b", tokenHashes: [runtime.sha256(`${TOKEN}-2`)], clientName: "relay", policyPath: null },
  ]);
});

describe("who asks", () => {
  const spec = (id: string, tokens: string[], clientName: string | null): TenantSpec => ({
    id,
    tokenHashes: tokens.map((token) => runtime.sha256(token)),
    clientName,
    policyPath: null,
  });
  const tenants = [spec("cert", [], "relay"), spec("token", ["t1", "t2"], null), spec("both", ["t3"], "relay")];
  const who = (token: string | null, clientName: string | null) =>
    tenantOf(tenants, { tokenHash: token === null ? null : runtime.sha256(token), clientName })?.id ?? null;

  test("is who has all that is asked of them, and nobody else", () => {
    expect(who("t1", null)).toBe("token");
    expect(who("t2", "somebody")).toBe("token");
    expect(who("t3", "relay")).toBe("both");
    expect(who("t3", null)).toBeNull();
    expect(who("t3", "other")).toBeNull();
    expect(who(null, "relay")).toBe("cert");
    expect(who("wrong", null)).toBeNull();
    expect(who(null, null)).toBeNull();
    expect(who("", "")).toBeNull();
  });
});
