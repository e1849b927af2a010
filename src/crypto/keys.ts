import { Fault } from "../errors.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import type { Digest } from "./digest.ts";
import { algorithmOf, importPublic, type PublicJwk, publicPart, thumbprint } from "./jwk.ts";
import { algorithmOfDer, isRsa, type PemBlock, readPem, writePem } from "./pem.ts";
import {
  ASYMMETRIC,
  type AsymmetricAlgorithm,
  asymmetricSigner,
  asymmetricVerifier,
  hmacKey,
  type Signer,
  type Verifier,
} from "./signature.ts";

const encoder = new TextEncoder();

/** Where a signing key comes from: the two secrets of the configuration. */
export interface SigningSecrets {
  /** Raw HMAC secret. */
  readonly hmacKey: string | null;
  /** PEM (PKCS#8) or private JWK; it wins over `hmacKey`. */
  readonly signingKey: string | null;
}

/** The signer of a deployment. Rejects with Fault `key_missing` or `key_invalid`. */
export async function signerFromConfig(secrets: SigningSecrets, digest: Digest): Promise<Signer> {
  if (secrets.signingKey !== null) return (await loadPrivate(secrets.signingKey, digest)).signer;
  if (secrets.hmacKey !== null) return hmacKey(encoder.encode(secrets.hmacKey), digest);
  throw new Fault("key_missing", "find a signing key: neither JWT_SECRET_KEY nor EVE_PROXY_SIGNING_KEY is set");
}

/**
 * Every key in a file: a raw HMAC secret (one trailing newline dropped), PEM blocks (SPKI or PKCS#8), a JWK or a JWKS
 * (kty OKP, EC or oct; other kinds in a set are passed over). Rejects with Fault `key_invalid`, also when none is left.
 */
export async function loadVerifiers(text: string, digest: Digest): Promise<Verifier[]> {
  const trimmed = text.trim();
  if (trimmed.startsWith("-----BEGIN ")) {
    const keys: Verifier[] = [];
    for (const block of readPem(trimmed)) keys.push(await verifierOf(await publicOfPem(block), digest));
    return keys;
  }
  if (isBareSecret(trimmed)) return [hmacKey(encoder.encode(text.replace(/\r?\n$/, "")), digest)];
  const document = parseObject(trimmed);
  const list = Array.isArray(document.keys) ? (document.keys as unknown[]) : [document];
  const keys: Verifier[] = [];
  for (const entry of list) {
    const jwk = (entry ?? {}) as JsonWebKey;
    const open = publicPart(jwk);
    if (open !== null) keys.push(await verifierOf(open, digest));
    else if (jwk.kty === "oct") keys.push(hmacKey(octets(jwk), digest));
  }
  if (keys.length === 0) throw new Fault("key_invalid", "read a JWK: no Ed25519, P-256 or symmetric key in it");
  return keys;
}

/** Whether the text of a key file is taken as it stands, for it is of no form that keys have: any text may be such a secret. */
export function isBareSecret(text: string): boolean {
  return !/^\s*(?:-----BEGIN |\{)/.test(text);
}

/** A private key, ready to sign with, and the public part to publish. */
export interface PrivateKey {
  readonly signer: Signer;
  readonly publicJwk: PublicJwk;
  readonly key: CryptoKey;
}

/** From PEM (PKCS#8) or JWK. Rejects with Fault `key_invalid`. */
export async function loadPrivate(text: string, digest: Digest): Promise<PrivateKey> {
  const trimmed = text.trim();
  const { algorithm, key } = trimmed.startsWith("{") ? await privateOfJwk(trimmed) : await privateOfPem(trimmed);
  const publicJwk = publicPart(await crypto.subtle.exportKey("jwk", key));
  if (publicJwk === null) throw new Fault("key_invalid", "read a private key: it has no public part");
  const kid = thumbprint(publicJwk, digest);
  const signer = asymmetricSigner(algorithm, kid, key);
  // A JWK may carry a public part that is not its own; everything it signed would then be unverifiable.
  const verifier = asymmetricVerifier(algorithm, kid, await importPublic(publicJwk));
  if (!(await verifier.verify("probe", await signer.sign("probe")))) {
    throw new Fault("key_invalid", "read a private key: its public part belongs to another key");
  }
  return { signer, publicJwk, key };
}

export interface KeyPair {
  /** PKCS#8, PEM. Secret. */
  readonly privatePem: string;
  /** SPKI, PEM. */
  readonly publicPem: string;
  readonly publicJwk: PublicJwk;
}

export async function generateKey(algorithm: AsymmetricAlgorithm): Promise<KeyPair> {
  const pair = (await crypto.subtle.generateKey(ASYMMETRIC[algorithm].key, true, ["sign", "verify"])) as CryptoKeyPair;
  const publicJwk = publicPart(await crypto.subtle.exportKey("jwk", pair.publicKey));
  if (publicJwk === null) throw new Fault("unsupported", `generate a key: ${algorithm} has no public form here`);
  return {
    privatePem: writePem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey))),
    publicPem: writePem("PUBLIC KEY", new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey))),
    publicJwk,
  };
}

