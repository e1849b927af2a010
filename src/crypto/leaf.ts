/** Server certificates for the hosts whose TLS is intercepted. */
import { Fault, messageOf } from "../errors.ts";
import { normalizeHost } from "../wire/authority.ts";
import { parseIp } from "../wire/ip.ts";
import { extension, keyUsage, MAX_COMMON_NAME, name, signCertificate } from "./_certificate-write.ts";
import { type Ca, CLOCK_SKEW_MS, DAY_MS } from "./ca.ts";
import { oid, sequence, tlv } from "./der.ts";
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
const SUBJECT_ALT_NAME = oid("2.5.29.17");
const TAG_DNS_NAME = 0x82;
const TAG_IP_ADDRESS = 0x87;
const encoder = new TextEncoder();

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
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const key = writePem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)));
  const { subjectKeyId, subject: issuer } = ca.certificate;
  const same = [
    extension(oid("2.5.29.19"), true, sequence()),
    keyUsage(0),
    extension(oid("2.5.29.37"), false, sequence(oid("1.3.6.1.5.5.7.3.1"))),
    ...(subjectKeyId === null ? [] : [extension(oid("2.5.29.35"), false, sequence(tlv(0x80, subjectKeyId)))]),
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
      subject: name(fits ? host : ""),
      notBefore,
      notAfter,
      publicKey,
      extensions: [...same, extension(SUBJECT_ALT_NAME, !fits, sequence(generalName(host)))],
    };
    try {
      const cert = writePem("CERTIFICATE", await signCertificate(draft, ca.signing)) + ca.chainPem;
      return Object.freeze({ host, cert, key, notBefore, notAfter });
    } catch (cause) {
      throw new Fault("leaf_failed", `mint a certificate for "${host}": ${messageOf(cause)}`, { cause });
    }
  };
}

function generalName(host: string): Uint8Array {
  const ip = parseIp(host);
  return ip === null ? tlv(TAG_DNS_NAME, encoder.encode(host)) : tlv(TAG_IP_ADDRESS, ip.bytes);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
