import { describe, expect, test } from "bun:test";
import { IDENTIFIERS } from "../../src/dlp/identifiers.ts";
import { LETTERED } from "../../src/dlp/lettered-identifiers.ts";
import { names, scan } from "./_run.ts";

describe("nothing personal is", () => {
  const cases = [
    "order 4111111111111112 shipped",
    "embedding [0.0123456, -0.7654321, 0.1234567]",
    "version 1.24.3 of 2024-05-11, build 20240511",
    "at 1716888123456 ms",
    "commit 8f953371d3e85eddb89b05ed6b9e680791055315",
    "DE89370400440532013001 as IBAN",
    "see foo@bar and @types/node@20.1.2",
    "call 42 times",
    "127.0.0.1 and 10.1.2.3",
  ];
  for (const text of cases) test(text, () => expect(names(text)).toEqual([]));
});

describe("personal", () => {
  const cases: [string, string][] = [
    ["payment-card", "my card is 4111 1111 1111 1111, thanks"],
    ["payment-card", "5555555555554444"],
    ["iban", "IBAN DE89 3704 0044 0532 0130 00"],
    ["iban", "GB82WEST12345698765432"],
    ["us-ssn", "SSN: 219-09-9999"],
    ["us-itin", "ITIN 912-70-1234"],
    ["uk-nino", "National Insurance AB123456C"],
    ["uk-nino", "his NINO is AB 12 34 56 C"],
    ["uk-nhs-number", "NHS number 943 476 5919"],
    ["de-tax-id", "Steuer-ID 86095742719"],
    ["fr-nir", "sécu 255081416802538"],
    ["es-nie", "NIE X1234567L"],
    ["es-nif", "DNI 12345678Z"],
    ["it-codice-fiscale", "codice fiscale RSSMRA85T10A562S"],
    ["pl-pesel", "PESEL 44051401359"],
    ["nl-bsn", "BSN 111222333"],
    ["br-cpf", "CPF 529.982.247-25"],
    ["br-cnpj", "CNPJ 11.222.333/0001-81"],
    ["in-pan", "PAN ABCPE1234F"],
    ["ca-sin", "SIN 046 454 286 no, 130 692 544"],
    ["au-tfn", "tax file number 876543210"],
    ["au-abn", "ABN 51 824 753 556"],
    ["sg-nric", "NRIC S1234567D"],
    ["fi-hetu", "hetu 131052-308T"],
    ["us-npi", "NPI 1234567893"],
    ["us-dea", "DEA AB1234563"],
    ["us-mbi", "Medicare 1EG4-TE5-MK73"],
    ["icd-10", "diagnosis E11.9"],
    ["passport", "passport no. C01234565"],
    ["date-of-birth", "date of birth: 1984-05-17"],
    ["medical-record-number", "MRN 00482913"],
    ["email-address", "write to jo.doe+x@mail.company.org."],
    ["phone-number", "tel: (030) 123 45678 or +49 30 12345678"],
    ["phone-number", "+14155550132"],
    ["ip-address", "from 133.133.133.133"],
  ];
  for (const [name, text] of cases) test(`${name}: ${text}`, () => expect(names(text)).toContain(name));
});

test("every identifier has a name of its own", () => {
  const all = [...IDENTIFIERS, ...LETTERED].map(({ rule }) => rule.name);
  expect(new Set(all).size).toBe(all.length);
});

test("a finding never holds what was found", () => {
  const number = "4111111111111111";
  expect(JSON.stringify(scan(`card ${number}`))).not.toContain(number);
});
