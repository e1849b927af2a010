/** The keys a CA may have, and how certificates are signed and checked with them. */
import { Fault } from "../errors.ts";
import { type Bytes, bitsOf, DerReader, dotted, oid, sequence, TAG, tlv, unsigned } from "./der.ts";
import { type PemBlock, readPem } from "./pem.ts";

export type CurveName = "P-256" | "P-384";

/** What a public key is; `bits` of the modulus. */
export type KeyKind =
  | { readonly type: "EC"; readonly curve: CurveName }
  | { readonly type: "RSA"; readonly bits: number };

export const RSA_BITS = { least: 2048, most: 8192 } as const;

const EC = "1.2.840.10045.2.1";
const RSA = "1.2.840.113549.1.1.1";
const CURVES: Readonly<Record<string, CurveName>> = { "1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384" };
const RSA_ALGORITHM = sequence(oid(RSA), tlv(TAG.null));

/** Bytes of r and of s. */
const HALF: Readonly<Record<CurveName, number>> = { "P-256": 32, "P-384": 48 };

/** Of a SubjectPublicKeyInfo; null for any other kind. Throws Fault `certificate_invalid` when it is none. */
export function keyKindOf(publicKey: Bytes): KeyKind | null {
  const info = new DerReader(publicKey).inner();
  const algorithm = info.inner();
  const id = dotted(algorithm.next(TAG.oid).content);
  const key = bitsOf(info.next(TAG.bitString));
  if (id === EC) {
    const curve = CURVES[dotted(algorithm.next(TAG.oid).content)];
    return curve === undefined ? null : { type: "EC", curve };
  }
  if (id !== RSA) return null;
  const modulus = new DerReader(key).inner().next(TAG.integer).content;
  const first = modulus.findIndex((byte) => byte !== 0);
  return { type: "RSA", bits: first < 0 ? 0 : (modulus.length - first) * 8 - Math.clz32(modulus[first] ?? 0) + 24 };
}

export function kindText(kind: KeyKind): string {
  return kind.type === "RSA" ? `RSA ${kind.bits}` : kind.curve;
}

function importing(kind: KeyKind, hash: string): EcKeyImportParams | RsaHashedImportParams {
  return kind.type === "EC" ? { name: "ECDSA", namedCurve: kind.curve } : { name: "RSASSA-PKCS1-v1_5", hash };
}

/** What a private key signs with: SHA-384 goes with P-384, SHA-256 with the others. */
export function hashOf(kind: KeyKind): "SHA-256" | "SHA-384" {
  return kind.type === "EC" && kind.curve === "P-384" ? "SHA-384" : "SHA-256";
}

/** DER of the AlgorithmIdentifier of what `kind` signs (RFC 5758, RFC 4055). */
export function signatureAlgorithmOf(kind: KeyKind): Bytes {
  if (kind.type === "RSA") return sequence(oid("1.2.840.113549.1.1.11"), tlv(TAG.null));
  return sequence(oid(kind.curve === "P-256" ? "1.2.840.10045.4.3.2" : "1.2.840.10045.4.3.3"));
}

/** The private key of a PEM text: PKCS#8, SEC 1 or PKCS#1, of the kind that is told. Rejects with Fault `key_invalid`. */
export async function importPrivate(pem: string, kind: KeyKind): Promise<CryptoKey> {
  // The older form of an encrypted key has lines in it that are no base64.
  if (pem.includes("ENCRYPTED")) {
    throw new Fault(
      "key_invalid",
      "read a private key: it is encrypted; decrypt it with openssl pkey, and keep the file 0600",
    );
  }
  const blocks = readPem(pem);
  const keys = blocks.filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [block] = keys;
  if (block === undefined || keys.length > 1) {
    throw new Fault("key_invalid", `read a private key: the file has ${keys.length} PEM blocks of one`);
  }
  try {
    const der = pkcs8Of(block, kind);
    return await crypto.subtle.importKey("pkcs8", der, importing(kind, hashOf(kind)), false, ["sign"]);
  } catch (cause) {
    if (cause instanceof Fault && cause.code === "key_invalid") throw cause;
    throw new Fault(
      "key_invalid",
      `read a private key: it is damaged, or not the ${kindText(kind)} key of the certificate`,
      {
        cause,
      },
    );
  }
}

