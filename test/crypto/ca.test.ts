import { afterAll, describe, expect, test } from "bun:test";
import { createCa, DAY_MS, loadCa } from "../../src/crypto/ca.ts";
import { fingerprint, nameText, readCertificates, selfIssued } from "../../src/crypto/certificate.ts";
import { leafMinter } from "../../src/crypto/leaf.ts";
import { testUnless, tool } from "../_skip.ts";
import { type Bench, bench, certify, type Made } from "./_openssl.ts";

const missing = tool("openssl");
const withOpenssl = missing === null ? describe : describe.skip;
if (missing !== null) testUnless(missing, "crypto/ca", () => {});

/** A little later than what openssl makes now. */
const now = Date.now() + 600_000;
const made: Bench[] = [];
afterAll(() => {
  for (const one of made) one.close();
});
function fresh(): Bench {
  const one = bench();
  made.push(one);
  return one;
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "it was accepted",
    (thrown) => `${thrown.code}: ${thrown.message}`,
  );
}

/** What openssl says of a leaf for `host`: "" when it accepts it under `anchor` alone, by the strict rules. */
async function opensslOf(openssl: Bench, files: Made, host: string, at = now): Promise<string> {
  const ca = await loadCa(files, at);
  const leaf = await (await leafMinter(ca, { now: () => at }))(host);
  openssl.write("anchor.pem", ca.anchorPem);
  openssl.write("leaf.pem", leaf.cert);
  const kind = /^[0-9.]+$|:/.test(host) ? "-verify_ip" : "-verify_hostname";
  const chain = ["-CAfile", "anchor.pem", "-no-CApath", "-untrusted", "leaf.pem"];
  const how = ["-x509_strict", "-purpose", "sslserver", "-attime", String(Math.floor(at / 1000)), kind, host];
  const { ok, said } = openssl.try("verify", ...chain, ...how, "leaf.pem");
  return ok ? "" : said;
}

