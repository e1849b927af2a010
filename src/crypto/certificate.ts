/** An X.509 certificate (RFC 5280, section 4.1), read as far as a CA and what stands above it must be judged. */
import {
  BasicConstraints,
  Extensions,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectKeyIdentifier,
  KeyUsage,
  Name,
  SubjectKeyIdentifier,
  Version,
  Certificate as Whole,
} from "@peculiar/asn1-x509";
import { Fault } from "../errors.ts";
import { type Bytes, decode, encode, sameBytes } from "./_asn1.ts";
import { readPem, writePem } from "./pem.ts";

export interface Certificate {
  readonly der: Bytes;
  /** What is signed. */
  readonly tbs: Bytes;
  /** Object identifier of the algorithm it is signed with. */
  readonly signatureAlgorithm: string;
  readonly signature: Bytes;
  /** As hex digits. */
  readonly serial: string;
  /** DER of the names: two are the same when their bytes are. */
  readonly issuer: Bytes;
  readonly subject: Bytes;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: Bytes;
  /** Of basicConstraints. */
  readonly ca: boolean;
  /** CAs that may stand between this one and a leaf; null: any number. */
  readonly pathLength: number | null;
  /** Bits of keyUsage, that of digitalSignature first; null: it says nothing of it. */
  readonly keyUsage: string | null;
  readonly subjectKeyId: Bytes | null;
  /** It says which names may be below it. What they are is not read. */
  readonly nameConstraints: boolean;
}

/** Certificates in one file, at most. */
const MAX_CERTIFICATES = 16;
const CERT_SIGN = 5;

/** Every certificate of a PEM text, in order; other blocks are passed over. Throws Fault `certificate_invalid`. */
export function readCertificates(pem: string): Certificate[] {
  const blocks = pemBlocks(pem).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0)
    throw new Fault("certificate_invalid", "read a certificate: there is no PEM block of one in it");
  if (blocks.length > MAX_CERTIFICATES) {
    throw new Fault(
      "certificate_invalid",
      `read a chain: it has ${blocks.length} certificates, and ${MAX_CERTIFICATES} are the most`,
    );
  }
  return blocks.map(({ der }) => readCertificate(der));
}

function pemBlocks(pem: string): ReturnType<typeof readPem> {
  try {
    return readPem(pem);
  } catch (cause) {
    throw new Fault("certificate_invalid", "read a certificate: a PEM block in it is damaged", { cause });
  }
}

export function readCertificate(der: Bytes): Certificate {
  const { tbsCertificate: fields, tbsCertificateRaw: tbs, signatureAlgorithm, signatureValue } = decode(der, Whole);
  if (tbs === undefined) throw broken("has nothing that is signed");
  if (!fields.signature.isEqual(signatureAlgorithm)) throw broken("names two signature algorithms");
  if (fields.version !== Version.v3) throw broken("is not of version 3");
  const notBefore = fields.validity.notBefore.getTime().getTime();
  const notAfter = fields.validity.notAfter.getTime().getTime();
  // DER has fractions of a second, which clients may refuse (RFC 5280, section 4.1.2.5.2).
  if (!Number.isInteger(notBefore / 1000) || !Number.isInteger(notAfter / 1000))
    throw broken("has a time of no second");
  return {
    der,
    tbs: new Uint8Array(tbs),
    signatureAlgorithm: signatureAlgorithm.algorithm,
    signature: new Uint8Array(signatureValue),
    serial: hex(new Uint8Array(fields.serialNumber)),
    issuer: encode(fields.issuer),
    subject: encode(fields.subject),
    notBefore,
    notAfter,
    publicKey: encode(fields.subjectPublicKeyInfo),
    ...readExtensions(fields.extensions ?? new Extensions()),
  };
}

type Told = Pick<Certificate, "ca" | "pathLength" | "keyUsage" | "subjectKeyId" | "nameConstraints">;

function readExtensions(list: Extensions): Told {
  const found = new Map<string, ArrayBuffer>();
  for (const { extnID: id, extnValue } of list) {
    // Which of two a client would go by is not known.
    if (found.has(id)) throw broken(`has the extension ${id} twice`);
    found.set(id, extnValue.buffer);
  }
  const constraints = found.get(id_ce_basicConstraints);
  const usage = found.get(id_ce_keyUsage);
  const keyId = found.get(id_ce_subjectKeyIdentifier);
  return {
    ...readConstraints(constraints),
    keyUsage: usage === undefined ? null : flags(decode(usage, KeyUsage).value),
    subjectKeyId: keyId === undefined ? null : new Uint8Array(decode(keyId, SubjectKeyIdentifier).buffer),
    nameConstraints: found.has(id_ce_nameConstraints),
  };
}

function readConstraints(content: ArrayBuffer | undefined): Pick<Certificate, "ca" | "pathLength"> {
  if (content === undefined) return { ca: false, pathLength: null };
  const { cA: ca, pathLenConstraint: length } = decode(content, BasicConstraints);
  // A number of four bytes and more is a string to the library, whatever its types say.
  if (length !== undefined && !(typeof length === "number" && length >= 0 && length <= 127))
    throw broken("has a path length beyond all use");
  return { ca, pathLength: length ?? null };
}

function flags(bits: ArrayBuffer): string {
  return Array.from(new Uint8Array(bits), (byte) => byte.toString(2).padStart(8, "0")).join("");
}

/** May sign certificates, as far as it says. */
export function maySign({ ca, keyUsage }: Certificate): boolean {
  return ca && (keyUsage === null || keyUsage[CERT_SIGN] === "1");
}

/** It names itself as its issuer: a root, or something that claims to be one. */
export function selfIssued({ issuer, subject }: Certificate): boolean {
  return sameBytes(issuer, subject);
}

export function pemOf({ der }: Certificate): string {
  return writePem("CERTIFICATE", der);
}

/** SHA-256 of the whole certificate as browsers and openssl print it: pairs of hex digits, upper case, colons between. */
export async function fingerprint({ der }: Certificate): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", der));
  return (hex(digest).toUpperCase().match(/../g) ?? []).join(":");
}

const ATTRIBUTES: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.25": "DC",
};

/** A name for people: "CN=…, O=…" in the order it stands, without characters that steer a terminal. */
export function nameText(name: Bytes): string {
  const parts: string[] = [];
  for (const set of decode(name, Name)) {
    for (const { type, value } of set) {
      const text = value.toString().replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/g, "?");
      parts.push(`${ATTRIBUTES[type] ?? type}=${text}`);
    }
  }
  return parts.join(", ").slice(0, 256);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function broken(what: string): Fault {
  return new Fault("certificate_invalid", `read a certificate: it ${what}`);
}
