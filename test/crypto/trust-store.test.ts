import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa } from "../../src/crypto/ca.ts";
import { trustStore } from "../../src/crypto/trust-store.ts";
import { testUnless, tool } from "../_skip.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function two(): Promise<[string, string]> {
  const made = async (commonName: string) =>
    (await createCa({ commonName, days: 2, key: "P-256" }, Date.now())).certPem;
  return [await made("first"), await made("second")];
}

function stored(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe("trustStore", () => {
  testUnless(tool("keytool"), "keytool finds each certificate, as trusted, without a password", async () => {
    const path = stored("two.p12", trustStore(await two()));
    const list = ["-J-Duser.language=en", "-list", "-v", "-keystore", path, "-storetype", "PKCS12"];
    const { stdout } = spawnSync("keytool", list, { encoding: "utf8", input: "\n" });
    expect(stdout).toContain("Your keystore contains 2 entries");
    expect(stdout.match(/Entry type: trustedCertEntry/g)?.length).toBe(2);
    expect(stdout).toContain("Owner: CN=first");
    expect(stdout).toContain("Owner: CN=second");
  });

  testUnless(tool("openssl"), "openssl reads the certificates back as they were", async () => {
    const pems = await two();
    const path = stored("openssl.p12", trustStore([pems.join("text between them\n")]));
    const read = ["pkcs12", "-in", path, "-nokeys", "-nomacver", "-passin", "pass:"];
    const { stdout } = spawnSync("openssl", read, { encoding: "utf8" });
    for (const pem of pems) expect(stdout).toContain(pem);
  });

  test("keys in the same text stay out of it", async () => {
    const { certPem, keyPem } = await createCa({ commonName: "with a key", days: 2, key: "P-256" }, Date.now());
    expect(trustStore([`${keyPem}${certPem}`])).toEqual(trustStore([certPem]));
  });
});
