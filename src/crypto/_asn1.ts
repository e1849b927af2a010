/** ASN.1 as the library reads and writes it, held to DER (ITU-T X.690). */
import { AsnConvert } from "@peculiar/asn1-schema";
import { Fault } from "../errors.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** DER of a value of one of the library's classes. */
export function encode(value: object): Bytes {
  return new Uint8Array(AsnConvert.serialize(value));
}

/**
 * The value that `bytes` are, whole. The library reads BER, tolerates bytes behind the value, drops what it does not expect in
 * some places, and turns times that cannot be into others. DER has one spelling of a value, so what the library does not write
 * back byte for byte is refused, and what was read is what a client reads. Throws Fault `certificate_invalid`.
 */
export function decode<T extends object>(bytes: Bytes | ArrayBuffer, type: new () => T): T {
  let value: T;
  let again: Bytes;
  try {
    value = AsnConvert.parse(bytes, type);
    again = encode(value);
  } catch (cause) {
    throw malformed(cause);
  }
  if (!sameBytes(again, bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes)) throw malformed();
  return value;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function malformed(cause?: unknown): Fault {
  return new Fault("certificate_invalid", "read a certificate: it is not DER, or not what X.509 asks for", { cause });
}
