import { beforeAll, describe, expect, test } from "bun:test";
import { CompactSign, UnsecuredJWT } from "jose";
import {
  ATTESTATION_TYPE,
  type AttestationKey,
  type Attested,
  attestationKey,
  attestationKeys,
  attestationProblem,
  bundleProblem,
  signAttestation,
  signBundle,
} from "../../src/crypto/attestation.ts";
import { portableDigest as digest } from "../../src/crypto/digest.ts";
import { jwks } from "../../src/crypto/jwk.ts";
import { generateKey, loadPrivate } from "../../src/crypto/keys.ts";

const NOW = 1_800_000_000;
const ATTESTED: Attested = {
  request: "req_0011223344556677",
  decision: "allow",
  pillar: null,
  vector: null,
  rule: "hosts.allow[0] a.test",
  reason: "allowed by policy",
  would: null,
  policyVersion: "sha256-0011223344556677",
  paramsHash: `sha256-${"0".repeat(64)}`,
  redactedHash: null,
  answerHash: `sha256-${"2".repeat(64)}`,
};

async function pair(type: "Ed25519" | "ECDSA-P256-SHA256" = "Ed25519"): Promise<{ key: AttestationKey; set: string }> {
  const { privatePem } = await generateKey(type);
  const { key, publicJwk } = await loadPrivate(privatePem, digest);
  return { key: attestationKey(key, publicJwk, digest), set: JSON.stringify(jwks([publicJwk], digest)) };
}

let mine: { key: AttestationKey; set: string };
let token: string;
let find: (kid: string) => AttestationKey | null;
const signed = (attested: Attested, now = NOW, key = mine.key) =>
  signAttestation(attested, { ...key, now, jti: "0".repeat(32), tenant: "acme" });

beforeAll(async () => {
  mine = await pair();
  const keys = await attestationKeys(mine.set, digest);
  find = (kid) => keys.get(kid) ?? null;
  token = await signed(ATTESTED);
});

/** Another payload or header under a true signature. */
function forged(header: object, payload: object, key: CryptoKey): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(payload));
  return new CompactSign(bytes).setProtectedHeader({ alg: "EdDSA", ...header }).sign(key);
}

