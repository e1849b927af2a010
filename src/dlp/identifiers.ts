/** Identifiers written in digits: groupings, check digits, and the words that stand near them. */
import { type Digits, isDay, luhn, mod11_10, verhoeff, weighted } from "./checks.ts";
import type { Confidence, Rule } from "./rule.ts";

export interface Identifier {
  readonly rule: Rule;
  /** Groups of digits it is written in, as "3-2-4"; "9" for nine in a row. Any one separator of ` `, `-`, `.`, `/` between. */
  readonly groups: readonly string[];
  readonly check: (digits: Digits, length: number) => boolean;
  /** Words one of which stands near, parted by `|`. A `=` at an end: the word ends there. Letters of either case. */
  readonly near: string;
  /** Without such a word; null: then it is nothing. */
  readonly alone: Confidence | null;
}

export function rule(name: string, reason: string, health = false): Rule {
  return { name, class: health ? "health" : "personal", severity: "medium", issuer: null, reason };
}

const yes = (): boolean => true;
/** The number that the digits from `from` to before `to` say. */
const n = (digits: Digits, from: number, to: number): number => {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + (digits[i] as number);
  return value;
};
const first = (digits: Digits): number => digits[0] as number;
const same = (digits: Digits, length: number): boolean => {
  for (let i = 1; i < length; i++) if (digits[i] !== digits[0]) return false;
  return true;
};
/** Two digits of a year: the day has to be one in either century. */
export const shortDay = (yy: number, mm: number, dd: number): boolean =>
  isDay(1900 + yy, mm, dd) || isDay(2000 + yy, mm, dd);

function isCard(digits: Digits, length: number): boolean {
  const one = first(digits);
  const two = n(digits, 0, 2);
  const four = n(digits, 0, 4);
  const known =
    (one === 4 && (length === 13 || length === 16 || length === 19)) ||
    (length === 16 && ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))) ||
    (length === 15 && (two === 34 || two === 37 || one === 1)) ||
    (length === 14 && (two === 30 || two === 36 || two === 38 || two === 39)) ||
    (length === 16 &&
      (two === 65 || four === 6011 || two === 35 || two === 62 || two === 60 || (four >= 6440 && four <= 6499))) ||
    (length >= 16 && length <= 19 && (two === 62 || two === 67 || two === 50 || (two >= 56 && two <= 58)));
  return known && luhn(digits, 0, length) && !same(digits, length);
}

const CPF_FIRST = [10, 9, 8, 7, 6, 5, 4, 3, 2];
const CPF_SECOND = [11, ...CPF_FIRST];
const cpf = (d: Digits, length: number): boolean =>
  !same(d, length) &&
  ((weighted(d, CPF_FIRST, 11) * 10) % 11) % 10 === d[9] &&
  ((weighted(d, CPF_SECOND, 11) * 10) % 11) % 10 === d[10];
