/**
 * A PKCS #12 file (RFC 7292) of nothing but trusted certificates, as Java reads a trust store: no key, no password, no
 * integrity check, and each certificate with the attribute that Oracle's provider asks for before it takes one as trusted.
 * The DER is written here: what the library has for PKCS #12 are three packages more, for one shape that never changes.
 */
import type { Bytes } from "./_asn1.ts";
import { readPem } from "./pem.ts";

/** Tags. */
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const BMP_STRING = 0x1e;
const SEQUENCE = 0x30;
const SET = 0x31;
/** [0] EXPLICIT. */
const WRAPPED = 0xa0;

const DATA = oid("1.2.840.113549.1.7.1");
const CERT_BAG = oid("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE = oid("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME = oid("1.2.840.113549.1.9.20");
/** Oracle's trustedKeyUsage; without it the certificate is passed over. */
const TRUSTED_KEY_USAGE = oid("2.16.840.1.113894.746875.1.1");
const ANY_EXTENDED_KEY_USAGE = oid("2.5.29.37.0");

/** `pems`: texts with certificates; what else is in them is left out. */
export function trustStore(pems: readonly string[]): Bytes {
  const certificates = pems.flatMap((pem) => readPem(pem)).filter(({ label }) => label === "CERTIFICATE");
  const bags = certificates.map(({ der }, index) => bagOf(der, `root-${index}`));
  const safe = sequence(contentInfo(sequence(...bags)));
  return sequence(tlv(INTEGER, Uint8Array.of(3)), contentInfo(safe));
}

function contentInfo(content: Uint8Array): Bytes {
  return sequence(DATA, tlv(WRAPPED, tlv(OCTET_STRING, content)));
}

/** Aliases must differ: of two certificates with one alias Java keeps the second. */
function bagOf(der: Uint8Array, alias: string): Bytes {
  const name = Uint8Array.from([...alias].flatMap((c) => [0, c.charCodeAt(0)]));
  return sequence(
    CERT_BAG,
    tlv(WRAPPED, sequence(X509_CERTIFICATE, tlv(WRAPPED, tlv(OCTET_STRING, der)))),
    tlv(
      SET,
      sequence(FRIENDLY_NAME, tlv(SET, tlv(BMP_STRING, name))),
      sequence(TRUSTED_KEY_USAGE, tlv(SET, ANY_EXTENDED_KEY_USAGE)),
    ),
  );
}

function oid(dotted: string): Bytes {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const content = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return tlv(OBJECT_IDENTIFIER, Uint8Array.from(content));
}

function sequence(...parts: readonly Uint8Array[]): Bytes {
  return tlv(SEQUENCE, ...parts);
}

/** Of up to 16 MiB, which is more than any store has. */
function tlv(tag: number, ...parts: readonly Uint8Array[]): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length >= 1 << 24) throw new RangeError("a trust store of 16 MiB");
  const extra = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  const out = new Uint8Array(2 + extra + length);
  out[0] = tag;
  out[1] = extra === 0 ? length : 0x80 | extra;
  for (let i = 0; i < extra; i++) out[2 + i] = length >> (8 * (extra - 1 - i));
  let at = 2 + extra;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
