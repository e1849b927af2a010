import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Ca, type CaFiles, createCa, DAY_MS, loadCa } from "../../src/crypto/ca.ts";
import { readCertificates } from "../../src/crypto/certificate.ts";
import { leafMinter } from "../../src/crypto/leaf.ts";
import { LeafCache } from "../../src/crypto/leaf-cache.ts";
import { testUnless, tool } from "../_skip.ts";
import { type Bench, bench } from "./_openssl.ts";

const missing = tool("openssl");
const now = Date.now();
const HOUR_MS = 3_600_000;

let openssl: Bench;
let files: CaFiles;
let ca: Ca;
beforeAll(async () => {
  openssl = bench();
  files = await createCa({ commonName: "leaf test", days: 30, key: "P-256" }, now);
  ca = await loadCa(files, now);
  openssl.write("ca.crt", files.certPem);
});
afterAll(() => openssl.close());

async function minted(host: string) {
  const leaf = await (await leafMinter(ca, { now: () => now }))(host);
  openssl.write("leaf.pem", leaf.cert);
  return leaf;
}

/** By the strict rules, as a client that dials `host` would. */
function accepted(host: string, kind: "-verify_hostname" | "-verify_ip"): string {
  return openssl.try("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.crt", kind, host, "leaf.pem")
    .said;
}

const NAMES = [
  "api.example.com",
  "localhost",
  "xn--bcher-kva.example",
  "a_b.example",
  "123.example",
  `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`,
];

