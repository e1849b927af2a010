/** The certificate authority of a deployment: read and judged, or made. */
import {
  BasicConstraints,
  id_ce_basicConstraints,
  id_ce_subjectKeyIdentifier,
  KeyUsageFlags,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
} from "@peculiar/asn1-x509";
import { Fault } from "../errors.ts";
import { decode, sameBytes } from "./_asn1.ts";
import {
  extension,
  keyIdentifier,
  keyUsage,
  MAX_COMMON_NAME,
  nameOf,
  type Signing,
  signCertificate,
} from "./_certificate-write.ts";
import {
  type CurveName,
  importPrivate,
  type KeyKind,
  keyKindOf,
  kindText,
  RSA_BITS,
  signatureAlgorithmOf,
  signedBy,
  signWith,
} from "./ca-key.ts";
import { type Certificate, maySign, nameText, pemOf, readCertificates, selfIssued } from "./certificate.ts";
import { writePem } from "./pem.ts";

/** What the two settings (or `ca.crt` and `ca.key`) hold. */
export interface CaFiles {
  /** PEM: the CA's own certificate first; behind it, of an intermediate, those above it, each signed by the next. */
  readonly certPem: string;
  /** PEM, not encrypted: PKCS#8, SEC 1 or PKCS#1. Secret. */
  readonly keyPem: string;
}

