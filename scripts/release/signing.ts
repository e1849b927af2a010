/**
 * Signatures as cosign makes and verifies them with a key: ECDSA over P-256 and SHA-256, DER, base64. Of a file: of its bytes
 * (`cosign verify-blob`). Of an image: of a small JSON text, "simple signing", that names the digest of its manifest, kept as
 * the layer of a manifest of its own with the signature in an annotation (`cosign verify`).
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { Descriptor, Layout } from "../image/layout.ts";

const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE = "dev.cosignproject.cosign/signature";
const REF = "org.opencontainers.image.ref.name";

/** PKCS #8 PEM, not encrypted. Throws for another kind of key. */
export function signingKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new Error("the signing key is no ECDSA key over P-256");
  return key;
}

export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: "spki", format: "pem" }) as string;
}

export function signBlob(key: KeyObject, bytes: Uint8Array): string {
  return sign("sha256", bytes, key).toString("base64");
}

export function blobVerifies(publicKey: string, bytes: Uint8Array, signature: string): boolean {
  return verify("sha256", bytes, createPublicKey(publicKey), Buffer.from(signature, "base64"));
}

/** `repository` is where the image will be found, without a tag: cosign compares it when it is asked to. */
export function imagePayload(repository: string, digest: string): string {
  return JSON.stringify({
    critical: {
      identity: { "docker-reference": repository },
      image: { "docker-manifest-digest": digest },
      type: "cosign container image signature",
    },
    optional: null,
  });
}

/** Adds the signature of `image` under the tag where cosign looks for it: sha256-<hex>.sig. */
export function signImage(layout: Layout, image: Descriptor, key: KeyObject, repository: string): void {
  const payload = imagePayload(repository, image.digest);
  const layer = layout.blob(SIMPLE_SIGNING, payload);
  const signed = { ...layer, annotations: { [SIGNATURE]: signBlob(key, new TextEncoder().encode(payload)) } };
  const config = layout.blob(
    "application/vnd.oci.image.config.v1+json",
    JSON.stringify({ architecture: "", os: "", config: {}, rootfs: { type: "layers", diff_ids: [layer.digest] } }),
  );
  layout.manifest({ config, layers: [signed] }, { annotations: { [REF]: signatureTag(image.digest) } });
}

/** Reads what is on disk again, and believes nothing of it but the key. Throws with the reason. */
export function verifyImage(layout: Layout, digest: string, publicKey: string, repository: string): void {
  const found = layout.manifests.filter((one) => one.annotations?.[REF] === signatureTag(digest));
  if (found.length !== 1) throw new Error(`${digest} has ${found.length} signatures`);
  const manifest = JSON.parse(new TextDecoder().decode(layout.read(found[0]?.digest ?? ""))) as {
    readonly layers: readonly Descriptor[];
  };
  const [layer] = manifest.layers;
  if (layer === undefined || layer.mediaType !== SIMPLE_SIGNING)
    throw new Error(`the signature of ${digest} has no payload`);
  const payload = layout.read(layer.digest);
  if (!blobVerifies(publicKey, payload, layer.annotations?.[SIGNATURE] ?? ""))
    throw new Error(`the signature of ${digest} does not verify`);
  if (new TextDecoder().decode(payload) !== imagePayload(repository, digest))
    throw new Error(`what was signed names another image than ${digest}`);
  // The image itself, down to its layers: a signature over a manifest says nothing of blobs that are not there.
  const image = JSON.parse(new TextDecoder().decode(layout.read(digest))) as {
    readonly config: Descriptor;
    readonly layers: readonly Descriptor[];
  };
  for (const part of [image.config, ...image.layers]) layout.read(part.digest);
}

function signatureTag(digest: string): string {
  return `${digest.replace(":", "-")}.sig`;
}
