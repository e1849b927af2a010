import { expect, test } from "bun:test";
import { BasicConstraints, Certificate, Time, Validity } from "@peculiar/asn1-x509";
import { decode, encode } from "../../src/crypto/_asn1.ts";
import { createCa } from "../../src/crypto/ca.ts";
import { readCertificate, readCertificates } from "../../src/crypto/certificate.ts";

function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(hex.replaceAll(" ", ""));
}

test("decode takes DER and gives what it says", () => {
  expect(decode(bytes("30 06 0101ff 020100"), BasicConstraints)).toMatchObject({ cA: true, pathLenConstraint: 0 });
  expect(decode(bytes("30 00"), BasicConstraints).cA).toBe(false);
});

test.each([
  ["nothing", ""],
  ["a length in the long form that fits the short one", "30 8103 0101ff"],
  ["an indefinite length", "30 80 0101ff 0000"],
  ["TRUE that is not ff", "30 03 010101"],
  ["a default that is written out", "30 03 010100"],
  ["a number with a zero too many", "30 07 0101ff 02020000"],
  ["bytes behind the value", "30 03 0101ff 00"],
  ["a member too many", "30 09 0101ff 020100 020100"],
  ["another type", "31 03 0101ff"],
  ["a value that is cut", "30 06 0101ff"],
])("decode refuses %s", (_, hex) => {
  expect(() => decode(bytes(hex), BasicConstraints)).toThrow("it is not DER");
});

test.each([
  ["the year 0", "180f 30303030303130313030303030305a"],
  ["month 13", "170d 3236313330313030303030305a"],
  ["an offset", "1711 3236303130313030303030302b30313030"],
  ["no seconds", "170b 323630313031303030305a"],
])("decode refuses a time with %s", (_, time) => {
  const end = encode(new Validity({ notBefore: new Date(0), notAfter: new Date(0) })).subarray(-15);
  const content = [...bytes(time), ...end];
  expect(() => decode(Uint8Array.of(0x30, content.length, ...content), Validity)).toThrow("it is not DER");
});

test("a certificate whose time has a fraction of a second is refused, and one whose signature has another algorithm", async () => {
  const [made] = readCertificates((await createCa({ commonName: "c", days: 1, key: "P-256" }, Date.now())).certPem);
  const altered = (change: (certificate: Certificate) => void) => {
    const certificate = decode(made?.der ?? bytes(""), Certificate);
    change(certificate);
    return () => readCertificate(encode(certificate));
  };
  expect(altered(() => undefined)()).toEqual(made as never);
  const at = (text: string) => new Time({ generalTime: new Date(text) });
  expect(
    altered(({ tbsCertificate }) => {
      tbsCertificate.validity.notAfter = at("2050-01-01T00:00:01.000Z");
    })().notAfter,
  ).toBe(Date.UTC(2050, 0, 1, 0, 0, 1));
  expect(
    altered(({ tbsCertificate }) => {
      tbsCertificate.validity.notAfter = at("2050-01-01T00:00:01.500Z");
    }),
  ).toThrow("a time of no second");
  expect(
    altered(({ signatureAlgorithm }) => {
      signatureAlgorithm.parameters = null;
    }),
  ).toThrow("names two signature algorithms");
});
