import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Descriptor, type Index, Layout } from "../../scripts/image/layout.ts";
import { publicPem, signImage, signingKey, verifyImage } from "../../scripts/release/signing.ts";
import { testUnless, tool } from "../_skip.ts";

const HERE = resolve(import.meta.dirname, "../..");
const REPOSITORY = "registry.invalid/sallyport";
const folder = mkdtempSync(join(tmpdir(), "sallyport-release-"));
afterAll(() => rmSync(folder, { recursive: true }));

const pem = (curve: string): string =>
  generateKeyPairSync("ec", { namedCurve: curve }).privateKey.export({ type: "pkcs8", format: "pem" }) as string;

function layoutAt(directory: string): { layout: Layout; image: Descriptor } {
  const layout = Layout.create(directory);
  const layer = layout.compressed(new Uint8Array(1024), "gzip", { zstd: 1, gzip: 1 });
  const config = layout.config(
    { architecture: "amd64" },
    [{ tar: new Uint8Array(1024), why: "test" }],
    "2023-11-14T22:13:20Z",
  );
  const image = layout.manifest(
    { config, layers: [layer] },
    { annotations: { "org.opencontainers.image.ref.name": "1" }, platform: { architecture: "amd64", os: "linux" } },
  );
  layout.close();
  return { layout, image };
}

test("verifyImage refuses another key, another place, another image, no signature, and a layer that was changed", () => {
  const directory = join(folder, "refused");
  const { layout, image } = layoutAt(directory);
  const key = signingKey(pem("prime256v1"));
  const open = (): Layout => Layout.open(directory);
  expect(() => verifyImage(open(), image.digest, publicPem(key), REPOSITORY)).toThrow("has 0 signatures");
  signImage(layout, image, key, REPOSITORY);
  layout.close();
  verifyImage(open(), image.digest, publicPem(key), REPOSITORY);
  const stranger = publicPem(signingKey(pem("prime256v1")));
  expect(() => verifyImage(open(), image.digest, stranger, REPOSITORY)).toThrow("does not verify");
  expect(() => verifyImage(open(), image.digest, publicPem(key), "elsewhere/x")).toThrow("another image");
  const other = `sha256:${"0".repeat(64)}`;
  expect(() => verifyImage(open(), other, publicPem(key), REPOSITORY)).toThrow("has 0 signatures");
  const { layers } = JSON.parse(new TextDecoder().decode(layout.read(image.digest))) as { layers: Descriptor[] };
  writeFileSync(join(directory, "blobs", (layers[0]?.digest ?? "").replace(":", "/")), "changed");
  expect(() => verifyImage(open(), image.digest, publicPem(key), REPOSITORY)).toThrow("other bytes");
  expect(() => signingKey(pem("secp384r1"))).toThrow("P-256");
});

testUnless(
  tool("openssl"),
  "release signs image and checksums, and openssl verifies both over cosign's payloads",
  () => {
    const dist = join(folder, "dist");
    mkdirSync(dist);
    const { image } = layoutAt(join(dist, "image"));
    writeFileSync(join(dist, "sallyport"), "binary");
    writeFileSync(join(dist, "unrelated"), "x");
    const keyFile = join(folder, "key.pem");
    writeFileSync(keyFile, pem("prime256v1"), { mode: 0o600 });
    const release = (key: string | undefined) =>
      spawnSync(process.execPath, ["scripts/release.ts", "--dir", dist, "--repository", REPOSITORY], {
        cwd: HERE,
        encoding: "utf8",
        env: { ...process.env, SALLYPORT_RELEASE_KEY: key },
      });
    expect(release(undefined).status).toBe(64);
    const { status, stdout, stderr } = release(keyFile);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain(`${REPOSITORY}@${image.digest}`);
    expect(readFileSync(join(dist, "checksums.txt"), "utf8")).toMatch(/^[0-9a-f]{64} {2}sallyport\n$/);

    const openssl = (signature: string, file: string) => {
      const raw = join(folder, "signature");
      writeFileSync(raw, Buffer.from(signature, "base64"));
      const args = ["dgst", "-sha256", "-verify", join(dist, "release.pub"), "-signature", raw, file];
      return spawnSync("openssl", args, { encoding: "utf8" }).stdout.trim();
    };
    const signature = readFileSync(join(dist, "checksums.txt.sig"), "utf8");
    expect(openssl(signature, join(dist, "checksums.txt"))).toBe("Verified OK");
    expect(openssl(signature, keyFile)).not.toBe("Verified OK");
    const index = JSON.parse(readFileSync(join(dist, "image/index.json"), "utf8")) as Index;
    const tag = `${image.digest.replace(":", "-")}.sig`;
    const signed = index.manifests.find((one) => one.annotations?.["org.opencontainers.image.ref.name"] === tag);
    const blob = (digest: string): string => join(dist, "image/blobs", digest.replace(":", "/"));
    const { layers } = JSON.parse(readFileSync(blob(signed?.digest ?? ""), "utf8")) as { layers: Descriptor[] };
    const layer = layers[0];
    expect(layer?.mediaType).toBe("application/vnd.dev.cosign.simplesigning.v1+json");
    expect(openssl(layer?.annotations?.["dev.cosignproject.cosign/signature"] ?? "", blob(layer?.digest ?? ""))).toBe(
      "Verified OK",
    );
    expect(JSON.parse(readFileSync(blob(layer?.digest ?? ""), "utf8"))).toEqual({
      critical: {
        identity: { "docker-reference": REPOSITORY },
        image: { "docker-manifest-digest": image.digest },
        type: "cosign container image signature",
      },
      optional: null,
    });
    expect(release(keyFile).stderr).toContain("signed already");
  },
  120_000,
);
