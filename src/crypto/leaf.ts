/** Server certificates for the hosts whose TLS is intercepted. */
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  ExtendedKeyUsage,
  type Extension,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_subjectAltName,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsageFlags,
  Name,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
} from "@peculiar/asn1-x509";
import { Fault, messageOf } from "../errors.ts";
import { normalizeHost } from "../wire/authority.ts";
import { parseIp } from "../wire/ip.ts";
import { decode } from "./_asn1.ts";
import { extension, keyUsage, MAX_COMMON_NAME, nameOf, signCertificate } from "./_certificate-write.ts";
import { type Ca, CLOCK_SKEW_MS, DAY_MS } from "./ca.ts";
import { writePem } from "./pem.ts";

/**
 * What a TLS server shows for one host: a `TlsIdentity` of the Runtime contract. The object stands for it: what is made of it
 * can hang on it in a WeakMap.
 */
export interface Leaf {
  /** Canonical, as `normalizeHost` has it. */
  readonly host: string;
  /** PEM: the leaf, then the CAs above it but a root. */
  readonly cert: string;
  /** PEM, PKCS#8. The same for every leaf of a minter. Secret. */
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export type Mint = (host: string) => Promise<Leaf>;

export interface LeafOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds; default a day. Over 398 days, which is what browsers allow a server, counts as 398 days. */
  readonly lifeMs?: number;
}

const MOST_LIFE_MS = 398 * DAY_MS;

/**
 * A function that makes a leaf for one exact host. It makes one key pair (P-256) for all of them: what sets hosts apart is the
 * signature, a new key each would cost every first connection its making, and whoever reads this process has the CA itself.
 *
 * A leaf names the host as its only SAN: an iPAddress for a literal, else a dNSName; the CN repeats it where it fits, and where it
 * does not the subject is empty and the SAN critical (RFC 5280, 4.2.1.6). It is valid from an hour ago, never longer than the CA
 * and those above it. The function rejects with Fault `leaf_failed`: the CA has expired, the host is none, or signing fails.
 */
export async function leafMinter(ca: Ca, { now, lifeMs = DAY_MS }: LeafOptions): Promise<Mint> {
  const pair = (await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ])) as CryptoKeyPair;
  const publicKey = decode(await crypto.subtle.exportKey("spki", pair.publicKey), SubjectPublicKeyInfo);
  const key = writePem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)));
  const { subjectKeyId, subject } = ca.certificate;
  const issuer = decode(subject, Name);
  const same = [
    extension(id_ce_basicConstraints, true, new BasicConstraints()),
    keyUsage(KeyUsageFlags.digitalSignature),
    extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth])),
    ...(subjectKeyId === null ? [] : [authorityKey(subjectKeyId)]),
  ];
  const life = Math.min(lifeMs, MOST_LIFE_MS);
  return async (host) => {
    const found = normalizeHost(host);
    if (found === null || found.host !== host)
      throw new Fault("leaf_failed", "mint a certificate: the host is not in canonical form");
    const time = now();
    if (time < ca.notBefore || time >= ca.notAfter) {
      throw new Fault(
        "leaf_failed",
        `mint a certificate for "${host}": the CA is valid from ${iso(ca.notBefore)} until ${iso(ca.notAfter)}`,
      );
    }
    const notBefore = Math.max(time - CLOCK_SKEW_MS, ca.notBefore);
    const notAfter = Math.min(time + life, ca.notAfter);
    const fits = host.length <= MAX_COMMON_NAME;
    const draft = {
      issuer,
      subject: nameOf(fits ? host : ""),
      notBefore,
      notAfter,
      publicKey,
      extensions: [...same, extension(id_ce_subjectAltName, !fits, new SubjectAlternativeName([generalName(host)]))],
    };
    try {
      const cert = writePem("CERTIFICATE", await signCertificate(draft, ca.signing)) + ca.chainPem;
      return Object.freeze({ host, cert, key, notBefore, notAfter });
    } catch (cause) {
      throw new Fault("leaf_failed", `mint a certificate for "${host}": ${messageOf(cause)}`, { cause });
    }
  };
}

function authorityKey(subjectKeyId: Uint8Array<ArrayBuffer>): Extension {
  const keyIdentifier = new KeyIdentifier(subjectKeyId);
  return extension(id_ce_authorityKeyIdentifier, false, new AuthorityKeyIdentifier({ keyIdentifier }));
}

function generalName(host: string): GeneralName {
  return new GeneralName(parseIp(host) === null ? { dNSName: host } : { iPAddress: host });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
