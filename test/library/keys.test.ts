import { describe, expect, test } from "bun:test";
import { toBase64Url } from "../../src/crypto/base64url.ts";
import { generateKey } from "../../src/crypto/keys.ts";
import { enforce } from "../../src/library/enforce.ts";
import { readSigner, readVerifiers, type SigningKey, type VerifyingKey } from "../../src/library/keys.ts";
import { verifyCertificate } from "../../src/library/verify-certificate.ts";

const encoder = new TextEncoder();
const secret = "an HMAC secret for tests, 32 byte";
const { privatePem, publicPem, publicJwk } = await generateKey("Ed25519");
const der = Uint8Array.from(atob(publicPem.replace(/-----[^-]+-----|\s/g, "")), (char) => char.charCodeAt(0));

describe("an asymmetric key is never taken for a raw secret", () => {
  // Each of them is public: as an HMAC key it would let everybody sign.
  const disguises: Record<string, VerifyingKey> = {
    "base64 DER": publicPem.replace(/-----[^-]+-----|\s/g, ""),
    "wrapped base64 DER": publicPem.replace(/-----[^-]+-----\n/g, ""),
    "DER bytes": der,
    "an OpenSSH line": `ssh-ed25519 ${btoa(String.fromCharCode(...der))} me@example`,
    "a list of JWKs": JSON.stringify([publicJwk]),
    "a broken PEM": publicPem.slice(0, 60),
    "a certificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
  };
  for (const [name, key] of Object.entries(disguises)) {
    test(`readVerifiers refuses ${name}`, async () => {
      await expect(readVerifiers(key)).rejects.toMatchObject({ code: "key_invalid" });
    });
    test(`readSigner refuses ${name}`, async () => {
      await expect(readSigner(key as SigningKey)).rejects.toMatchObject({ code: "key_invalid" });
    });
  }

  test("readSigner refuses a public key", async () => {
    for (const key of [publicPem, { ...publicJwk }, JSON.stringify(publicJwk)]) {
      await expect(readSigner(key)).rejects.toMatchObject({ code: "key_invalid" });
    }
  });

  test("readVerifiers reads PEM and JWK as such in every wrapping", async () => {
    const wrappings: VerifyingKey[] = [
      publicPem,
      `Subject: someone\n${publicPem}`,
      `\ufeff${JSON.stringify(publicJwk)}`,
      encoder.encode(publicPem),
      encoder.encode(`\n ${JSON.stringify(publicJwk)}`),
      { ...publicJwk },
      { keys: [{ ...publicJwk }, { kty: "RSA", n: "AQAB", e: "AQAB" }] },
      privatePem,
    ];
    for (const key of wrappings) {
      expect((await readVerifiers(key)).map(({ algorithm }) => algorithm)).toEqual(["Ed25519"]);
    }
  });
});

describe("readSigner and readVerifiers agree on secrets", () => {
  const same: [string, SigningKey, VerifyingKey][] = [
    ["text", secret, secret],
    ["text and its bytes", secret, encoder.encode(secret)],
    ["text with the newline of a file", `${secret}\n`, secret],
    ["bytes that are no text", new Uint8Array(32).fill(0xff), new Uint8Array(32).fill(0xff)],
    ["text that begins like JSON", encoder.encode(`{${secret}`), encoder.encode(`{${secret}`)],
    ["a symmetric JWK", { kty: "oct", k: toBase64Url(encoder.encode(secret)) }, secret],
  ];
  for (const [name, signing, verifying] of same) {
    test(name, async () => {
      const signer = await readSigner(signing);
      const [verifier] = await readVerifiers(verifying);
      expect(verifier?.kid).toBe(signer.kid);
      expect(await verifier?.verify("text", await signer.sign("text"))).toBe(true);
    });
  }

  test("text that begins like JSON and is none is refused by both", async () => {
    await expect(readSigner(`{${secret}`)).rejects.toMatchObject({ code: "key_invalid" });
    await expect(readVerifiers(`{${secret}`)).rejects.toMatchObject({ code: "key_invalid" });
  });

  test("a secret under 16 bytes is refused by both", async () => {
    await expect(readSigner("fifteen bytes!!")).rejects.toMatchObject({ code: "key_invalid" });
    await expect(readVerifiers("fifteen bytes!!")).rejects.toMatchObject({ code: "key_invalid" });
  });

  test("what is no key at all is refused by both", async () => {
    for (const key of [null, undefined, 1, {}, [], () => 1, { sign: 1 }, { verify: 1 }]) {
      await expect(readSigner(key as unknown as SigningKey)).rejects.toMatchObject({ code: "key_invalid" });
      await expect(readVerifiers(key as unknown as VerifyingKey)).rejects.toMatchObject({ code: "key_invalid" });
    }
  });
});

test("verifyCertificate trusts no kid: a certificate signed with the public key as a secret is refused", async () => {
  const signer = await readSigner(new Uint8Array(32).fill(7));
  const { certificate } = await enforce({ caller: "test", signer }, () => 1)();
  const [honest] = await readVerifiers(publicPem);
  const forged = { ...certificate, kid: honest?.kid };
  expect(await verifyCertificate(forged, publicPem)).toMatchObject({ valid: false, code: "wrong_algorithm" });
});

test("verifyCertificate survives a verifier that throws", async () => {
  const { certificate } = await enforce({ caller: "test", signer: secret }, () => 1)();
  const verifier = {
    algorithm: "HMAC-SHA256" as const,
    kid: certificate.kid,
    verify: () => {
      throw new Error("no");
    },
  };
  expect(await verifyCertificate(certificate, verifier)).toMatchObject({ valid: false, code: "bad_signature" });
});

test("verifyCertificate reads the object once", async () => {
  const { certificate } = await enforce({ caller: "test", signer: secret }, () => 1)();
  let reads = 0;
  const shifty = { ...certificate };
  Object.defineProperty(shifty, "caller", { enumerable: true, get: () => (reads++ === 0 ? "test" : "someone else") });
  const found = await verifyCertificate(shifty, secret);
  expect(found.valid && found.certificate.caller).toBe("test");
});