const CNPJ_FIRST = [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
const CNPJ_SECOND = [6, ...CNPJ_FIRST];
const cnpj = (d: Digits, length: number): boolean => {
  const digit = (rest: number): number => (rest < 2 ? 0 : 11 - rest);
  return (
    !same(d, length) && digit(weighted(d, CNPJ_FIRST, 11)) === d[12] && digit(weighted(d, CNPJ_SECOND, 11)) === d[13]
  );
};
const ODD = [1, 0, 1, 0, 1, 0, 1, 0, 1];
const EVEN = [0, 1, 0, 1, 0, 1, 0, 1];
const turkish = (d: Digits): boolean => {
  const odd = weighted(d, ODD, 1000);
  const even = weighted(d, EVEN, 1000);
  return first(d) !== 0 && (((odd * 7 - even) % 10) + 10) % 10 === d[9] && (odd + even + n(d, 9, 10)) % 10 === d[10];
};
const german = (d: Digits, length: number): boolean => {
  if (first(d) === 0) return false;
  let most = 0;
  for (let digit = 0; digit < 10; digit++) {
    let count = 0;
    for (let i = 0; i < 10; i++) if (d[i] === digit) count++;
    if (count > most) most = count;
  }
  return (most === 2 || most === 3) && mod11_10(d, length);
};
const ABN = [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19];
/** The first digit counts one less. */
const abn = (d: Digits): boolean => first(d) !== 0 && (weighted(d, ABN, 1e6) - 10) % 89 === 0;
/** Thirteen digits are a number that is still exact. */
const nir = (d: Digits): boolean => (first(d) === 1 || first(d) === 2) && 97 - (n(d, 0, 13) % 97) === n(d, 13, 15);
const npi = (d: Digits, length: number): boolean => {
  if (first(d) !== 1 && first(d) !== 2) return false;
  // Behind the prefix 80840, whose digits count 24.
  let sum = 24;
  for (let i = 0; i < length; i++) {
    const digit = d[i] as number;
    sum += i % 2 === 1 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 === 0;
};
const palindrome = (d: Digits, length: number): boolean => {
  for (let i = 0; i < length >> 1; i++) if (d[i] !== d[length - 1 - i]) return false;
  return true;
};

export const IDENTIFIERS: readonly Identifier[] = [
  {
    rule: { ...rule("payment-card", "a payment card number"), severity: "high" },
    groups: ["13", "14", "15", "16", "19", "4-4-4-4", "4-6-5", "4-6-4", "4-4-4-4-3"],
    check: isCard,
    near: "card|visa|master|amex|credit|debit|pan=|ccn|cc-n|cc_n|cc n|payment|karte|tarjeta|carte",
    alone: "medium",
  },
  {
    rule: rule("us-ssn", "a US social security number"),
    groups: ["3-2-4", "9"],
    check: (d, length) =>
      n(d, 0, 3) > 0 &&
      n(d, 0, 3) !== 666 &&
      first(d) !== 9 &&
      n(d, 3, 5) > 0 &&
      n(d, 5, 9) > 0 &&
      !same(d, length) &&
      n(d, 0, 9) !== 123456789 &&
      n(d, 0, 9) !== 78051120,
    near: "ssn|social|socsec|soc-sec|soc_sec|soc sec|security num",
    alone: "low",
  },
  {
    rule: rule("us-itin", "a US taxpayer number"),
    groups: ["3-2-4", "9", "3-6", "5-4"],
    check: (d) => first(d) === 9 && n(d, 3, 5) >= 50 && ![66, 67, 68, 69, 89, 93].includes(n(d, 3, 5)),
    near: "itin|tax|tin=",
    alone: "low",
  },
  {
    rule: rule("uk-nhs-number", "an NHS number", true),
    groups: ["3-3-4", "10"],
    check: (d, length) => {
      const check = 11 - weighted(d, CPF_FIRST, 11);
      return check !== 10 && check % 11 === d[9] && !same(d, length);
    },
    near: "nhs|national health|patient",
    alone: null,
  },
  {
    rule: rule("us-npi", "a US health provider number", true),
    groups: ["10", "4-3-3"],
    check: npi,
    near: "npi|provider",
    alone: "low",
  },
  {
    rule: rule("de-tax-id", "a German tax id"),
    groups: ["11", "2-3-3-3"],
    check: german,
    near: "steuer|tax|idnr|tin=",
    alone: null,
  },
  {
    rule: rule("fr-nir", "a French social security number"),
    groups: ["15", "1-2-2-2-3-3-2", "13-2"],
    check: nir,
    near: "nir|secu|sécu|social|insee",
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
        (10 - weighted(d, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3], 10)) % 10 === d[10]
      );
    },
    near: "pesel",
    alone: null,
  },
  {
    rule: rule("nl-bsn", "a Dutch BSN"),
    groups: ["9", "4-2-3"],
    check: (d, length) => !same(d, length) && (weighted(d, [9, 8, 7, 6, 5, 4, 3, 2], 11) + 11 - n(d, 8, 9)) % 11 === 0,
    near: "bsn|burgerservice|sofi",
    alone: null,
  },
  {
    rule: rule("br-cpf", "a Brazilian CPF"),
    groups: ["11", "3-3-3-2"],
    check: cpf,
    near: "cpf|cadastro",
    alone: "low",
  },
  { rule: rule("br-cnpj", "a Brazilian CNPJ"), groups: ["14", "2-3-3-4-2"], check: cnpj, near: "cnpj", alone: "low" },
  {
    rule: rule("in-aadhaar", "an Aadhaar number"),
    groups: ["12", "4-4-4"],
    check: (d, length) => first(d) >= 2 && verhoeff(d, length) && !palindrome(d, length),
    near: "aadhaar|aadhar|uidai|uid=",
    alone: "low",
  },
  {
    rule: rule("ca-sin", "a Canadian social insurance number"),
    groups: ["3-3-3", "9"],
    check: (d, length) => first(d) !== 0 && first(d) !== 8 && luhn(d, 0, length) && !same(d, length),
    near: "=sin=|social insurance|=nas=|assurance sociale",
    alone: "low",
  },
  {
    rule: rule("au-tfn", "an Australian tax file number"),
    groups: ["9", "3-3-3"],
    check: (d, length) => !same(d, length) && weighted(d, [1, 4, 3, 7, 5, 8, 6, 9, 10], 11) === 0,
    near: "tfn|tax file",
    alone: "low",
  },
  {
    rule: rule("au-abn", "an Australian business number"),
    groups: ["11", "2-3-3-3"],
    check: abn,
    near: "=abn=|business number",
    alone: "low",
  },
  {
    rule: rule("au-medicare", "an Australian Medicare number", true),
    groups: ["10", "4-5-1"],
    check: (d) => first(d) >= 2 && first(d) <= 6 && weighted(d, [1, 3, 7, 9, 1, 3, 7, 9], 10) === d[8],
    near: "medicare",
    alone: null,
  },
  {
    rule: rule("kr-rrn", "a Korean registration number"),
    groups: ["6-7", "13"],
    check: (d) => shortDay(n(d, 0, 2), n(d, 2, 4), n(d, 4, 6)) && n(d, 6, 7) >= 1 && n(d, 6, 7) <= 8,
    near: "주민|rrn|frn|resident|korea|외국인",
    alone: "low",
  },
  {
    rule: rule("se-personnummer", "a Swedish personal number"),
    groups: ["6-4", "8-4", "10", "12"],
    check: (d, length) => {
      const at = length - 10;
      const day = n(d, at + 4, at + 6);
      return (
        luhn(d, at, length) && day > 0 && shortDay(n(d, at, at + 2), n(d, at + 2, at + 4), day > 60 ? day - 60 : day)
      );
    },
    near: "personnummer|personal|pnr|svensk|swedish",
    alone: "low",
  },
  {
    rule: rule("se-organisationsnummer", "a Swedish organisation number"),
    groups: ["6-4", "10"],
    check: (d, length) => luhn(d, 0, length) && n(d, 2, 4) >= 20,
    near: "org|company|företag|foretag",
    alone: "low",
  },
  {
    rule: rule("tr-national-id", "a Turkish identity number"),
    groups: ["11"],
    check: turkish,
    near: "tckn|kimlik|turk",
    alone: "low",
  },
  {
    rule: rule("th-national-id", "a Thai identity number"),
    groups: ["13", "1-4-5-2-1"],
    check: (d) =>
      first(d) !== 0 &&
      first(d) !== 9 &&
      d[1] !== 0 &&
      (11 - weighted(d, [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 11)) % 10 === d[12],
    near: "thai|tnin|บัตร",
    alone: "low",
  },
  {
    rule: rule("za-national-id", "a South African identity number"),
    groups: ["13"],
    check: (d, length) =>
      luhn(d, 0, length) && shortDay(n(d, 0, 2), n(d, 2, 4), n(d, 4, 6)) && n(d, 10, 11) <= 2 && n(d, 11, 12) >= 8,
    near: "south afric|rsa|=za=|identity|resident|refugee|=id=",
    alone: "low",
  },
  {
    rule: rule("it-vat", "an Italian VAT number"),
    groups: ["11"],
    check: (d, length) => luhn(d, 0, length) && !same(d, length),
    near: "iva|vat|partita",
    alone: "low",
  },
  {
    rule: rule("us-bank-account", "a bank account number"),
    groups: ["8", "9", "10", "11", "12", "14", "17"],
    check: yes,
    near: "bank|account n|account_n|accountn|acct|routing|konto",
    alone: null,
  },
  {
    rule: rule("date-of-birth", "a date of birth"),
    groups: ["4-2-2", "2-2-4", "1-2-4", "1-1-4", "2-1-4"],
    check: yes,
    near: "birth|=dob=|d.o.b|born|geburt|naissance|nacimiento",
    alone: null,
  },
  {
    rule: rule("medical-record-number", "a medical record number", true),
    groups: ["6", "7", "8", "9", "10"],
    check: yes,
    near: "=mrn=|medical rec|patient id|patient_id|patient no|patient num|record num",
    alone: null,
  },
  {
    rule: rule("health-plan-id", "a health plan number", true),
    groups: ["9", "10", "11", "12"],
    check: yes,
    near: "health plan|healthplan|health_plan|member id|memberid|member_id|subscriber|insurance id|insurance no|insurance num",
    alone: null,
  },
];
