import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalize } from "../../src/crypto/canonical.ts";
import { portableDigest as digest } from "../../src/crypto/digest.ts";
import { loadVerifiers } from "../../src/crypto/keys.ts";
import type { Verifier } from "../../src/crypto/signature.ts";
import { asciiJson } from "../../src/evidence/certificate.ts";
import { openEvidence } from "../../src/evidence/evidence.ts";
import { readCertificate } from "../../src/evidence/read-certificate.ts";
import { checkSignature } from "../../src/evidence/verify.ts";
import { pythonWith, testUnless, tool } from "../_skip.ts";
import { AUDIT, config, draft, failClosedDraft, SECRET, signer } from "../evidence/_draft.ts";
import { Memory } from "../evidence/_memory.ts";

interface Vector {
  readonly name: string;
  readonly algorithm: string;
  readonly certificate: string;
  readonly header: string;
  readonly signed_text: string;
  readonly signed_sha256: string;
}

const at = (name: string) => join(import.meta.dir, name);
const json = <T>(name: string) => JSON.parse(readFileSync(at(name), "utf8")) as T;

const golden = json<{ hmac_secret: string; jwks: object; certificates: Vector[] }>("certificates.json");
const refused = json<{ certificates: { name: string; code: string; certificate: string }[] }>(
  "refused.json",
).certificates;
const document = readFileSync(join(import.meta.dir, "../../docs/certificate.md"), "utf8");

const keys = new Map<string, Verifier>();
for (const text of [golden.hmac_secret, JSON.stringify(golden.jwks)]) {
  for (const key of await loadVerifiers(text, digest)) keys.set(key.kid, key);
}

async function codeOf(certificate: string): Promise<string | null> {
  const read = readCertificate(certificate);
  return "code" in read ? read.code : ((await checkSignature(read, keys))?.code ?? null);
}

for (const { name, json: text, canonical } of json<{ name: string; json: string; canonical: string }[]>(
  "canonical.json",
)) {
  test(`canonicalize agrees with the golden vector of ${name}`, () => {
    expect(canonicalize(JSON.parse(text))).toBe(canonical);
  });
}

for (const vector of golden.certificates) {
  test(`the golden certificate verifies in both forms: ${vector.name}`, async () => {
    for (const form of [vector.certificate, vector.header]) {
      expect(readCertificate(form)).toMatchObject({ signedText: vector.signed_text });
      expect(await codeOf(form)).toBeNull();
    }
    expect(digest.sha256(vector.signed_text)).toBe(vector.signed_sha256);
    expect(asciiJson(vector.certificate)).toBe(vector.header);
  });
}

for (const { name, code, certificate } of refused) {
  test(`the golden certificate with ${name} is refused as ${code}`, async () => {
    expect(await codeOf(certificate)).toBe(code);
  });
}

test("the worked example in docs/certificate.md verifies and is what the code computes", async () => {
  const [certificate = "", signed = "", mac = "", hash = ""] = [
    ...document.matchAll(/```(?:json)?\n([^`]+)\n```/g),
  ].map(([, block]) => block ?? "");
  expect(await codeOf(certificate)).toBeNull();
  expect(readCertificate(certificate)).toMatchObject({ signedText: signed });
  expect(document).toContain(golden.hmac_secret);
  const computed = digest.hmacSha256(new TextEncoder().encode(golden.hmac_secret));
  expect([computed(signed), digest.sha256(signed)]).toEqual([mac, hash]);
  expect(document).toContain(`begins \`${computed("kid").slice(0, 16)}\``);
});

const directory = mkdtempSync(join(tmpdir(), "sallyport-vectors-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** What the verifier written from the document alone says: its lines and its exit code. */
function independent(python: string, data: string, secret = golden.hmac_secret): [string, number] {
  for (const [name, text] of [
    ["secret", secret],
    ["jwks", JSON.stringify(golden.jwks)],
    ["log", data],
  ] as const) {
    writeFileSync(join(directory, name), text);
  }
  const ran = Bun.spawnSync([
    python,
    at("verify.py"),
    "--secret-file",
    join(directory, "secret"),
    "--jwks",
    join(directory, "jwks"),
    join(directory, "log"),
  ]);
  return [ran.stdout.toString().trim() + ran.stderr.toString(), ran.exitCode];
}

testUnless(tool("python3"), "called otherwise than it is to be it says how, and is no traceback", () => {
  for (const args of [[], ["--help"], ["--jwks"], ["--jwks", "a"], ["--key-file", "a", "b"], [directory]]) {
    const { exitCode, stdout, stderr } = Bun.spawnSync(["python3", at("verify.py"), ...args]);
    expect([args, exitCode, stdout.toString()]).toEqual([args, 64, ""]);
    expect(stderr.toString()).toMatch(/verify\.py \(--secret-file FILE|^verify\.py: .* directory$/im);
  }
});

testUnless(tool("python3"), "an independent verifier agrees on every golden HMAC certificate", () => {
  for (const { algorithm, certificate, header } of golden.certificates) {
    if (algorithm !== "HMAC-SHA256") continue;
    expect(independent("python3", certificate)).toEqual(["", 0]);
    expect(independent("python3", header)).toEqual(["", 0]);
  }
  for (const { certificate, code } of refused) {
    if (certificate.includes('"hmac-')) expect(independent("python3", certificate)).toEqual([`1 ${code}`, 1]);
  }
});

const { python, missing } = pythonWith("cryptography");
testUnless(missing, "an independent verifier agrees on every golden asymmetric certificate", () => {
  for (const { algorithm, certificate } of golden.certificates) {
    if (algorithm !== "HMAC-SHA256") expect(independent(python ?? "", certificate)).toEqual(["", 0]);
  }
  for (const { certificate, code } of refused) {
    if (/"(ed25519|es256)-/.test(certificate)) expect(independent(python ?? "", certificate)).toEqual([`1 ${code}`, 1]);
  }
});

testUnless(
  tool("python3"),
  "an independent verifier agrees on a log with a recovery, and on what was done to it",
  async () => {
    const memory = new Memory();
    const evidence = await openEvidence(memory.runtime, config, signer);
    await evidence.commit(draft());
    memory.onAppend = () => ({ arrives: 30 });
    expect(() => evidence.commit(draft())).toThrow();
    await evidence.unwritten(failClosedDraft());
    memory.onAppend = () => null;
    for (let i = 0; i < 3; i++) await evidence.commit(draft({ reason: `é ${i} \u007f`, latency_ms: i / 7 }));
    await evidence.close();
    const log = memory.text(AUDIT);
    const lines = log.trimEnd().split("\n");
    expect(independent("python3", log, SECRET)).toEqual(["", 0]);
    expect(independent("python3", log.replace("é 1", "è 1"), SECRET)[0]).toBe("6 bad_signature\n7 gap");
    expect(independent("python3", lines.toSpliced(5, 1).join("\n"), SECRET)[0]).toBe("6 gap");
    expect(independent("python3", lines.toSpliced(1, 1).join("\n"), SECRET)[0]).toBe("2 malformed");
    expect(independent("python3", lines.toSpliced(3, 1).join("\n"), SECRET)[0]).toBe("3 unwritten_mismatch");
    expect(independent("python3", log.replace(/\n$/, " "), SECRET)[0]).toBe(`${lines.length} torn_tail`);
    expect(independent("python3", [...lines, ...lines.slice(-1)].join("\n"), SECRET)[0]).toBe(
      `${lines.length + 1} duplicate`,
    );
  },
);
