/** The pieces a certificate of ours is made of (RFC 5280, section 4.1 and 4.2.1). */
import { type KeyKind, signatureAlgorithmOf, signWith } from "./ca-key.ts";
import { type Bytes, bitString, oid, sequence, TAG, time, tlv, unsigned } from "./der.ts";

const encoder = new TextEncoder();
const COMMON_NAME = oid("2.5.4.3");
const TRUE = tlv(TAG.boolean, Uint8Array.of(0xff));
const VERSION_3 = tlv(0xa0, unsigned(Uint8Array.of(2)));

/** Most characters of a common name (RFC 5280, A.1: ub-common-name). */
export const MAX_COMMON_NAME = 64;

/** A name of one CN, or of nothing for "". */
export function name(commonName: string): Bytes {
  if (commonName === "") return sequence();
  return sequence(tlv(TAG.set, sequence(COMMON_NAME, tlv(TAG.utf8String, encoder.encode(commonName)))));
}

/** `id`: DER of the object identifier. `content`: DER of what the extension says. */
export function extension(id: Bytes, critical: boolean, content: Bytes): Bytes {
  const wrapped = tlv(TAG.octetString, content);
  return critical ? sequence(id, TRUE, wrapped) : sequence(id, wrapped);
}

/** keyUsage; `bits` as section 4.2.1.3 numbers them, that of digitalSignature 0. Always critical. */
export function keyUsage(...bits: readonly number[]): Bytes {
  let flags = 0;
  for (const bit of bits) flags |= 0x80 >> bit;
  const unused = 7 - Math.max(...bits);
  return extension(oid("2.5.29.15"), true, tlv(TAG.bitString, Uint8Array.of(unused, flags)));
}

/** The first 160 bits of the SHA-256 of the key's bits (RFC 7093, section 2, method 1). `publicKey`: the key's own bits. */
export async function keyIdentifier(publicKeyBits: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", publicKeyBits)).subarray(0, 20);
}

/** 128 bits by chance: positive, and of one length because the first bits are 01. */
function serialNumber(): Bytes {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return tlv(TAG.integer, bytes);
}

export interface Draft {
  readonly issuer: Bytes;
  readonly subject: Bytes;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: Bytes;
  readonly extensions: readonly Bytes[];
}

export interface Signing {
  readonly key: CryptoKey;
  readonly kind: KeyKind;
}

/** DER of the signed certificate. Rejects when Web Crypto does. */
export async function signCertificate(draft: Draft, { key, kind }: Signing): Promise<Bytes> {
  const algorithm = signatureAlgorithmOf(kind);
  const tbs = sequence(
    VERSION_3,
    serialNumber(),
    algorithm,
    draft.issuer,
    sequence(time(draft.notBefore), time(draft.notAfter)),
    draft.subject,
    draft.publicKey,
    tlv(0xa3, sequence(...draft.extensions)),
  );
  return sequence(tbs, algorithm, bitString(await signWith(key, kind, tbs)));
}