/** A fresh HMAC secret: 32 random bytes as 43 characters of base64url, to be used as they stand. Secret. */
export function generateSecret(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
}

async function verifierOf(jwk: PublicJwk, digest: Digest): Promise<Verifier> {
  return asymmetricVerifier(algorithmOf(jwk), thumbprint(jwk, digest), await importPublic(jwk));
}

async function publicOfPem({ label, der }: PemBlock): Promise<PublicJwk> {
  const algorithm = algorithmOfDer(der);
  const format = label === "PUBLIC KEY" ? "spki" : label === "PRIVATE KEY" ? "pkcs8" : null;
  if (algorithm === null || format === null) throw unusable(label, der);
  try {
    const key = await crypto.subtle.importKey(format, der, ASYMMETRIC[algorithm].key, true, [
      format === "spki" ? "verify" : "sign",
    ]);
    const jwk = publicPart(await crypto.subtle.exportKey("jwk", key));
    if (jwk !== null) return jwk;
  } catch (cause) {
    throw new Fault("key_invalid", `read a PEM key: the ${JSON.stringify(label)} block is damaged`, { cause });
  }
  throw unusable(label);
}

async function privateOfPem(text: string): Promise<{ algorithm: AsymmetricAlgorithm; key: CryptoKey }> {
  // The older form of an encrypted key has lines in it that are no base64.
  if (/^(?:-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(text)) throw unusable("ENCRYPTED PRIVATE KEY");
  const blocks = readPem(text);
  const block = blocks.find(({ label }) => label === "PRIVATE KEY");
  const algorithm = block === undefined ? null : algorithmOfDer(block.der);
  if (block === undefined && blocks.some(({ label }) => label === "PUBLIC KEY")) {
    throw new Fault(
      "key_invalid",
      "read a PEM key: this is the public half; give the private key, signing.pem for signing.pem.pub",
    );
  }
  if (block === undefined || algorithm === null) throw unusable(block?.label ?? blocks[0]?.label ?? "", block?.der);
  try {
    const key = await crypto.subtle.importKey("pkcs8", block.der, ASYMMETRIC[algorithm].key, true, ["sign"]);
    return { algorithm, key };
  } catch (cause) {
    throw new Fault("key_invalid", "read a PEM key: the private key is damaged", { cause });
  }
}

async function privateOfJwk(text: string): Promise<{ algorithm: AsymmetricAlgorithm; key: CryptoKey }> {
  const jwk = parseObject(text) as JsonWebKey;
  const open = publicPart(jwk);
  if (open === null || typeof jwk.d !== "string") {
    throw new Fault("key_invalid", "read a private JWK: it is no Ed25519 or P-256 key with a private part");
  }
  const algorithm = algorithmOf(open);
  try {
    const key = await crypto.subtle.importKey("jwk", { ...open, d: jwk.d }, ASYMMETRIC[algorithm].key, true, ["sign"]);
    // Some Web Crypto implementations compute the public part themselves and never look at the one given.
    if ((await crypto.subtle.exportKey("jwk", key)).x !== open.x) throw new TypeError("x is not that of d");
    return { algorithm, key };
  } catch (cause) {
    throw new Fault("key_invalid", "read a private JWK: the key is damaged", { cause });
  }
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below: the message of JSON.parse may quote the key.
  }
  throw new Fault("key_invalid", "read a key that starts with {: it is not a JSON object");
}

function octets(jwk: JsonWebKey): Uint8Array {
  const bytes = fromBase64Url(jwk.k ?? "");
  if (bytes === null) throw new Fault("key_invalid", "read a symmetric JWK: k is not base64url");
  return bytes;
}

function unusable(label: string, der: Uint8Array = new Uint8Array()): Fault {
  if (label === "") {
    return new Fault("key_invalid", "read a PEM key: there is no PEM block in it; sallyport keys generate makes a key");
  }
  if (label === "ENCRYPTED PRIVATE KEY") {
    const how = "take the passphrase off with openssl pkey -in FILE -out NEW, and keep that 0600";
    return new Fault("key_invalid", `read a PEM key: it is encrypted; ${how}`);
  }
  if (label.startsWith("RSA ") || isRsa(der)) {
    return new Fault("key_invalid", "read a PEM key: it is RSA; an Ed25519 or P-256 key is needed");
  }
  const hint =
    label === "EC PRIVATE KEY"
      ? "convert it with: openssl pkcs8 -topk8 -nocrypt"
      : "PKCS#8 or SPKI with Ed25519 or P-256 is needed";
  return new Fault("key_invalid", `read a PEM key with a ${JSON.stringify(label)} block: ${hint}`);
}
