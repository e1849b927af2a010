/** An X.509 certificate (RFC 5280, section 4.1), read as far as a CA and what stands above it must be judged. */
import { Fault } from "../errors.ts";
import { type Bytes, bitsOf, DerReader, dotted, readTime, TAG, type Value } from "./der.ts";
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
  const outer = new DerReader(der);
  const whole = outer.inner();
  outer.end();
  const tbs = whole.next(TAG.sequence);
  const algorithm = algorithmOf(whole.next(TAG.sequence));
  const signature = bitsOf(whole.next(TAG.bitString));
  whole.end();
  const fields = new DerReader(tbs.content);
  const version = fields.optional(0xa0);
  const serial = fields.next(TAG.integer).content;
  if (algorithmOf(fields.next(TAG.sequence)) !== algorithm) throw broken("names two signature algorithms");
  const issuer = fields.next(TAG.sequence).whole;
  const validity = fields.inner();
  const notBefore = readTime(validity.next());
  const notAfter = readTime(validity.next());
  validity.end();
  const subject = fields.next(TAG.sequence).whole;
  const publicKey = fields.next(TAG.sequence).whole;
  fields.optional(0x81);
  fields.optional(0x82);
  const extensions = fields.optional(0xa3);
  fields.end();
  if (version === null || version.content[2] !== 2) throw broken("is not of version 3");
  return {
    der,
    tbs: tbs.whole,
    signatureAlgorithm: algorithm,
    signature,
    serial: hex(serial),
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey,
    ...readExtensions(extensions),
  };
}

type Extensions = Pick<Certificate, "ca" | "pathLength" | "keyUsage" | "subjectKeyId" | "nameConstraints">;

function readExtensions(field: Value | null): Extensions {
  const found = new Map<string, Bytes>();
  const list = field === null ? null : new DerReader(field.content).inner();
  while (list !== null && !list.done) {
    const extension = list.inner();
    const id = dotted(extension.next(TAG.oid).content);
    extension.optional(TAG.boolean);
    // Which of two a client would go by is not known.
    if (found.has(id)) throw broken(`has the extension ${id} twice`);
    found.set(id, extension.next(TAG.octetString).content);
    extension.end();
  }
  const constraints = found.get("2.5.29.19");
  const usage = found.get("2.5.29.15");
  const keyId = found.get("2.5.29.14");
  return {
    ...readConstraints(constraints),
    keyUsage: usage === undefined ? null : flags(new DerReader(usage).next(TAG.bitString)),
    subjectKeyId: keyId === undefined ? null : new DerReader(keyId).next(TAG.octetString).content,
    nameConstraints: found.has("2.5.29.30"),
  };
}

function readConstraints(content: Bytes | undefined): Pick<Certificate, "ca" | "pathLength"> {
  if (content === undefined) return { ca: false, pathLength: null };
  const fields = new DerReader(content).inner();
  const ca = fields.optional(TAG.boolean)?.content[0] === 0xff;
  const length = fields.optional(TAG.integer)?.content ?? null;
  fields.end();
  if (length !== null && (length.length !== 1 || (length[0] ?? 0) > 127))
    throw broken("has a path length beyond all use");
  return { ca, pathLength: length?.[0] ?? null };
}

function flags(value: Value): string {
  return Array.from(bitsOf(value, true), (byte) => byte.toString(2).padStart(8, "0")).join("");
}

function algorithmOf(value: Value): string {
  return dotted(new DerReader(value.content).next(TAG.oid).content);
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
  const list = new DerReader(name).inner();
  while (!list.done) {
    const set = list.inner(TAG.set);
    while (!set.done) {
      const pair = set.inner();
      const id = dotted(pair.next(TAG.oid).content);
      const value = new TextDecoder().decode(pair.next().content);
      parts.push(`${ATTRIBUTES[id] ?? id}=${value.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/g, "?")}`);
    }
  }
  return parts.join(", ").slice(0, 256);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function broken(what: string): Fault {
  return new Fault("certificate_invalid", `read a certificate: it ${what}`);
}
