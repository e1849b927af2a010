/**
 * A PKCS #12 file (RFC 7292) of nothing but trusted certificates, as Java reads a trust store: no key, no password, no
 * integrity check, and each certificate with the attribute that Oracle's provider asks for before it takes one as trusted.
 */
import { type Bytes, oid, sequence, TAG, tlv, unsigned } from "./der.ts";
import { readPem } from "./pem.ts";

const DATA = oid("1.2.840.113549.1.7.1");
const CERT_BAG = oid("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE = oid("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME = oid("1.2.840.113549.1.9.20");
/** Oracle's trustedKeyUsage; without it the certificate is passed over. */
const TRUSTED_KEY_USAGE = oid("2.16.840.1.113894.746875.1.1");
const ANY_EXTENDED_KEY_USAGE = oid("2.5.29.37.0");

const BMP_STRING = 0x1e;
const SET = 0x31;
/** [0] EXPLICIT. */
const WRAPPED = 0xa0;

/** `pems`: texts with certificates; what else is in them is left out. */
export function trustStore(pems: readonly string[]): Bytes {
  const certificates = pems.flatMap((pem) => readPem(pem)).filter(({ label }) => label === "CERTIFICATE");
  const bags = certificates.map(({ der }, index) => bagOf(der, `root-${index}`));
  const safe = sequence(contentInfo(sequence(...bags)));
  return sequence(unsigned(Uint8Array.of(3)), contentInfo(safe));
}

function contentInfo(content: Uint8Array): Bytes {
  return sequence(DATA, tlv(WRAPPED, tlv(TAG.octetString, content)));
}

/** Aliases must differ: of two certificates with one alias Java keeps the second. */
function bagOf(der: Uint8Array, alias: string): Bytes {
  const name = Uint8Array.from([...alias].flatMap((c) => [0, c.charCodeAt(0)]));
  return sequence(
    CERT_BAG,
    tlv(WRAPPED, sequence(X509_CERTIFICATE, tlv(WRAPPED, tlv(TAG.octetString, der)))),
    tlv(
      SET,
      sequence(FRIENDLY_NAME, tlv(SET, tlv(BMP_STRING, name))),
      sequence(TRUSTED_KEY_USAGE, tlv(SET, ANY_EXTENDED_KEY_USAGE)),
    ),
  );
}
