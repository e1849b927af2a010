/** Certificates: what is not DER is a Fault; what is read is read to the last byte, and its parts are those that were signed. */

import { keyKindOf } from "../../src/crypto/ca-key.ts";
import { nameText, readCertificate } from "../../src/crypto/certificate.ts";
import { DerReader, sequence, tlv } from "../../src/crypto/der.ts";
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

/** The content of the outer value changed, and its length made to fit, so that the inner parts are reached. */
function changed(random: Random): Uint8Array<ArrayBuffer> {
  if (random.once(4)) return Uint8Array.from(random.mutate(SAMPLE));
  const whole = new DerReader(SAMPLE).inner();
  const tbs = Uint8Array.from(random.mutate(whole.next().content));
  return sequence(sequence(tbs), whole.next().whole, whole.next().whole);
}

export function checkCertificate(random: Random): boolean {
  const der = changed(random);
  try {
    const certificate = readCertificate(der);
    const outer = new DerReader(der).next();
    demand(same(tlv(outer.tag, outer.content), der), "a certificate has another spelling", der);
    demand(new DerReader(outer.content).next().whole.length === certificate.tbs.length, "what is signed was cut", der);
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
