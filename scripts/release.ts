/**
 * Signs a release that was built, and verifies what it signed before it says so:
 *
 *   npm run build && bun scripts/package.ts && bun scripts/image.ts
 *   SALLYPORT_RELEASE_KEY=release.key bun scripts/release.ts --repository registry.example/sallyport
 *     --dir DIR     dist when it is not said: binaries (sallyport*), packages (*.deb), and the image in DIR/image
 *
 * The key is a file: ECDSA P-256, PKCS #8 PEM (`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`). It is never printed.
 * Written beside what is signed: checksums.txt, checksums.txt.sig, release.pub; and the signatures inside the layout.
 * docs/image.md says how the signatures are verified, and how it is done without a key.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Layout } from "./image/layout.ts";
import { digestOf } from "./image/run.ts";
import { blobVerifies, publicPem, signBlob, signImage, signingKey, verifyImage } from "./release/signing.ts";

const { values } = parseArgs({
  options: { dir: { type: "string", default: "dist" }, repository: { type: "string" } },
});
const keyPath = process.env.SALLYPORT_RELEASE_KEY;
const { repository, dir } = values;
if (keyPath === undefined || repository === undefined) {
  console.error(
    "a release is signed with a key and for a place: set SALLYPORT_RELEASE_KEY to its file, give --repository",
  );
  process.exit(64);
}
const key = signingKey(readFileSync(keyPath, "utf8"));

const layout = Layout.open(join(dir, "image"));
const unsigned = layout.manifests.filter((one) => one.platform !== undefined);
const tag = (digest: string): string => `${digest.replace(":", "-")}.sig`;
for (const image of unsigned) {
  const known = layout.manifests.some(
    (one) => one.annotations?.["org.opencontainers.image.ref.name"] === tag(image.digest),
  );
  if (known) throw new Error(`${image.digest} is signed already: build the image again`);
  signImage(layout, image, key, repository);
}
layout.close();

const files = readdirSync(dir)
  .filter((name) => /^sallyport.*$/.test(name) && statSync(join(dir, name)).isFile())
  .sort();
const checksums = files.map((name) => `${digestOf(readFileSync(join(dir, name)))}  ${name}\n`).join("");
writeFileSync(join(dir, "checksums.txt"), checksums);
writeFileSync(join(dir, "checksums.txt.sig"), `${signBlob(key, readFileSync(join(dir, "checksums.txt")))}\n`);
writeFileSync(join(dir, "release.pub"), publicPem(key));

// From the disk, with the public key alone: what a stranger would do.
const publicKey = readFileSync(join(dir, "release.pub"), "utf8");
const again = Layout.open(join(dir, "image"));
for (const { digest, annotations } of unsigned) {
  verifyImage(again, digest, publicKey, repository);
  console.log(
    `signed and verified ${repository}@${digest} ${annotations?.["org.opencontainers.image.ref.name"] ?? ""}`,
  );
}
const written = readFileSync(join(dir, "checksums.txt"));
if (!blobVerifies(publicKey, written, readFileSync(join(dir, "checksums.txt.sig"), "utf8")))
  throw new Error("the signature of checksums.txt does not verify");
for (const line of written.toString().trim().split("\n")) {
  const [sum, name = ""] = line.split("  ");
  if (sum !== digestOf(readFileSync(join(dir, name)))) throw new Error(`${name} has another checksum than was signed`);
}
console.log(`signed and verified checksums.txt: ${files.join(", ")}`);