withOpenssl("loadCa refuses", () => {
  const openssl = missing === null ? fresh() : ({} as Bench);
  const good = missing === null ? certify(openssl, { name: "good" }) : { certPem: "", keyPem: "" };

  test("texts that are no certificate, or a damaged one", async () => {
    for (const [text, why] of [
      ["", "no PEM block"],
      ["-----BEGIN CERTIFICATE-----\nAAAA", "damaged"],
      ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not DER"],
      [good.keyPem, "no PEM block"],
      [good.certPem.repeat(17), "17 certificates"],
    ] as const) {
      expect(await refusal(loadCa({ ...good, certPem: text }, now))).toMatch(
        new RegExp(`^certificate_invalid: .*${why}`),
      );
    }
  });

  test("every truncation and no byte too many of its DER", () => {
    const der = readCertificates(good.certPem)[0]?.der ?? new Uint8Array();
    const pem = (bytes: Uint8Array) =>
      `-----BEGIN CERTIFICATE-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE-----\n`;
    expect(readCertificates(pem(der))).toHaveLength(1);
    for (let cut = 0; cut < der.length; cut++) {
      expect(() => readCertificates(pem(der.subarray(0, cut)))).toThrow(/^read a certificate/);
    }
    expect(() => readCertificates(pem(Buffer.concat([der, Uint8Array.of(0)])))).toThrow("not DER");
  });

  test("any byte of its DER changed is a Fault, and never another CA of the same name", async () => {
    const [certificate] = readCertificates(good.certPem);
    const der = certificate?.der ?? new Uint8Array();
    for (let at = 0; at < der.length; at++) {
      const bytes = Uint8Array.from(der);
      bytes[at] = (bytes[at] ?? 0) ^ 0x81;
      const certPem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE-----\n`;
      const said = await refusal(loadCa({ ...good, certPem }, now));
      // What no longer is its own issuer is an intermediate, whose signature is for those to check who have its issuer.
      const [changed] = said === "it was accepted" ? readCertificates(certPem) : [];
      if (changed === undefined) expect(said).toMatch(/^(certificate_invalid|key_invalid): /);
      else expect(selfIssued(changed)).toBe(false);
    }
  }, 120_000);

  test("a key of another CA, of another kind, none, two, an encrypted one, and never quotes it", async () => {
    const other = certify(openssl, { name: "other" });
    const rsa = certify(openssl, { name: "rsa-key", key: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] });
    openssl.run("pkey", "-in", "good.key", "-aes256", "-passout", "pass:x", "-out", "encrypted.key");
    openssl.run("ec", "-in", "good.key", "-aes256", "-passout", "pass:x", "-out", "encrypted-sec1.key");
    for (const [keyPem, why] of [
      [other.keyPem, "not that of the certificate"],
      [rsa.keyPem, "not the P-256 key of the certificate"],
      [good.certPem, "0 PEM blocks"],
      [good.keyPem + other.keyPem, "2 PEM blocks"],
      [openssl.read("encrypted.key"), "encrypted"],
      [openssl.read("encrypted-sec1.key"), "encrypted"],
      [good.keyPem.replace(/\n[A-Za-z0-9+/]{8}/, "\nAAAAAAAA"), "damaged"],
    ] as const) {
      const said = await refusal(loadCa({ ...good, keyPem }, now));
      expect(said).toMatch(new RegExp(`^key_invalid: .*${why}`));
      expect(said).not.toContain(keyPem.split("\n")[1] ?? "?");
    }
  });

  test.each([
    ["a leaf", ["basicConstraints=CA:FALSE"], "not a CA"],
    ["a certificate that says nothing of it", [], "not a CA"],
    ["a CA that may only sign lists", ["basicConstraints=CA:TRUE", "keyUsage=cRLSign"], "keyCertSign"],
  ])("%s", async (_, extensions, why) => {
    const files = certify(openssl, { name: "poor", extensions });
    expect(await refusal(loadCa(files, now))).toMatch(new RegExp(`^certificate_invalid: .*${why}`));
  });

  test.each([
    ["RSA of 1024 bits", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "1024 bits"],
    ["P-521", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "of a kind that cannot be used"],
    ["Ed25519", ["-algorithm", "ED25519"], "of a kind that cannot be used"],
  ])("a key of %s", async (_, key, why) => {
    expect(await refusal(loadCa(certify(openssl, { name: "poor-key", key }), now))).toContain(why);
  });

  test("one that is over, and one that has not begun, to the millisecond", async () => {
    const files = certify(openssl, { name: "short", days: 1 });
    const [certificate] = readCertificates(files.certPem);
    const { notBefore = 0, notAfter = 0 } = certificate ?? {};
    expect(await refusal(loadCa(files, notAfter))).toBe("it was accepted");
    expect(await refusal(loadCa(files, notAfter + 1))).toMatch(/^certificate_invalid: .*"CN=short" expired on 20/);
    expect(await refusal(loadCa(files, notBefore))).toBe("it was accepted");
    expect(await refusal(loadCa(files, notBefore - 1))).toContain("is not valid before");
  });

  test("a chain in the wrong order, of a stranger, of an impostor, and longer than it may be", async () => {
    const root = certify(openssl, {
      name: "root",
      extensions: ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=keyCertSign"],
    });
    const sub = certify(openssl, { name: "sub", by: "root" });
    const stranger = certify(fresh(), { name: "stranger" });
    const impostor = certify(fresh(), { name: "root" });
    const { keyPem } = sub;
    for (const [certPem, why] of [
      [root.certPem + sub.certPem, "is not the issuer of the one before it"],
      [sub.certPem + stranger.certPem, '"CN=stranger", is not the issuer'],
      [sub.certPem + impostor.certPem, '"CN=root" did not sign'],
      [sub.certPem + root.certPem, '"CN=root" allows 0 CAs below it, and there are 1'],
    ] as const) {
      const said = await refusal(
        loadCa({ certPem, keyPem: certPem.startsWith(root.certPem) ? root.keyPem : keyPem }, now),
      );
      expect(said).toContain(why);
    }
  });
});

withOpenssl("loadCa takes what openssl makes", () => {
  test.each([
    ["P-256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]],
    ["P-384", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["RSA 2048", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]],
  ])("%s, with its key as PKCS#8 and in its older form, and its leaves verify", async (_, key) => {
    const openssl = fresh();
    const files = certify(openssl, { name: "kind", key });
    expect(await opensslOf(openssl, files, "kind.test")).toBe("");
    openssl.run("pkey", "-traditional", "-in", "kind.key", "-out", "old.key");
    expect(openssl.read("old.key")).toMatch(/BEGIN (EC|RSA) PRIVATE KEY/);
    expect(await opensslOf(openssl, { ...files, keyPem: openssl.read("old.key") }, "kind.test")).toBe("");
  });

  test("an intermediate with its chain: a client that trusts the root alone follows it, and no root is sent", async () => {
    const openssl = fresh();
    const root = certify(openssl, { name: "root" });
    const upper = certify(openssl, { name: "upper", by: "root", days: 5 });
    const lower = certify(openssl, {
      name: "lower",
      by: "upper",
      extensions: [
        "basicConstraints=critical,CA:TRUE,pathlen:0",
        "keyUsage=critical,keyCertSign",
        "authorityKeyIdentifier=keyid",
      ],
    });
    const files = { certPem: lower.certPem + upper.certPem + root.certPem, keyPem: lower.keyPem };
    const ca = await loadCa(files, now);
    expect(readCertificates(ca.chainPem).map(({ subject }) => nameText(subject))).toEqual(["CN=lower", "CN=upper"]);
    expect(readCertificates(ca.anchorPem).map(({ subject }) => nameText(subject))).toEqual(["CN=root"]);
    const ends = readCertificates(upper.certPem)[0]?.notAfter;
    expect(ca.notAfter).toBe(ends ?? 0);
    openssl.write("anchor.pem", ca.anchorPem);
    const leaf = await (await leafMinter(ca, { now: () => now }))("deep.test");
    openssl.write("leaf.pem", leaf.cert);
    openssl.run(
      "verify",
      "-attime",
      String(Math.floor(now / 1000)),
      "-CAfile",
      "anchor.pem",
      "-no-CApath",
      "-untrusted",
      "leaf.pem",
      "-verify_hostname",
      "deep.test",
      "leaf.pem",
    );
    // An intermediate alone will do, where clients know the rest or trust it as it stands.
    const alone = await loadCa(lower, now);
    expect(readCertificates(alone.chainPem).map(({ subject }) => nameText(subject))).toEqual(["CN=lower"]);
    expect(alone.anchorPem).toBe(alone.chainPem);
  });

  test("a CA whose chain is signed in a way only clients can check", async () => {
    const openssl = fresh();
    const root = certify(openssl, { name: "root", key: ["-algorithm", "ED25519"] });
    const sub = certify(openssl, { name: "sub", by: "root" });
    expect(await refusal(loadCa({ certPem: sub.certPem + root.certPem, keyPem: sub.keyPem }, now))).toBe(
      "it was accepted",
    );
  });

  test("a CA with name constraints, and a client refuses the leaf it forbids", async () => {
    const openssl = fresh();
    const extensions = [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=critical,keyCertSign",
      "nameConstraints=critical,permitted;DNS:corp.test",
    ];
    const files = certify(openssl, { name: "narrow", extensions });
    expect((await loadCa(files, now)).certificate.nameConstraints).toBe(true);
    expect(await opensslOf(openssl, files, "a.corp.test")).toBe("");
    expect(await opensslOf(openssl, files, "corp.example")).toContain("permitted subtree violation");
  });
});

describe("createCa", () => {
  test("refuses names and times that cannot be", async () => {
    const good = { commonName: "c", days: 1, key: "P-256" } as const;
    for (const poor of ["", "a\nb", "x".repeat(65)]) {
      await expect(createCa({ ...good, commonName: poor }, now)).rejects.toThrow("a common name");
    }
    for (const days of [0, -1, Number.NaN, 36_501]) {
      await expect(createCa({ ...good, days }, now)).rejects.toThrow("a CA lives");
    }
  });

  test("the serial number is positive, 16 bytes, and another each time", async () => {
    const serials = new Set<string>();
    for (let i = 0; i < 32; i++) {
      const { certPem } = await createCa({ commonName: "c", days: 1, key: "P-256" }, now);
      serials.add(readCertificates(certPem)[0]?.serial ?? "");
    }
    expect(serials.size).toBe(32);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  });

  if (missing !== null) return;

  test.each(["P-256", "P-384", "RSA"] as const)("%s: openssl reads what was meant, and the key fits", async (key) => {
    const openssl = fresh();
    const files = await createCa({ commonName: "Ünïcode 鍵 CA", days: 3650, key }, now);
    openssl.write("ca.crt", files.certPem);
    openssl.write("ca.key", files.keyPem);
    const said = openssl.run("x509", "-in", "ca.crt", "-noout", "-text");
    expect(said).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    expect(said).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    expect(said).toContain("Subject Key Identifier");
    expect(openssl.run("x509", "-in", "ca.crt", "-noout", "-pubkey")).toBe(
      openssl.run("pkey", "-in", "ca.key", "-pubout"),
    );
    const print = openssl.run("x509", "-in", "ca.crt", "-noout", "-fingerprint", "-sha256").trim().split("=")[1];
    const [certificate] = readCertificates(files.certPem);
    if (certificate === undefined) throw new Error("no certificate");
    expect(await fingerprint(certificate)).toBe(print ?? "");
    expect(nameText(certificate.subject)).toBe("CN=Ünïcode 鍵 CA");
    expect(certificate.notAfter).toBe(Math.floor((now + 3650 * DAY_MS) / 1000) * 1000);
    expect(await opensslOf(openssl, files, "host.test")).toBe("");
  });

  test("a CA that lives beyond 2049 is written in the other form of time", async () => {
    const openssl = fresh();
    const files = await createCa({ commonName: "long", days: 36_500, key: "P-256" }, now);
    openssl.write("ca.crt", files.certPem);
    expect(openssl.run("x509", "-in", "ca.crt", "-noout", "-enddate")).toMatch(/notAfter=.* 21[0-9]{2} GMT/);
    expect(await opensslOf(openssl, files, "host.test")).toBe("");
    expect(await opensslOf(openssl, files, "late.test", Date.UTC(2049, 11, 31, 12))).toBe("");
    expect(await opensslOf(openssl, files, "later.test", Date.UTC(2050, 5, 1))).toBe("");
  });

  test("a client whose clock is 59 minutes behind accepts it, one that is 61 behind does not", async () => {
    const openssl = fresh();
    const files = await createCa({ commonName: "skew", days: 30, key: "P-256" }, now);
    const ca = await loadCa(files, now);
    const leaf = await (await leafMinter(ca, { now: () => now }))("skew.test");
    openssl.write("ca.crt", files.certPem);
    openssl.write("leaf.pem", leaf.cert);
    const at = (minutes: number) =>
      openssl.try("verify", "-CAfile", "ca.crt", "-attime", String(Math.floor(now / 1000) + 60 * minutes), "leaf.pem")
        .ok;
    expect([at(-61), at(-59), at(0), at(23 * 60), at(25 * 60)]).toEqual([false, true, true, true, false]);
  });
});