/** A CA that can sign leaves: everything `loadCa` asks for is true of it. */
export interface Ca {
  readonly certificate: Certificate;
  readonly kind: KeyKind;
  /** PEM of what a server sends behind a leaf: the CA and what is above it, without a root. "" when the CA is the root. */
  readonly chainPem: string;
  /** PEM of the topmost certificate that was given: what clients have to trust. */
  readonly anchorPem: string;
  /** The soonest end of it and of those above it, and the latest beginning: milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly signing: Signing;
}

export const DAY_MS = 86_400_000;

/** What ends sooner is worth a word. */
export const WARN_DAYS = 30;

/** Whole days from `now` to `until`, both in milliseconds: 0 on the last one, negative when it is over. */
export function daysLeft(until: number, now: number): number {
  return Math.floor((until - now) / DAY_MS);
}

/** For clocks of clients that are behind: what is made now is valid an hour ago. */
export const CLOCK_SKEW_MS = 3_600_000;

/**
 * The CA of two PEM texts. `now`: milliseconds since the epoch. Rejects with Fault `certificate_invalid` (not a CA, may not
 * sign certificates, expired, not yet valid, a key of another kind, a chain that does not hold) or `key_invalid` (damaged,
 * encrypted, or another certificate's). No message quotes the key.
 */
export async function loadCa({ certPem, keyPem }: CaFiles, now: number): Promise<Ca> {
  const chain = readCertificates(certPem);
  const certificate = chain[0] as Certificate;
  if (!certificate.ca) {
    throw invalid(
      "it is not a CA (basicConstraints without CA:TRUE); the CA's own certificate must be the first in the file",
    );
  }
  if (!maySign(certificate)) throw invalid("its keyUsage lets it sign no certificates (keyCertSign)");
  const kind = usableKind(certificate);
  for (const one of chain) checkTime(one, now);
  await checkChain(chain);
  const key = await privateOf(certificate, kind, keyPem);
  return {
    certificate,
    kind,
    chainPem: chain
      .filter((one) => !selfIssued(one))
      .map(pemOf)
      .join(""),
    anchorPem: pemOf(chain.at(-1) ?? certificate),
    notBefore: Math.max(...chain.map((one) => one.notBefore)),
    notAfter: Math.min(...chain.map((one) => one.notAfter)),
    signing: { key, kind },
  };
}

function usableKind({ publicKey }: Certificate): KeyKind {
  const kind = keyKindOf(publicKey);
  if (kind === null) throw invalid("its key is of a kind that cannot be used; P-256, P-384 and RSA can");
  if (kind.type === "RSA" && (kind.bits < RSA_BITS.least || kind.bits > RSA_BITS.most)) {
    throw invalid(`its RSA key has ${kind.bits} bits; ${RSA_BITS.least} to ${RSA_BITS.most} are needed`);
  }
  return kind;
}

function checkTime(certificate: Certificate, now: number): void {
  const { notBefore, notAfter } = certificate;
  if (now > notAfter) throw invalid(`${who(certificate)} expired on ${new Date(notAfter).toISOString()}`);
  if (now < notBefore) throw invalid(`${who(certificate)} is not valid before ${new Date(notBefore).toISOString()}`);
}

/** Each certificate is signed by the next, which is a CA that allows as many below it as there are; a root by itself. */
async function checkChain(chain: readonly Certificate[]): Promise<void> {
  for (const [index, below] of chain.entries()) {
    const above = chain[index + 1];
    if (above === undefined) {
      if (selfIssued(below) && (await isSignedBy(below, below)) === false) throw invalid(`${who(below)} is damaged`);
      return;
    }
    if (!sameBytes(below.issuer, above.subject)) {
      throw invalid(`certificate ${index + 2} of the file, ${who(above)}, is not the issuer of the one before it`);
    }
    if (!maySign(above)) throw invalid(`${who(above)} is not a CA that may sign certificates`);
    if (above.pathLength !== null && above.pathLength < index + 1) {
      throw invalid(`${who(above)} allows ${above.pathLength} CAs below it, and there are ${index + 1}`);
    }
    if ((await isSignedBy(below, above)) === false) {
      throw invalid(`${who(above)} did not sign the certificate before it in the file`);
    }
  }
}

function who({ subject }: Certificate): string {
  return JSON.stringify(nameText(subject));
}

/** Null: by a kind of signature that only clients can check. */
function isSignedBy({ tbs, signature, signatureAlgorithm }: Certificate, above: Certificate): Promise<boolean | null> {
  return signedBy(above.publicKey, { data: tbs, signature, algorithm: signatureAlgorithm });
}

/** The private key, which is the certificate's: told by a signature, so that the key itself never leaves Web Crypto. */
async function privateOf({ publicKey }: Certificate, kind: KeyKind, keyPem: string): Promise<CryptoKey> {
  const key = await importPrivate(keyPem, kind);
  const data = new TextEncoder().encode("sallyport key check");
  const { algorithm } = signatureAlgorithmOf(kind);
  const signature = await signWith(key, kind, data);
  if ((await signedBy(publicKey, { data, signature, algorithm })) !== true) {
    throw new Fault("key_invalid", "read a private key: it is not that of the certificate");
  }
  return key;
}

/**
 * The first certificate of a text, with whose key the other belongs together. Rejects with Fault `certificate_invalid` or
 * `key_invalid`. A key of a kind this program does not sign with (Ed25519, P-521) is left for TLS to judge.
 */
export async function pairOf({ certPem, keyPem }: CaFiles): Promise<Certificate> {
  const certificate = readCertificates(certPem)[0] as Certificate;
  const kind = keyKindOf(certificate.publicKey);
  if (kind !== null) await privateOf(certificate, kind, keyPem);
  else if (!keyPem.includes("PRIVATE KEY-----")) throw new Fault("key_invalid", "read a private key: there is none");
  return certificate;
}

export interface NewCa {
  /** Common name, 1 to 64 printable characters. */
  readonly commonName: string;
  readonly days: number;
  readonly key: CurveName | "RSA";
}

/** Bits of an RSA key that is made here: what holds beyond 2030 (NIST SP 800-57). */
const NEW_RSA_BITS = 3072;

/** A self-signed root that may sign leaves and nothing else. Throws RangeError for a name or a time that cannot be. */
export async function createCa({ commonName, days, key }: NewCa, now: number): Promise<CaFiles> {
  if (!/^[^\p{Cc}\p{Cs}]+$/u.test(commonName) || [...commonName].length > MAX_COMMON_NAME) {
    throw new RangeError(`a common name has 1 to ${MAX_COMMON_NAME} printable characters`);
  }
  if (!(days > 0 && days <= 36_500)) throw new RangeError("a CA lives 1 to 36500 days");
  const kind: KeyKind = key === "RSA" ? { type: "RSA", bits: NEW_RSA_BITS } : { type: "EC", curve: key };
  const algorithm =
    kind.type === "EC"
      ? { name: "ECDSA", namedCurve: kind.curve }
      : {
          name: "RSASSA-PKCS1-v1_5",
          modulusLength: kind.bits,
          publicExponent: Uint8Array.of(1, 0, 1),
          hash: "SHA-256",
        };
  const pair = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const publicKey = decode(await crypto.subtle.exportKey("spki", pair.publicKey), SubjectPublicKeyInfo);
  const identifier = await keyIdentifier(publicKey.subjectPublicKey);
  const subject = nameOf(commonName);
  const der = await signCertificate(
    {
      issuer: subject,
      subject,
      notBefore: now - CLOCK_SKEW_MS,
      notAfter: now + days * DAY_MS,
      publicKey,
      extensions: [
        extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: true, pathLenConstraint: 0 })),
        keyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign),
        extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(identifier)),
      ],
    },
    { key: pair.privateKey, kind },
  );
  return {
    certPem: writePem("CERTIFICATE", der),
    keyPem: writePem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey))),
  };
}

/** "P-256", "RSA 3072". */
export function keyText({ publicKey }: Certificate): string {
  const kind = keyKindOf(publicKey);
  return kind === null ? "another kind" : kindText(kind);
}

function invalid(what: string): Fault {
  return new Fault("certificate_invalid", `use a certificate as a CA: ${what}`);
}
