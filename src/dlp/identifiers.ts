/** Identifiers written in digits: groupings, check digits, and the words that stand near them. */
import { isDay, luhn, mod11_10, verhoeff, weighted } from "./checks.ts";
import type { Confidence, Rule } from "./rule.ts";

export interface Identifier {
  readonly rule: Rule;
  /** Groups of digits it is written in, as "3-2-4"; "9" for nine in a row. Any one separator of ` `, `-`, `.`, `/` between. */
  readonly groups: readonly string[];
  /** Of the digits alone. */
  readonly check: (digits: string) => boolean;
  /** Words one of which stands near. */
  readonly near: RegExp;
  /** Without such a word; null: then it is nothing. */
  readonly alone: Confidence | null;
}

export function rule(name: string, reason: string, health = false): Rule {
  return { name, class: health ? "health" : "personal", severity: "medium", issuer: null, reason };
}

const yes = (): boolean => true;
export const n = (digits: string, from: number, to: number): number => Number(digits.slice(from, to));
const last = (digits: string): number => digits.charCodeAt(digits.length - 1) - 48;
const same = (digits: string): boolean => /^(\d)\1*$/.test(digits);
/** Two digits of a year: the day has to be one in either century. */
export const shortDay = (yy: number, mm: number, dd: number): boolean =>
  isDay(1900 + yy, mm, dd) || isDay(2000 + yy, mm, dd);

const CARD = /card|visa|master|amex|credit|debit|pan\b|cc[-_ ]?n|payment|karte|tarjeta|carte/i;

function isCard(digits: string): boolean {
  const two = n(digits, 0, 2);
  const four = n(digits, 0, 4);
  const { length } = digits;
  const known =
    (digits.startsWith("4") && (length === 13 || length === 16 || length === 19)) ||
    (length === 16 && ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))) ||
    (length === 15 && (two === 34 || two === 37 || digits.startsWith("1"))) ||
    (length === 14 && (two === 30 || two === 36 || two === 38 || two === 39)) ||
    (length === 16 &&
      (two === 65 || four === 6011 || two === 35 || two === 62 || two === 60 || (four >= 6440 && four <= 6499))) ||
    (length >= 16 && length <= 19 && (two === 62 || two === 67 || two === 50 || (two >= 56 && two <= 58)));
  return known && luhn(digits) && !same(digits);
}

