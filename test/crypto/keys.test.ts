import { expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import { fromBase64Url, toBase64Url } from "../../src/crypto/base64url.ts";
import { constantTimeEqual, portableDigest as digest } from "../../src/crypto/digest.ts";
import { jwks, thumbprint } from "../../src/crypto/jwk.ts";
import { generateKey, generateSecret, loadPrivate, loadVerifiers, signerFromConfig } from "../../src/crypto/keys.ts";
import { hmacKey } from "../../src/crypto/signature.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const SECRET = "sixteen bytes at least, and then some";
const ALGORITHMS = ["Ed25519", "ECDSA-P256-SHA256"] as const;

test("hmacKey refuses a key under 16 bytes", () => {
  expect(() => hmacKey(bytes("fifteen bytes!!"), digest)).toThrow(expect.objectContaining({ code: "key_invalid" }));
  expect(hmacKey(bytes("sixteen bytes !!"), digest).algorithm).toBe("HMAC-SHA256");
});

test("signerFromConfig without any key is key_missing", async () => {
  await expect(signerFromConfig({ hmacKey: null, signingKey: null }, digest)).rejects.toMatchObject({
    code: "key_missing",
  });
});

test("signerFromConfig does not take a raw secret for a private key", async () => {
  await expect(signerFromConfig({ hmacKey: SECRET, signingKey: SECRET }, digest)).rejects.toMatchObject({
    code: "key_invalid",
  });
});

for (const [name, text] of [
  ["a PEM block without end", "-----BEGIN PUBLIC KEY-----\nAAAA\n"],
  ["a PEM block that is not base64", "-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----"],
  ["a PEM block of another kind", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
  ["an Ed25519 structure that is cut", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"],
  ["a broken JWKS", '{"keys":['],
  ["a JWKS with nothing usable", '{"keys":[{"kty":"RSA"},null,7]}'],
  [
    "a P-256 point that is not on the curve",
    JSON.stringify({ kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43) }),
  ],
  ["an Ed25519 coordinate that is short", JSON.stringify({ kty: "OKP", crv: "Ed25519", x: "AAAA" })],
  ["a short symmetric JWK", JSON.stringify({ kty: "oct", k: "AAAA" })],
] as const) {
  test(`loadVerifiers refuses ${name} without quoting it`, async () => {
    const fault = await loadVerifiers(text, digest).catch((thrown: unknown) => thrown);
    expect(fault).toMatchObject({ code: "key_invalid" });
    expect((fault as Error).message).not.toContain("AAAA");
  });
}

test("loadPrivate refuses a JWK whose public part is another key's", async () => {
  const [one, two] = await Promise.all(ALGORITHMS.slice(0, 1).flatMap((a) => [generateKey(a), generateKey(a)]));
  const key = await crypto.subtle.importKey("pkcs8", der(one?.privatePem ?? ""), { name: "Ed25519" }, true, ["sign"]);
  const jwk = { ...(await crypto.subtle.exportKey("jwk", key)), x: two?.publicJwk.x };
  await expect(loadPrivate(JSON.stringify(jwk), digest)).rejects.toMatchObject({ code: "key_invalid" });
});

test("loadPrivate says of a key that is encrypted, or RSA, what it is and what to do", async () => {
  const { generateKeyPairSync } = await import("node:crypto");
  const locked = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
  const old = { type: "sec1", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
  const p256 = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  for (const pem of [generateKeyPairSync("ed25519").privateKey.export(locked), p256().export(old)]) {
    const taken = "it is encrypted; take the passphrase off with openssl pkey -in FILE -out NEW";
    await expect(loadPrivate(pem as string, digest)).rejects.toThrow(taken);
  }
  for (const type of ["pkcs8", "pkcs1"] as const) {
    const pem = rsa.privateKey.export({ type, format: "pem" }) as string;
    await expect(loadPrivate(pem, digest)).rejects.toThrow("it is RSA; an Ed25519 or P-256 key is needed");
  }
  const open = rsa.publicKey.export({ type: "spki", format: "pem" }) as string;
  await expect(loadVerifiers(open, digest)).rejects.toThrow("it is RSA; an Ed25519 or P-256 key is needed");
});

test("loadPrivate tells the public half, and what is no key at all", async () => {
  const { publicPem } = await generateKey("Ed25519");
  await expect(loadPrivate(publicPem, digest)).rejects.toThrow("this is the public half; give the private key");
  await expect(loadPrivate("hunter2", digest)).rejects.toThrow("there is no PEM block in it; sallyport keys generate");
  await expect(loadPrivate("hunter2", digest)).rejects.not.toThrow("hunter2");
});

test("loadPrivate tells how to convert an EC PRIVATE KEY", async () => {
  const pem = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----";
  await expect(loadPrivate(pem, digest)).rejects.toThrow("openssl pkcs8");
});

test("an HMAC signature is what OpenSSL computes, its kid the first 16 hex of HMAC(key, kid)", () => {
  const key = hmacKey(bytes(SECRET), digest);
  expect(key.sign("é")).toBe(`hmac-${createHmac("sha256", SECRET).update("é").digest("hex")}`);
  expect(key.kid).toBe(createHmac("sha256", SECRET).update("kid").digest("hex").slice(0, 16));
});

test("an HMAC verifier refuses another text, another key and another spelling", async () => {
  const key = hmacKey(bytes(SECRET), digest);
  const signature = key.sign("text") as string;
  expect(key.verify("text", signature)).toBe(true);
  expect(key.verify("texT", signature)).toBe(false);
  expect(key.verify("text", signature.toUpperCase())).toBe(false);
  expect(key.verify("text", `${signature}0`)).toBe(false);
  expect(key.verify("text", "")).toBe(false);
  expect(hmacKey(bytes(`${SECRET}!`), digest).verify("text", signature)).toBe(false);
});

for (const algorithm of ALGORITHMS) {
  test(`${algorithm} verifies from PEM, JWK, JWKS and the private key, and refuses every other spelling`, async () => {
    const pair = await generateKey(algorithm);
    const { signer } = await loadPrivate(pair.privatePem, digest);
    const signature = await signer.sign("text");
    const set = JSON.stringify(jwks([pair.publicJwk], digest));
    for (const text of [pair.publicPem, pair.privatePem, JSON.stringify(pair.publicJwk), set]) {
      const [key] = await loadVerifiers(text, digest);
      if (key === undefined) throw new Error("no key");
      expect([key.kid, key.algorithm]).toEqual([signer.kid, algorithm]);
      expect(await key.verify("text", signature)).toBe(true);
      expect(await key.verify("texT", signature)).toBe(false);
      for (const wrong of [
        `${signature}=`,
        signature.slice(0, -1),
        signature.replace("-", "_"),
        `hmac-${"0".repeat(64)}`,
        "",
      ]) {
        expect(await key.verify("text", wrong)).toBe(false);
      }
      // 86 characters carry four bits too many: they must be zero, or one signature would have 16 spellings.
      const last = signature.at(-1) as string;
      const twin = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      expect(await key.verify("text", signature.slice(0, -1) + twin[twin.indexOf(last) + 1])).toBe(false);
    }
  });
}

test("a P-256 verifier accepts (r, n - s) for (r, s), as Web Crypto makes both, and no other pair", async () => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const { privatePem, publicPem } = await generateKey("ECDSA-P256-SHA256");
  const { signer } = await loadPrivate(privatePem, digest);
  const [verifier] = await loadVerifiers(publicPem, digest);
  const made = fromBase64Url((await signer.sign("text")).slice("es256-".length)) as Uint8Array;
  const number = (part: Uint8Array) => BigInt(`0x${Buffer.from(part).toString("hex")}`);
  const spelled = (s: bigint) =>
    `es256-${toBase64Url(Uint8Array.from([...made.subarray(0, 32), ...Buffer.from(s.toString(16).padStart(64, "0"), "hex")]))}`;
  const s = number(made.subarray(32));
  expect(await verifier?.verify("text", spelled(s))).toBe(true);
  expect(await verifier?.verify("text", spelled(order - s))).toBe(true);
  expect(await verifier?.verify("text", spelled(order - s + 1n))).toBe(false);
});

test("thumbprint is RFC 7638's: the example key of RFC 8037 appendix A.3", () => {
  const key = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" } as const;
  expect(thumbprint(key, digest)).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});

test("a file with a raw secret drops one trailing newline, as configuration does", async () => {
  const secret = generateSecret();
  const [key] = await loadVerifiers(`${secret}\n`, digest);
  expect(key?.kid).toBe((await signerFromConfig({ hmacKey: secret, signingKey: null }, digest)).kid);
  const [other] = await loadVerifiers(`${secret}\n\n`, digest);
  expect(other?.kid).not.toBe(key?.kid);
});

test("base64url goes there and back at every length and has one spelling", () => {
  for (let length = 0; length < 70; length++) {
    const data = crypto.getRandomValues(new Uint8Array(length));
    const text = toBase64Url(data);
    expect(text).toBe(Buffer.from(data).toString("base64url"));
    expect(fromBase64Url(text)).toEqual(data);
  }
  for (const wrong of ["A", "AB", "AAB", "AA==", "A+/A", "AAAAA", "é"]) expect(fromBase64Url(wrong)).toBeNull();
});

test("portableDigest hashes strings as UTF-8", () => {
  expect(digest.sha256("é\u{1f600}")).toBe(createHash("sha256").update("é\u{1f600}").digest("hex"));
  expect(digest.sha256(new Uint8Array([1, 2]))).toBe(
    createHash("sha256")
      .update(new Uint8Array([1, 2]))
      .digest("hex"),
  );
});

test("constantTimeEqual is equality", () => {
  for (const [a, b] of [
    ["", ""],
    ["a", "a"],
    ["a", ""],
    ["", "a"],
    ["ab", "aB"],
    ["ab", "abc"],
    ["\u0100", "\u0000"],
  ]) {
    expect(constantTimeEqual(a as string, b as string)).toBe(a === b);
  }
});

function der(pem: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (char) => char.charCodeAt(0));
}
