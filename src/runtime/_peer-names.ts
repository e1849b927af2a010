/**
 * Whether a certificate is for a host. One runtime tells the alternative names of a certificate as one line of text and quotes
 * nothing in it (CVE-2021-44532), so that a URI with a comma in it, which many an issuer lets its customers choose, names any
 * host: the names are read from the certificate itself.
 */
import { Buffer } from "node:buffer";
import tls from "node:tls";

type Check = NonNullable<tls.ConnectionOptions["checkServerIdentity"]>;

export function namesOnly(serverName: string): Check {
  return (_host, certificate) => {
    const names = certificate.raw === undefined ? null : alternativeNames(certificate.raw);
    if (names === null) return new Error("the certificate's alternative names cannot be read");
    if (names.length === 0) return new Error("the certificate names no subject alternative name");
    return tls.checkServerIdentity(serverName, { ...certificate, subjectaltname: names.join(", ") });
  };
}

const SEQUENCE = 0x30;
const BOOLEAN = 0x01;
const OCTETS = 0x04;
const OID = 0x06;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;
const ADDRESS = 0x87;
/** 2.5.29.17, subjectAltName. */
const ALTERNATIVE = Buffer.from([0x55, 0x1d, 0x11]);
/** What a name of a host can have in it, and a wildcard. */
const HOST = /^[0-9A-Za-z*._-]+$/;

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** As the runtimes write them, hosts and addresses only; empty: it has none. Null: not DER as certificates are. */
function alternativeNames(raw: Uint8Array): string[] | null {
  const [certificate] = elements(Buffer.from(raw)) ?? [];
  const [signed] = inside(certificate, SEQUENCE) ?? [];
  const [extensions] =
    inside(
      inside(signed, SEQUENCE)?.find(({ tag }) => tag === EXTENSIONS),
      EXTENSIONS,
    ) ?? [];
  const names: string[] = [];
  let seen = false;
  for (const extension of inside(extensions, SEQUENCE) ?? []) {
    const [id, ...rest] = inside(extension, SEQUENCE) ?? [];
    const value = rest[0]?.tag === BOOLEAN ? rest[1] : rest[0];
    if (id?.tag !== OID || value?.tag !== OCTETS) return null;
    if (!id.content.equals(ALTERNATIVE)) continue;
    const general = inside(elements(value.content)?.[0], SEQUENCE);
    // Standing twice it has two readings.
    if (general === null || seen) return null;
    seen = true;
    for (const { tag, content } of general) {
      const text = content.toString("latin1");
      if (tag === DNS_NAME && HOST.test(text)) names.push(`DNS:${text}`);
      else if (tag === ADDRESS && content.length === 4) names.push(`IP Address:${content.join(".")}`);
      else if (tag === ADDRESS && content.length === 16) names.push(`IP Address:${groups(content)}`);
    }
  }
  return certificate === undefined || signed === undefined ? null : names;
}

function groups(address: Buffer): string {
  return Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16)).join(":");
}

function inside(element: Element | undefined, tag: number): Element[] | null {
  return element?.tag === tag ? elements(element.content) : null;
}

/** One behind the other, to the end; null: they do not end there. Of lengths four bytes at most, as is all that a handshake has. */
function elements(bytes: Buffer): Element[] | null {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] as number;
    const first = bytes[at + 1];
    if (first === undefined || (tag & 0x1f) === 0x1f) return null;
    const more = first < 0x80 ? 0 : first - 0x80;
    const start = at + 2 + more;
    if (first === 0x80 || more > 4 || start > bytes.length) return null;
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    if (start + length > bytes.length) return null;
    found.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}
