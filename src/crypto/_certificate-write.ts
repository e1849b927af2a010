/** The pieces a certificate of ours is made of (RFC 5280, section 4.1 and 4.2.1). */
import { OctetString } from "@peculiar/asn1-schema";
import {
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  Extension,
  Extensions,
  id_ce_keyUsage,
  KeyUsage,
  type KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  type SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";
import { type Bytes, encode } from "./_asn1.ts";
import { type KeyKind, signatureAlgorithmOf, signWith } from "./ca-key.ts";

const COMMON_NAME = "2.5.4.3";

/** Most characters of a common name (RFC 5280, A.1: ub-common-name). */
export const MAX_COMMON_NAME = 64;

/** A name of one CN, or of nothing for "". */
export function nameOf(commonName: string): Name {
  if (commonName === "") return new Name();
  const pair = new AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new AttributeValue({ utf8String: commonName }),
  });
  return new Name([new RelativeDistinguishedName([pair])]);
}

/** `id`: object identifier. `content`: what the extension says. */
export function extension(id: string, critical: boolean, content: object): Extension {
  return new Extension({ extnID: id, critical, extnValue: new OctetString(encode(content)) });
}

/** keyUsage. Always critical. */
export function keyUsage(flags: KeyUsageFlags): Extension {
  return extension(id_ce_keyUsage, true, new KeyUsage(flags));
}

/** The first 160 bits of the SHA-256 of the key's bits (RFC 7093, section 2, method 1). `publicKey`: the key's own bits. */
export async function keyIdentifier(publicKeyBits: ArrayBuffer): Promise<ArrayBuffer> {
  return (await crypto.subtle.digest("SHA-256", publicKeyBits)).slice(0, 20);
}

/** 128 bits by chance: positive, and of one length because the first bits are 01. */
function serialNumber(): ArrayBuffer {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.buffer;
}

export interface Draft {
  readonly issuer: Name;
  readonly subject: Name;
  /** Milliseconds since the epoch; fractions of a second are dropped. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: SubjectPublicKeyInfo;
  readonly extensions: readonly Extension[];
}

export interface Signing {
  readonly key: CryptoKey;
  readonly kind: KeyKind;
}

/** DER of the signed certificate. Rejects when Web Crypto does. */
export async function signCertificate(draft: Draft, { key, kind }: Signing): Promise<Bytes> {
  const algorithm = signatureAlgorithmOf(kind);
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber(),
    signature: algorithm,
    issuer: draft.issuer,
    validity: new Validity({ notBefore: new Date(draft.notBefore), notAfter: new Date(draft.notAfter) }),
    subject: draft.subject,
    subjectPublicKeyInfo: draft.publicKey,
    extensions: new Extensions([...draft.extensions]),
  });
  const signature = await signWith(key, kind, encode(tbsCertificate));
  return encode(
    new Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue: signature.slice().buffer }),
  );
}
