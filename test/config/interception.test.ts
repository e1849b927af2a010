import { afterAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { createCa, DAY_MS, loadCa } from "../../src/crypto/ca.ts";
import { leafMinter } from "../../src/crypto/leaf.ts";
import { runtime } from "../../src/runtime/bun.ts";

const directory = await mkdtemp(join(tmpdir(), "sallyport-interception-"));
afterAll(() => rm(directory, { recursive: true }));

async function file(name: string, content: string, mode = 0o600): Promise<string> {
  const path = join(directory, name);
  await Bun.write(path, content);
  await chmod(path, mode);
  return path;
}

const now = Date.now();
const files = await createCa({ commonName: "config", days: 100, key: "P-256" }, now);
const old = await createCa({ commonName: "old", days: 10, key: "P-256" }, now - 11 * DAY_MS);
const brief = await createCa({ commonName: "brief", days: 12.5, key: "P-256" }, now);
const leaf = await (await leafMinter(await loadCa(files, now), { now: () => now }))("client.test");

const cert = await file("ca.crt", files.certPem, 0o644);
const key = await file("ca.key", files.keyPem);
const otherKey = await file("other.key", old.keyPem);
const readable = await file("readable.key", files.keyPem, 0o640);
const leafCert = await file("leaf.crt", leaf.cert);
const leafKey = await file("leaf.key", leaf.key);

function load(env: Record<string, string>) {
  return loadConfig({ ...runtime, env: { JWT_SECRET_KEY: "0123456789abcdef0123456789abcdef", ...env } });
}

async function problems(env: Record<string, string>): Promise<string[]> {
  const loaded = await load(env);
  return loaded.ok ? [] : loaded.problems.map((p) => `${p.variable} ${p.problem} — ${p.hint}`);
}

async function valid(env: Record<string, string>) {
  const loaded = await load(env);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded;
}

const CLIENT = "EVE_PROXY_UPSTREAM_CLIENT_CERTS";
const EXCEPT = "EVE_PROXY_INTERCEPT_EXCEPT";

describe("loadConfig refuses", () => {
  const oldCert = join(directory, "old.crt");
  const refused: [string, Record<string, string>, RegExp][] = [
    ["a CA without its key", { EVE_PROXY_CA_CERT: cert }, /^EVE_PROXY_CA_CERT and EVE_PROXY_CA_KEY are only useful/],
    ["a CA's key without the CA", { EVE_PROXY_CA_KEY: key }, /^EVE_PROXY_CA_CERT and EVE_PROXY_CA_KEY .* — set both/],
    [
      "a CA's key that its group can read",
      { EVE_PROXY_CA_CERT: cert, EVE_PROXY_CA_KEY: readable },
      /^EVE_PROXY_CA_KEY ".*readable\.key" has mode 0640: others .* — chmod 600 .*readable\.key$/,
    ],
    [
      "the key of another CA",
      { EVE_PROXY_CA_CERT: cert, EVE_PROXY_CA_KEY: otherKey },
      /^EVE_PROXY_CA_CERT ".*ca\.crt" cannot be used .* not that of the certificate — .*ca show/,
    ],
    ["a CA that has expired", { EVE_PROXY_CA_CERT: oldCert, EVE_PROXY_CA_KEY: otherKey }, /"CN=old" expired on/],
    [
      "a certificate for the CA's key",
      { EVE_PROXY_CA_CERT: cert, EVE_PROXY_CA_KEY: cert },
      /^EVE_PROXY_CA_KEY ".*ca\.crt" is a certificate, not a key — are .* swapped\?/,
    ],
    ["a leaf for a CA", { EVE_PROXY_CA_CERT: leafCert, EVE_PROXY_CA_KEY: leafKey }, /it is not a CA/],
    [
      "a CA that is not there",
      { EVE_PROXY_CA_CERT: "/nope", EVE_PROXY_CA_KEY: key },
      /^EVE_PROXY_CA_CERT "\/nope" does/,
    ],
    [
      "a key that is not there, by its other name",
      { EVE_PROXY_CA_CERT: cert, EVE_PROXY_CA_KEY_FILE: "/nope" },
      /^EVE_PROXY_CA_KEY_FILE "\/nope" does not exist/,
    ],
    ["an excepted URL", { [EXCEPT]: "https://a.test" }, /"https:\/\/a.test" is not a host/],
    ["an excepted wildcard", { [EXCEPT]: "*.a.test" }, /is not a host — .* wildcard/],
    ["an exception without a host", { [EXCEPT]: "=why" }, /"" is not a host/],
    ["an empty reason", { [EXCEPT]: "a.test=" }, /unusable reason for "a.test"/],
    ["a reason that steers a terminal", { [EXCEPT]: "a.test=\u001b[2J" }, /unusable reason/],
    ["a reason that is too long", { [EXCEPT]: `a.test=${"x".repeat(129)}` }, /unusable reason/],
    ["a host with two reasons", { [EXCEPT]: "a.test=x,A.test.=y" }, /names "a.test" twice/],
    ["a client certificate without a key", { [CLIENT]: `a.test=${leafCert}` }, /has an item that is none — give host=/],
    ["a client certificate without a host", { [CLIENT]: `${leafCert}:${leafKey}` }, /has an item that is none/],
    ["a client certificate with three paths", { [CLIENT]: "a.test=a:b:c" }, /has an item that is none/],
    [
      "a client certificate below a suffix",
      { [CLIENT]: `.a.test=${leafCert}:${leafKey}` },
      /"\.a\.test" is not a host/,
    ],
    ["two client certificates for one host", { [CLIENT]: "a.test=a:b,a.test=c:d" }, /names "a.test" twice/],
    ["a client key that others read", { [CLIENT]: `a.test=${leafCert}:${readable}` }, /has mode 0640/],
    ["a client key of another certificate", { [CLIENT]: `a.test=${leafCert}:${key}` }, /not that of the certificate/],
    ["a client certificate that is not there", { [CLIENT]: `a.test=/nope:${leafKey}` }, /"\/nope" does not exist/],
  ];
  test("CA and key swapped, before it looks at modes", async () => {
    expect(await problems({ EVE_PROXY_CA_CERT: key, EVE_PROXY_CA_KEY: cert })).toEqual([
      `EVE_PROXY_CA_CERT "${key}" is a private key, not a certificate — are the certificate and the key swapped?`,
      `EVE_PROXY_CA_KEY "${cert}" is a certificate, not a key — are the certificate and the key swapped?`,
    ]);
  });

  test.each(refused)("%s", async (_, env, expected) => {
    await file("old.crt", old.certPem);
    const found = await problems(env);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  test("a key pasted in the place of its path, without repeating it", async () => {
    for (const env of [
      { EVE_PROXY_CA_CERT: cert, EVE_PROXY_CA_KEY: files.keyPem },
      { [CLIENT]: `a.test=${cert}:${files.keyPem}` },
    ]) {
      const said = (await problems(env)).join("\n");
      expect(said).not.toBe("");
      expect(said).not.toContain(files.keyPem.split("\n")[1] ?? "?");
    }
  });
});

describe("loadConfig takes", () => {
  test("a CA and its key, by both names of the key, and says nothing", async () => {
    for (const name of ["EVE_PROXY_CA_KEY", "EVE_PROXY_CA_KEY_FILE"]) {
      const { config, warnings } = await valid({ EVE_PROXY_CA_CERT: cert, [name]: key });
      expect(config.interceptCa).toEqual(files);
      expect(warnings).toEqual([]);
    }
  });

  test("nothing, and then nothing is intercepted", async () => {
    const { config } = await valid({});
    expect([config.interceptCa, config.interceptExcept, config.upstreamClientCerts]).toEqual([null, [], []]);
  });

  test("a CA that ends soon with a warning", async () => {
    const path = await file("brief.crt", brief.certPem);
    const { warnings } = await valid({
      EVE_PROXY_CA_CERT: path,
      EVE_PROXY_CA_KEY: await file("brief.key", brief.keyPem),
    });
    expect(warnings).toEqual([`the CA "${path}" expires in 12 days`]);
  });

  test("exceptions in every spelling of a host, with a warning where there is no CA", async () => {
    const { config, warnings } = await valid({
      [EXCEPT]: " Pinned.example. = certificate pinning = yes ,, .bücher.test,[::1]",
    });
    expect(config.interceptExcept).toEqual([
      { host: "pinned.example", reason: "certificate pinning = yes" },
      { host: "xn--bcher-kva.test", reason: null },
      { host: "::1", reason: null },
    ]);
    expect(warnings[0]).toContain("without EVE_PROXY_CA_CERT: nothing is intercepted");
  });

  test("client certificates by host", async () => {
    const { config, warnings } = await valid({ [CLIENT]: `A.test=${leafCert}:${leafKey}` });
    expect(config.upstreamClientCerts).toEqual([{ host: "a.test", cert: leaf.cert, key: leaf.key }]);
    expect(warnings).toEqual(['the client certificate for "a.test" expires in 0 days']);
  });

  test("no file whose mode it cannot tell", async () => {
    let seen = 0;
    const fickle = {
      ...runtime,
      env: { JWT_SECRET_KEY: "0123456789abcdef0123456789abcdef", EVE_PROXY_CA_CERT: cert, EVE_PROXY_CA_KEY: key },
      stat: (path: string) => (path === key && ++seen > 1 ? Promise.resolve(null) : runtime.stat(path)),
    };
    const loaded = await loadConfig(fickle);
    expect(loaded.ok ? [] : loaded.problems.map(({ problem }) => problem)[0]).toContain("has mode 0777");
    expect((await stat(key)).mode & 0o777).toBe(0o600);
  });
});