function pkcs8Of({ label, der }: PemBlock, kind: KeyKind): Bytes {
  if (label === "PRIVATE KEY") return der;
  const zero = unsigned(Uint8Array.of(0));
  if (label === "RSA PRIVATE KEY" && kind.type === "RSA")
    return sequence(zero, RSA_ALGORITHM, tlv(TAG.octetString, der));
  if (label === "EC PRIVATE KEY" && kind.type === "EC") {
    const curve = Object.keys(CURVES).find((id) => CURVES[id] === kind.curve) ?? "";
    return sequence(zero, sequence(oid(EC), oid(curve)), tlv(TAG.octetString, der));
  }
  throw new Fault("key_invalid", `read a private key: a ${JSON.stringify(label)} block is not a ${kindText(kind)} key`);
}

/** The signature as a certificate carries it. */
export async function signWith(key: CryptoKey, kind: KeyKind, data: Bytes): Promise<Bytes> {
  if (kind.type === "RSA") return new Uint8Array(await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key, data));
  const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: hashOf(kind) }, key, data));
  const half = HALF[kind.curve];
  return sequence(unsigned(raw.subarray(0, half)), unsigned(raw.subarray(half)));
}

const HASHES: Readonly<Record<string, { readonly type: KeyKind["type"]; readonly hash: string }>> = {
  "1.2.840.10045.4.3.2": { type: "EC", hash: "SHA-256" },
  "1.2.840.10045.4.3.3": { type: "EC", hash: "SHA-384" },
  "1.2.840.10045.4.3.4": { type: "EC", hash: "SHA-512" },
  "1.2.840.113549.1.1.11": { type: "RSA", hash: "SHA-256" },
  "1.2.840.113549.1.1.12": { type: "RSA", hash: "SHA-384" },
  "1.2.840.113549.1.1.13": { type: "RSA", hash: "SHA-512" },
};

export interface Signed {
  readonly data: Bytes;
  readonly signature: Bytes;
  /** Object identifier. */
  readonly algorithm: string;
}

/**
 * Whether the key signed it; null when that cannot be told here (P-521, RSA-PSS, Ed25519, a hash this runtime does not
 * pair with the curve). `publicKey` is a SubjectPublicKeyInfo.
 */
export async function signedBy(publicKey: Bytes, { data, signature, algorithm }: Signed): Promise<boolean | null> {
  const kind = keyKindOf(publicKey);
  const how = HASHES[algorithm];
  if (kind === null || how === undefined) return null;
  if (kind.type !== how.type) return false;
  try {
    const key = await crypto.subtle.importKey("spki", publicKey, importing(kind, how.hash), false, ["verify"]);
    if (kind.type === "RSA") return await crypto.subtle.verify("RSASSA-PKCS1-v1_5", key, signature, data);
    const raw = rawSignature(signature, HALF[kind.curve]);
    return raw !== null && (await crypto.subtle.verify({ name: "ECDSA", hash: how.hash }, key, raw, data));
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "NotSupportedError") return null;
    if (thrown instanceof Fault) throw thrown;
    return false;
  }
}

/** r and s of equal length, as Web Crypto has them. */
function rawSignature(der: Bytes, half: number): Bytes | null {
  const fields = new DerReader(der).inner();
  const raw = new Uint8Array(2 * half);
  for (let index = 0; index < 2; index++) {
    const content = fields.next(TAG.integer).content;
    const number = content[0] === 0 ? content.subarray(1) : content;
    if (number.length > half) return null;
    raw.set(number, (index + 1) * half - number.length);
  }
  return raw;
}
