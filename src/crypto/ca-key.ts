/** The keys a CA may have, and how certificates are signed and checked with them. */
import {
  ECDSASigValue,
  ECParameters,
  id_ecdsaWithSHA256,
  id_ecdsaWithSHA384,
  id_ecdsaWithSHA512,
  id_ecPublicKey,
  id_secp256r1,
  id_secp384r1,
} from "@peculiar/asn1-ecc";
import { PrivateKeyInfo } from "@peculiar/asn1-pkcs8";
import {
  id_rsaEncryption,
  id_sha256WithRSAEncryption,
  id_sha384WithRSAEncryption,
  id_sha512WithRSAEncryption,
  RSAPublicKey,
} from "@peculiar/asn1-rsa";
import { OctetString } from "@peculiar/asn1-schema";
import { AlgorithmIdentifier, SubjectPublicKeyInfo } from "@peculiar/asn1-x509";
import { Fault } from "../errors.ts";
import { type Bytes, decode, encode } from "./_asn1.ts";
import { type PemBlock, readPem } from "./pem.ts";

export type CurveName = "P-256" | "P-384";

/** What a public key is; `bits` of the modulus. */
export type KeyKind =
  | { readonly type: "EC"; readonly curve: CurveName }
  | { readonly type: "RSA"; readonly bits: number };

export const RSA_BITS = { least: 2048, most: 8192 } as const;

const CURVES: Readonly<Record<string, CurveName>> = { [id_secp256r1]: "P-256", [id_secp384r1]: "P-384" };

// The identifiers are made here: in 2.11.1 of the library the constant named sha256WithRSAEncryption is that of SHA-512/256.
const RSA = new AlgorithmIdentifier({ algorithm: id_rsaEncryption, parameters: null });
const RSA_SHA_256 = new AlgorithmIdentifier({ algorithm: id_sha256WithRSAEncryption, parameters: null });
const ECDSA_SHA_256 = new AlgorithmIdentifier({ algorithm: id_ecdsaWithSHA256 });
const ECDSA_SHA_384 = new AlgorithmIdentifier({ algorithm: id_ecdsaWithSHA384 });

/** Bytes of r and of s. */
const HALF: Readonly<Record<CurveName, number>> = { "P-256": 32, "P-384": 48 };

/** Of a SubjectPublicKeyInfo; null for any other kind. Throws Fault `certificate_invalid` when it is none. */
export function keyKindOf(publicKey: Bytes): KeyKind | null {
  const { algorithm, subjectPublicKey } = decode(publicKey, SubjectPublicKeyInfo);
  if (algorithm.algorithm === id_ecPublicKey) {
    const { namedCurve } = decode(algorithm.parameters ?? new ArrayBuffer(0), ECParameters);
    const curve = namedCurve === undefined ? undefined : CURVES[namedCurve];
    return curve === undefined ? null : { type: "EC", curve };
  }
  if (algorithm.algorithm !== id_rsaEncryption) return null;
  const modulus = new Uint8Array(decode(subjectPublicKey, RSAPublicKey).modulus);
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
function hashOf(kind: KeyKind): "SHA-256" | "SHA-384" {
  return kind.type === "EC" && kind.curve === "P-384" ? "SHA-384" : "SHA-256";
}

/** Of what `kind` signs (RFC 5758, RFC 4055). */
export function signatureAlgorithmOf(kind: KeyKind): AlgorithmIdentifier {
  if (kind.type === "RSA") return RSA_SHA_256;
  return kind.curve === "P-256" ? ECDSA_SHA_256 : ECDSA_SHA_384;
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
  if (label === "RSA PRIVATE KEY" && kind.type === "RSA") return wrapped(RSA, der);
  if (label === "EC PRIVATE KEY" && kind.type === "EC") {
    const namedCurve = kind.curve === "P-256" ? id_secp256r1 : id_secp384r1;
    const parameters = encode(new ECParameters({ namedCurve })).buffer;
    return wrapped(new AlgorithmIdentifier({ algorithm: id_ecPublicKey, parameters }), der);
  }
  throw new Fault("key_invalid", `read a private key: a ${JSON.stringify(label)} block is not a ${kindText(kind)} key`);
}

/** PKCS#8 (RFC 5958) around a key of an older form. */
function wrapped(privateKeyAlgorithm: AlgorithmIdentifier, der: Bytes): Bytes {
  return encode(new PrivateKeyInfo({ privateKeyAlgorithm, privateKey: new OctetString(der) }));
}

/** The signature as a certificate carries it. */
export async function signWith(key: CryptoKey, kind: KeyKind, data: Bytes): Promise<Bytes> {
  if (kind.type === "RSA") return new Uint8Array(await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key, data));
  const raw = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: hashOf(kind) }, key, data));
  const half = HALF[kind.curve];
  return encode(new ECDSASigValue({ r: unsigned(raw.subarray(0, half)), s: unsigned(raw.subarray(half)) }));
}

/** A number that is not negative as an INTEGER has it: no zeros before it but the one that keeps it from being negative. */
function unsigned(bytes: Uint8Array): ArrayBuffer {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const digits = bytes.subarray(from);
  const sign = (digits[0] ?? 0) < 0x80 ? 0 : 1;
  const out = new Uint8Array(sign + digits.length);
  out.set(digits, sign);
  return out.buffer;
}

const HASHES: Readonly<Record<string, { readonly type: KeyKind["type"]; readonly hash: string }>> = {
  [id_ecdsaWithSHA256]: { type: "EC", hash: "SHA-256" },
  [id_ecdsaWithSHA384]: { type: "EC", hash: "SHA-384" },
  [id_ecdsaWithSHA512]: { type: "EC", hash: "SHA-512" },
  [id_sha256WithRSAEncryption]: { type: "RSA", hash: "SHA-256" },
  [id_sha384WithRSAEncryption]: { type: "RSA", hash: "SHA-384" },
  [id_sha512WithRSAEncryption]: { type: "RSA", hash: "SHA-512" },
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
  const { r, s } = decode(der, ECDSASigValue);
  const raw = new Uint8Array(2 * half);
  for (const [index, content] of [new Uint8Array(r), new Uint8Array(s)].entries()) {
    const number = content[0] === 0 ? content.subarray(1) : content;
    if (number.length > half) return null;
    raw.set(number, (index + 1) * half - number.length);
  }
  return raw;
}