describe("an attestation does not hold", () => {
  const problem = (text: string, wanted = ATTESTED, now = NOW) => attestationProblem(text, wanted, { find, now });

  test("for another question, answer or word of it", async () => {
    const others: Partial<Attested>[] = [
      { request: "req_0011223344556678" },
      { decision: "deny" },
      { pillar: "128" },
      { vector: "701" },
      { rule: null },
      { reason: "allowed by nobody" },
      { would: "deny" },
      { policyVersion: null },
      { paramsHash: `sha256-${"0".repeat(63)}1` },
      { redactedHash: `sha256-${"0".repeat(64)}` },
      { answerHash: `sha256-${"2".repeat(63)}1` },
    ];
    for (const other of others) expect(await problem(token, { ...ATTESTED, ...other })).toMatch(/^says another /);
  });

  test("without a hash of the whole answer", async () => {
    const { answerHash: _, ...rest } = ATTESTED;
    expect(await problem(await signed(rest as Attested))).toBe("says another answer_hash");
  });

  test("when it has expired, or is of a time to come", async () => {
    expect(await problem(token, ATTESTED, NOW + 69)).toBeNull();
    expect(await problem(token, ATTESTED, NOW + 71)).not.toBeNull();
    expect(await problem(token, ATTESTED, NOW - 9)).toBeNull();
    expect(await problem(token, ATTESTED, NOW - 3600)).not.toBeNull();
  });

  test("with algorithm none, and with a symmetric one keyed by what is public", async () => {
    const none = new UnsecuredJWT({ decision: "allow" }).setIssuer("sallyport").encode();
    expect(await problem(none)).not.toBeNull();
    const [, payload = ""] = token.split(".");
    for (const alg of ["none", "HS256", "RS256", "ES256"]) {
      const header = btoa(JSON.stringify({ alg, kid: mine.key.kid, typ: ATTESTATION_TYPE })).replaceAll("=", "");
      expect(await problem(`${header}.${payload}.`)).not.toBeNull();
      expect(await problem(`${header}.${payload}.${"A".repeat(86)}`)).not.toBeNull();
    }
  });

  test("by a key that is not known, also under the name of one that is", async () => {
    const other = await pair();
    expect(await problem(await signed(ATTESTED, NOW, other.key))).toBe("is by an unknown key");
    expect(await problem(await signed(ATTESTED, NOW, { ...other.key, kid: mine.key.kid }))).toBe(
      "has a wrong signature",
    );
  });

  test("without a name of a key, of another type, or from another issuer", async () => {
    const claims = JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")));
    const { kid, key } = mine.key;
    expect(await problem(await forged({ kid, typ: ATTESTATION_TYPE }, claims, key))).toBeNull();
    expect(await problem(await forged({ typ: ATTESTATION_TYPE }, claims, key))).toBe("names no key");
    expect(await problem(await forged({ kid, typ: "JWT" }, claims, key))).toBe("is of another type");
    expect(await problem(await forged({ kid, typ: ATTESTATION_TYPE }, { ...claims, iss: "x" }, key))).toContain("iss");
    for (const claim of ["exp", "iat", "jti", "sub"]) {
      const { [claim]: _, ...rest } = claims;
      expect(await problem(await forged({ kid, typ: ATTESTATION_TYPE }, rest, key))).not.toBeNull();
    }
  });

  test("with any byte changed", async () => {
    for (let at = 0; at < token.length; at += 7) {
      const other = token[at] === "A" ? "B" : "A";
      const changed = `${token.slice(0, at)}${other}${token.slice(at + 1)}`;
      // The last characters of base64url may carry bits that say nothing.
      if (at < token.length - 2) expect(await problem(changed)).not.toBeNull();
    }
    for (const junk of ["", ".", "..", "a.b.c", `${token}.x`, "é".repeat(40)])
      expect(await problem(junk)).not.toBeNull();
  });
});

test("an attestation by either kind of key holds", async () => {
  for (const type of ["Ed25519", "ECDSA-P256-SHA256"] as const) {
    const { key, set } = await pair(type);
    const keys = await attestationKeys(set, digest);
    const text = await signed(ATTESTED, NOW, key);
    expect(await attestationProblem(text, ATTESTED, { find: (kid) => keys.get(kid) ?? null, now: NOW })).toBeNull();
  }
});

test("a set without a usable key is none", async () => {
  for (const text of ["", "{}", "[]", '{"keys":[]}', '{"keys":[{"kty":"oct","k":"AAAA"}]}', '{"keys":[null,1]}']) {
    await expect(attestationKeys(text, digest)).rejects.toMatchObject({ code: "key_invalid" });
  }
});

describe("a bundle's signature", () => {
  const content = { tenant: "acme", version: "sha256-1", files: [{ name: "a.yaml", text: "version: 1\n" }] };

  test("holds for exactly what was signed", async () => {
    const signature = await signBundle(content, mine.key);
    expect(await bundleProblem(content, signature, find)).toBeNull();
    const others = [
      { ...content, tenant: "acmf" },
      { ...content, version: "sha256-2" },
      { ...content, files: [] },
      { ...content, files: [{ name: "b.yaml", text: "version: 1\n" }] },
      { ...content, files: [{ name: "a.yaml", text: "version: 1" }] },
    ];
    for (const other of others) expect(await bundleProblem(other, signature, find)).toBe("has a wrong signature");
  });

  test("is not to be left out, nor an attestation, nor anybody's", async () => {
    expect(await bundleProblem(content, null, find)).toBe("carries no signature");
    const [header = "", , mark = ""] = token.split(".");
    expect(await bundleProblem(content, `${header}..${mark}`, find)).toBe("has a signature of another type");
    const other = await pair();
    expect(await bundleProblem(content, await signBundle(content, other.key), find)).toBe(
      "is signed by an unknown key",
    );
    for (const junk of ["", "a", "..", "a.b.c", `${header}.x.${mark}`]) {
      expect(await bundleProblem(content, junk, find)).not.toBeNull();
    }
  });
});
