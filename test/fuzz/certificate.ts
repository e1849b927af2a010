/** Certificates: what is not DER is a Fault; what is read is read to the last byte, and its parts are those that were signed. */

import { keyKindOf } from "../../src/crypto/ca-key.ts";
import { nameText, readCertificate } from "../../src/crypto/certificate.ts";
import { Fault } from "../../src/errors.ts";
import { demand, type Random } from "./random.ts";

const SAMPLE = Uint8Array.from(
  atob(
    "MIIBYTCCAQegAwIBAgIQSgOuJnZYjGP2mhzlqE/iyDAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARmdXp6MB4XDTI1MTIzMTIzMDAwMFoXDTQ1MTIy" +
      "NzAwMDAwMFowDzENMAsGA1UEAwwEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKgWXa99V+TVH/9KR5sWyOx5jVTELAvSKEMezuHeaawJ" +
      "EF8+JcW7N1qowar0GJ3WCjvOgYFwswwh5NrjOKnhw0ajRTBDMBIGA1UdEwEB/wQIMAYBAf8CAQAwDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBRN" +
      "iPkSAtEuWj5gKH1xFVc+OSq8KzAKBggqhkjOPQQDAgNIADBFAiAqN+9rpuKXiFgDl8BKkcajJ8uiLlfwyVDebesBOK3RewIhAK7Ljxw3+2qynclo" +
      "10TTCU36eVic5wwwYzN9z6uFJKJ0",
  ),
  (char) => char.charCodeAt(0),
);

/** The value at `at`: where its content begins and where it ends. By the test's own reading, which is not the program's. */
function spanOf(bytes: Uint8Array, at: number): { from: number; to: number } {
  const first = bytes[at + 1] ?? 0;
  const count = first < 0x80 ? 0 : first & 0x7f;
  const from = at + 2 + count;
  let length = count === 0 ? first : 0;
  for (const byte of bytes.subarray(at + 2, from)) length = length * 256 + byte;
  return { from, to: from + length };
}

/** The only spelling DER has of a value with this tag and content. */
function tlv(tag: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const digits: number[] = [];
  for (let left = content.length; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256);
  const length = content.length < 0x80 ? [content.length] : [0x80 | digits.length, ...digits];
  return Uint8Array.from([tag, ...length, ...content]);
}

/** The content of the outer value changed, and its length made to fit, so that the inner parts are reached. */
function changed(random: Random): Uint8Array<ArrayBuffer> {
  if (random.once(4)) return Uint8Array.from(random.mutate(SAMPLE));
  const whole = spanOf(SAMPLE, 0);
  const tbs = spanOf(SAMPLE, whole.from);
  const inner = tlv(0x30, random.mutate(SAMPLE.subarray(tbs.from, tbs.to)));
  return tlv(0x30, Uint8Array.from([...inner, ...SAMPLE.subarray(tbs.to, whole.to)]));
}

export function checkCertificate(random: Random): boolean {
  const der = changed(random);
  try {
    const certificate = readCertificate(der);
    const outer = spanOf(der, 0);
    demand(same(tlv(0x30, der.subarray(outer.from, outer.to)), der), "a certificate has another spelling", der);
    const tbs = der.subarray(outer.from, spanOf(der, outer.from).to);
    demand(same(tbs, certificate.tbs), "what is signed was cut", der);
    demand(!Number.isNaN(certificate.notBefore + certificate.notAfter), "a time is none", der);
    demand(!/[\u0000-\u001f\u007f]/.test(nameText(certificate.subject)), "a name steers a terminal", der);
    keyKindOf(certificate.publicKey);
    return true;
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== "certificate_invalid") throw thrown;
    return false;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