describe("a leaf", () => {
  for (const host of NAMES) {
    testUnless(missing, `for ${host.slice(0, 30)} is valid for it, for none below or beside it`, async () => {
      await minted(host);
      expect(accepted(host, "-verify_hostname")).toBe("leaf.pem: OK\n");
      for (const other of [`a.${host}`, `x${host.slice(1)}`, host.slice(host.indexOf(".") + 1) || "x"]) {
        if (other !== host) expect(accepted(other, "-verify_hostname")).toContain("hostname mismatch");
      }
    });
  }

  for (const [host, other] of [
    ["192.0.2.1", "192.0.2.2"],
    ["2001:db8::1", "2001:db8::2"],
    ["::1", "::2"],
  ] as const) {
    testUnless(missing, `for ${host} has an address, not a name that looks like one`, async () => {
      await minted(host);
      expect(accepted(host, "-verify_ip")).toBe("leaf.pem: OK\n");
      expect(accepted(other, "-verify_ip")).toContain("IP address mismatch");
      expect(openssl.run("x509", "-in", "leaf.pem", "-noout", "-ext", "subjectAltName")).not.toContain("DNS:");
    });
  }

  for (const [length, subject] of [
    [64, /subject=CN = a{59}\.test/],
    [65, /subject=\n/],
  ] as const) {
    testUnless(missing, `for a name of ${length} characters says it where it may`, async () => {
      const host = `${"a".repeat(length - 5)}.test`.replace(/^a{60}\./, `${"a".repeat(30)}.${"a".repeat(29)}.`);
      expect(host).toHaveLength(length);
      await minted(host);
      expect(openssl.run("x509", "-in", "leaf.pem", "-noout", "-subject")).toMatch(subject);
      const names = openssl.run("x509", "-in", "leaf.pem", "-noout", "-ext", "subjectAltName");
      expect(names.includes("critical")).toBe(length === 65);
      expect(accepted(host, "-verify_hostname")).toBe("leaf.pem: OK\n");
    });
  }

  testUnless(missing, "is a server's and nothing else", async () => {
    await minted("server.test");
    const said = openssl.run("x509", "-in", "leaf.pem", "-noout", "-text");
    expect(said).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(said).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(said).toMatch(/Extended Key Usage:\s+TLS Web Server Authentication\n/);
    expect(said).toContain("Authority Key Identifier");
    const purpose = openssl.try("verify", "-purpose", "sslclient", "-CAfile", "ca.crt", "leaf.pem");
    expect(purpose.ok).toBe(false);
  });

  test.each([
    "",
    "Upper.test",
    "trailing.test.",
    "a b",
    "[::1]",
    "host:443",
    "0x7f.1",
    "::0001",
    "bücher.example",
    "*.example",
  ])("is not minted for %j, which is no canonical host", async (host) => {
    const mint = await leafMinter(ca, { now: () => now });
    await expect(mint(host)).rejects.toThrow("not in canonical form");
  });

  test("ends with the CA, and after that none is minted", async () => {
    let clock = ca.notAfter - HOUR_MS;
    const mint = await leafMinter(ca, { now: () => clock });
    expect((await mint("late.test")).notAfter).toBe(ca.notAfter);
    clock = ca.notAfter;
    expect(await mint("late.test").catch((thrown) => thrown.code)).toBe("leaf_failed");
    clock = ca.notBefore - 1;
    expect(await mint("early.test").catch((thrown) => thrown.code)).toBe("leaf_failed");
  });

  test("lives a day, or what it is given, and never over 398 days", async () => {
    const long = await loadCa(await createCa({ commonName: "long", days: 3650, key: "P-256" }, now), now);
    const life = async (lifeMs?: number) => {
      const mint = await leafMinter(long, { now: () => now, ...(lifeMs === undefined ? {} : { lifeMs }) });
      return (await mint("life.test")).notAfter - now;
    };
    expect(await life()).toBe(DAY_MS);
    expect(await life(HOUR_MS)).toBe(HOUR_MS);
    expect(await life(3650 * DAY_MS)).toBe(398 * DAY_MS);
  });

  test("of one minter all have one key, and each its serial number; another minter has another key", async () => {
    const mint = await leafMinter(ca, { now: () => now });
    const [a, b] = [await mint("a.test"), await mint("b.test")];
    expect(a.key).toBe(b.key);
    expect((await minted("a.test")).key).not.toBe(a.key);
    const serials = [a, b].map(({ cert }) => readCertificates(cert)[0]?.serial);
    expect(serials[0]).not.toBe(serials[1]);
    expect(a.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  });
});

describe("LeafCache", () => {
  let clock = now;
  let calls: string[] = [];
  let broken = false;
  const gates: (() => void)[] = [];
  let gated = false;

  function cache(max?: number): LeafCache {
    clock = now;
    calls = [];
    broken = false;
    gated = false;
    const mint = async (host: string) => {
      calls.push(host);
      if (gated) await new Promise<void>((resolve) => gates.push(resolve));
      if (broken) throw new TypeError("no entropy");
      return { host, cert: host, key: "", notBefore: clock - HOUR_MS, notAfter: clock + DAY_MS };
    };
    return new LeafCache(mint, { now: () => clock, ...(max === undefined ? {} : { max }) });
  }

  test("one minting a host, however many ask, and one object for all of them", async () => {
    const leaves = cache();
    gated = true;
    const asked = Array.from({ length: 50 }, () => leaves.leafFor("a.test"));
    const other = leaves.leafFor("b.test");
    expect(calls).toEqual(["a.test", "b.test"]);
    for (const open of gates.splice(0)) open();
    expect(new Set(await Promise.all(asked)).size).toBe(1);
    expect((await other).host).toBe("b.test");
    expect(await leaves.leafFor("a.test")).toBe((await asked[0]) as never);
    expect(calls).toHaveLength(2);
  });

  test("a failure is a Fault for all who wait, and is not kept", async () => {
    const leaves = cache();
    broken = true;
    const asked = [leaves.leafFor("a.test"), leaves.leafFor("a.test")];
    for (const one of asked) {
      expect(await one.then(String, (thrown) => `${thrown.code}: ${thrown.message}`)).toBe(
        'leaf_failed: mint a certificate for "a.test": no entropy',
      );
    }
    expect([calls.length, leaves.size]).toEqual([1, 0]);
    broken = false;
    expect((await leaves.leafFor("a.test")).host).toBe("a.test");
  });

  test("keeps no more than it may: the one not used for the longest goes", async () => {
    const leaves = cache(2);
    const a = await leaves.leafFor("a.test");
    await leaves.leafFor("b.test");
    expect(leaves.cached("a.test")).toBe(a);
    await leaves.leafFor("c.test");
    expect([leaves.size, leaves.cached("b.test"), leaves.cached("a.test")]).toEqual([2, null, a]);
    for (let i = 0; i < 5000; i++) await leaves.leafFor(`h${i}.test`);
    expect(leaves.size).toBe(2);
  });

  test("makes a new one a quarter before the end, and when the clock has gone back before the beginning", async () => {
    const leaves = cache();
    const first = await leaves.leafFor("a.test");
    clock = now + 18 * HOUR_MS - 1;
    expect(await leaves.leafFor("a.test")).toBe(first);
    clock = now + 18 * HOUR_MS;
    expect(leaves.cached("a.test")).toBeNull();
    const second = await leaves.leafFor("a.test");
    expect(second).not.toBe(first);
    expect(second.notAfter).toBe(clock + DAY_MS);
    clock = second.notBefore - 1;
    expect(await leaves.leafFor("a.test")).not.toBe(second);
    expect([calls.length, leaves.size]).toEqual([3, 1]);
  });

  test("what was minted while its host was asked for again is not minted twice after it", async () => {
    const leaves = cache();
    gated = true;
    const first = leaves.leafFor("a.test");
    for (const open of gates.splice(0)) open();
    await first;
    gated = false;
    await Promise.all([leaves.leafFor("a.test"), leaves.leafFor("a.test")]);
    expect(calls).toHaveLength(1);
  });
});