const cpf = (d: string): boolean => {
  if (same(d)) return false;
  const first = (weighted(d, [10, 9, 8, 7, 6, 5, 4, 3, 2], 11) * 10) % 11;
  const second = (weighted(d, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 11) * 10) % 11;
  return first % 10 === n(d, 9, 10) && second % 10 === n(d, 10, 11);
};
const cnpj = (d: string): boolean => {
  if (same(d)) return false;
  const digit = (rest: number): number => (rest < 2 ? 0 : 11 - rest);
  const first = digit(weighted(d, [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 11));
  return first === n(d, 12, 13) && digit(weighted(d, [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 11)) === n(d, 13, 14);
};
const turkish = (d: string): boolean => {
  if (d.startsWith("0")) return false;
  const odd = n(d, 0, 1) + n(d, 2, 3) + n(d, 4, 5) + n(d, 6, 7) + n(d, 8, 9);
  const even = n(d, 1, 2) + n(d, 3, 4) + n(d, 5, 6) + n(d, 7, 8);
  return (((odd * 7 - even) % 10) + 10) % 10 === n(d, 9, 10) && (odd + even + n(d, 9, 10)) % 10 === last(d);
};
const german = (d: string): boolean => {
  const counts = new Map<string, number>();
  for (const digit of d.slice(0, 10)) counts.set(digit, (counts.get(digit) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return !d.startsWith("0") && (most === 2 || most === 3) && mod11_10(d);
};
const abn = (d: string): boolean => {
  const sum = weighted(`${n(d, 0, 1) - 1}${d.slice(1)}`, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19], 89);
  return !d.startsWith("0") && sum === 0;
};
const nir = (d: string): boolean => /^[12]/.test(d) && 97 - Number(BigInt(d.slice(0, 13)) % 97n) === n(d, 13, 15);

export const IDENTIFIERS: readonly Identifier[] = [
  {
    rule: { ...rule("payment-card", "a payment card number"), severity: "high" },
    groups: ["13", "14", "15", "16", "19", "4-4-4-4", "4-6-5", "4-6-4", "4-4-4-4-3"],
    check: isCard,
    near: CARD,
    alone: "medium",
  },
  {
    rule: rule("us-ssn", "a US social security number"),
    groups: ["3-2-4", "9"],
    check: (d) =>
      !/^(?:000|666|9)/.test(d) &&
      n(d, 3, 5) > 0 &&
      n(d, 5, 9) > 0 &&
      !same(d) &&
      d !== "123456789" &&
      d !== "078051120",
    near: /ssn|social|soc[-_ ]?sec|security num/i,
    alone: "low",
  },
  {
    rule: rule("us-itin", "a US taxpayer number"),
    groups: ["3-2-4", "9", "3-6", "5-4"],
    check: (d) => d.startsWith("9") && /^(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])$/.test(d.slice(3, 5)),
    near: /itin|tax|tin\b|taxpayer/i,
    alone: "low",
  },
  {
    rule: rule("uk-nhs-number", "an NHS number", true),
    groups: ["3-3-4", "10"],
    check: (d) => {
      const c = 11 - weighted(d, [10, 9, 8, 7, 6, 5, 4, 3, 2], 11);
      return c !== 10 && c % 11 === last(d) && !same(d);
    },
    near: /nhs|national health|patient/i,
    alone: null,
  },
  {
    rule: rule("us-npi", "a US health provider number", true),
    groups: ["10", "4-3-3"],
    check: (d) => /^[12]/.test(d) && luhn(`80840${d}`),
    near: /npi|provider/i,
    alone: "low",
  },
  {
    rule: rule("de-tax-id", "a German tax id"),
    groups: ["11", "2-3-3-3"],
    check: german,
    near: /steuer|tax|idnr|tin\b/i,
    alone: null,
  },
  {
    rule: rule("fr-nir", "a French social security number"),
    groups: ["15", "1-2-2-2-3-3-2", "13-2"],
    check: nir,
    near: /nir|s[ée]cu|social|insee/i,
    alone: "medium",
  },
  {
    rule: rule("pl-pesel", "a Polish PESEL"),
    groups: ["11"],
    check: (d) => {
      const m = n(d, 2, 4) % 20;
      return (
        m >= 1 &&
        m <= 12 &&
        n(d, 4, 6) >= 1 &&
        n(d, 4, 6) <= 31 &&
        (10 - weighted(d, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3], 10)) % 10 === last(d)
      );
    },
    near: /pesel/i,
    alone: null,
  },
  {
    rule: rule("nl-bsn", "a Dutch BSN"),
    groups: ["9", "4-2-3"],
    check: (d) => !same(d) && (weighted(d, [9, 8, 7, 6, 5, 4, 3, 2], 11) + 11 - (last(d) % 11)) % 11 === 0,
    near: /bsn|burgerservice|sofi/i,
    alone: null,
  },
  {
    rule: rule("br-cpf", "a Brazilian CPF"),
    groups: ["11", "3-3-3-2"],
    check: cpf,
    near: /cpf|cadastro/i,
    alone: "low",
  },
  { rule: rule("br-cnpj", "a Brazilian CNPJ"), groups: ["14", "2-3-3-4-2"], check: cnpj, near: /cnpj/i, alone: "low" },
  {
    rule: rule("in-aadhaar", "an Aadhaar number"),
    groups: ["12", "4-4-4"],
    check: (d) => /^[2-9]/.test(d) && verhoeff(d) && d !== [...d].reverse().join(""),
    near: /aadhaar|aadhar|uidai|uid\b/i,
    alone: "low",
  },
  {
    rule: rule("ca-sin", "a Canadian social insurance number"),
    groups: ["3-3-3", "9"],
    check: (d) => /^[1-79]/.test(d) && luhn(d) && !same(d),
    near: /\bsin\b|social insurance|\bnas\b|assurance sociale/i,
    alone: "low",
  },
  {
    rule: rule("au-tfn", "an Australian tax file number"),
    groups: ["9", "3-3-3"],
    check: (d) => !same(d) && weighted(d, [1, 4, 3, 7, 5, 8, 6, 9, 10], 11) === 0,
    near: /tfn|tax file/i,
    alone: "low",
  },
  {
    rule: rule("au-abn", "an Australian business number"),
    groups: ["11", "2-3-3-3"],
    check: abn,
    near: /\babn\b|business number/i,
    alone: "low",
  },
  {
    rule: rule("au-medicare", "an Australian Medicare number", true),
    groups: ["10", "4-5-1"],
    check: (d) => /^[2-6]/.test(d) && weighted(d, [1, 3, 7, 9, 1, 3, 7, 9], 10) === n(d, 8, 9),
    near: /medicare/i,
    alone: null,
  },
  {
    rule: rule("kr-rrn", "a Korean registration number"),
    groups: ["6-7", "13"],
    check: (d) => shortDay(n(d, 0, 2), n(d, 2, 4), n(d, 4, 6)) && /^[1-8]$/.test(d.charAt(6)),
    near: /주민|rrn|frn|resident|korea|외국인/i,
    alone: "low",
  },
  {
    rule: rule("se-personnummer", "a Swedish personal number"),
    groups: ["6-4", "8-4", "10", "12"],
    check: (d) => {
      const s = d.slice(-10);
      return (
        luhn(s) && n(s, 4, 6) > 0 && shortDay(n(s, 0, 2), n(s, 2, 4), n(s, 4, 6) > 60 ? n(s, 4, 6) - 60 : n(s, 4, 6))
      );
    },
    near: /personnummer|personal|pnr|svensk|swedish/i,
    alone: "low",
  },
  {
    rule: rule("se-organisationsnummer", "a Swedish organisation number"),
    groups: ["6-4", "10"],
    check: (d) => luhn(d) && n(d, 2, 4) >= 20,
    near: /org|company|f[öo]retag/i,
    alone: "low",
  },
  {
    rule: rule("tr-national-id", "a Turkish identity number"),
    groups: ["11"],
    check: turkish,
    near: /tckn|t\.?c\.? ?kimlik|kimlik|turk/i,
    alone: "low",
  },
  {
    rule: rule("th-national-id", "a Thai identity number"),
    groups: ["13", "1-4-5-2-1"],
    check: (d) =>
      /^[1-8]/.test(d) &&
      d.charAt(1) !== "0" &&
      (11 - weighted(d, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 11)) % 10 === last(d),
    near: /thai|tnin|บัตร/i,
    alone: "low",
  },
  {
    rule: rule("za-national-id", "a South African identity number"),
    groups: ["13"],
    check: (d) =>
      luhn(d) &&
      shortDay(n(d, 0, 2), n(d, 2, 4), n(d, 4, 6)) &&
      /^[012]$/.test(d.charAt(10)) &&
      /^[89]$/.test(d.charAt(11)),
    near: /south afric|rsa|\bza\b|identity|resident|refugee|\bid\b/i,
    alone: "low",
  },
  {
    rule: rule("it-vat", "an Italian VAT number"),
    groups: ["11"],
    check: (d) => luhn(d) && !same(d),
    near: /iva|vat|partita/i,
    alone: "low",
  },
  {
    rule: rule("us-bank-account", "a bank account number"),
    groups: ["8", "9", "10", "11", "12", "14", "17"],
    check: yes,
    near: /bank|account ?n|acct|routing|konto/i,
    alone: null,
  },
  {
    rule: rule("date-of-birth", "a date of birth"),
    groups: ["4-2-2", "2-2-4", "1-2-4", "1-1-4", "2-1-4"],
    check: yes,
    near: /birth|\bdob\b|d\.o\.b|born|geburt|naissance|nacimiento/i,
    alone: null,
  },
  {
    rule: rule("medical-record-number", "a medical record number", true),
    groups: ["6", "7", "8", "9", "10"],
    check: yes,
    near: /\bmrn\b|medical rec|patient (?:id|no|num)|record num/i,
    alone: null,
  },
  {
    rule: rule("health-plan-id", "a health plan number", true),
    groups: ["9", "10", "11", "12"],
    check: yes,
    near: /health ?plan|member ?id|subscriber|insurance (?:id|no|num)/i,
    alone: null,
  },
];
