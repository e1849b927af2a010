/** Identifiers of letters and digits: shapes, check characters, and the words that stand near them. */
import { rule, shortDay } from "./identifiers.ts";
import type { Confidence, Rule } from "./rule.ts";

export interface LetteredIdentifier {
  readonly rule: Rule;
  /** Where digits (D) and letters (L) stand in it, separators gone; `?` is either. What most tokens are told by. */
  readonly layouts: readonly string[];
  /** Over the token in capitals, separators gone. */
  readonly shape: RegExp;
  readonly check: (text: string) => boolean;
  /** As of an `Identifier`. */
  readonly near: string;
  readonly alone: Confidence | null;
  /** Nobody writes it in small letters. */
  readonly capitals?: true;
}

const yes = (): boolean => true;
const n = (text: string, from: number, to: number): number => Number(text.slice(from, to));
const NIF = "TRWAGMYFPDXBNJZSQVHLCKE";
const isNif = (text: string): boolean =>
  NIF.charAt(Number(text.slice(0, -1).replace("X", "0").replace("Y", "1").replace("Z", "2")) % 23) === text.slice(-1);
const FI = "0123456789ABCDEFHJKLMNPRSTUVWXY";
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
const codice = (text: string): boolean => {
  let sum = 0;
  for (let i = 0; i < 15; i++) {
    const code = text.charCodeAt(i);
    const value = code < 58 ? code - 48 : code - 65;
    sum += i % 2 === 0 ? (ODD[value] as number) : value;
  }
  return sum % 26 === text.charCodeAt(15) - 65;
};
const nric = (text: string): boolean => {
  const first = text.charAt(0);
  const weights = [2, 7, 6, 5, 4, 3, 2];
  let sum = first === "T" || first === "G" ? 4 : 0;
  weights.forEach((weight, i) => {
    sum += weight * n(text, i + 1, i + 2);
  });
  return (first === "S" || first === "T" ? "JZIHGFEDCBA" : "XWUTRQPNMLK").charAt(sum % 11) === text.charAt(8);
};
const dea = (text: string): boolean => {
  const d = text.slice(2);
  return (n(d, 0, 1) + n(d, 2, 3) + n(d, 4, 5) + 2 * (n(d, 1, 2) + n(d, 3, 4) + n(d, 5, 6))) % 10 === n(d, 6, 7);
};
/** German health insurance: the letter counts as two digits, products of two digits are added up. */
const kvnr = (text: string): boolean => {
  const d = `${String(text.charCodeAt(0) - 64).padStart(2, "0")}${text.slice(1, 9)}`;
  let sum = 0;
  for (let i = 0; i < 10; i++) {
    const product = (d.charCodeAt(i) - 48) * (1 + (i % 2));
    sum += product > 9 ? product - 9 : product;
  }
  return sum % 10 === Number(text.charAt(9));
};

export const LETTERED: readonly LetteredIdentifier[] = [
  {
    rule: rule("uk-nino", "a UK national insurance number"),
    layouts: ["LLDDDDDDL"],
    shape: /^(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]$/,
    check: yes,
    near: "nino|national insurance|ni num",
    alone: "medium",
  },
  {
    rule: rule("es-nif", "a Spanish DNI"),
    layouts: ["DDDDDDDL", "DDDDDDDDL"],
    shape: /^\d{7,8}[A-Z]$/,
    check: isNif,
    near: "dni|nif|identidad|spain",
    alone: "low",
  },
  {
    rule: rule("es-nie", "a Spanish NIE"),
    layouts: ["LDDDDDDDL"],
    shape: /^[XYZ]\d{7}[A-Z]$/,
    check: isNif,
    near: "nie|extranjero|spain",
    alone: "medium",
  },
  {
    rule: rule("it-codice-fiscale", "an Italian codice fiscale"),
    layouts: ["LLLLLL??L??L???L"],
    shape: /^[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]$/,
    check: codice,
    near: "codice|fiscale|=cf=",
    alone: "high",
  },
  {
    rule: rule("fi-hetu", "a Finnish personal identity code"),
    layouts: ["DDDDDDDDD?", "DDDDDDLDDD?"],
    shape: /^\d{6}[A-FU-Y]?\d{3}[0-9A-Y]$/,
    check: (t) =>
      shortDay(n(t, 4, 6), n(t, 2, 4), n(t, 0, 2)) &&
      FI.charAt(Number(t.slice(0, 6) + t.slice(-4, -1)) % 31) === t.slice(-1),
    near: "hetu|henkil|finnish",
    alone: "medium",
  },
  {
    rule: rule("in-pan", "an Indian PAN"),
    layouts: ["LLLLLDDDDL"],
    shape: /^[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]$/,
    check: yes,
    near: "=pan=|income tax|permanent acc",
    alone: "low",
  },
  {
    rule: rule("in-gstin", "an Indian GSTIN"),
    layouts: ["DDLLLLLDDDDL?L?"],
    shape: /^(?:0[1-9]|[12]\d|3[0-7])[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]$/,
    check: yes,
    near: "gst",
    alone: "medium",
  },
  {
    rule: rule("sg-nric", "a Singapore NRIC"),
    layouts: ["LDDDDDDDL"],
    shape: /^[STFG]\d{7}[A-Z]$/,
    check: nric,
    near: "nric|=fin=|singapore",
    alone: "low",
  },
  {
    rule: rule("us-mbi", "a US Medicare number", true),
    layouts: ["DL?DL?DLLDD"],
    shape: /^[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d[AC-HJKMNP-RT-Y]{2}\d{2}$/,
    check: yes,
    near: "mbi|medicare|beneficiary",
    alone: "medium",
  },
  {
    rule: rule("us-dea", "a US DEA number", true),
    layouts: ["L?DDDDDDD"],
    shape: /^[ABFGHKLMPRSTUX][A-Z9]\d{7}$/,
    check: dea,
    near: "=dea=|prescri|certificate",
    alone: "low",
  },
  {
    rule: rule("de-kvnr", "a German health insurance number", true),
    layouts: ["LDDDDDDDDD"],
    shape: /^[A-Z]\d{9}$/,
    check: kvnr,
    near: "kvnr|kranken|versicher|egk",
    alone: "low",
  },
  {
    rule: rule("icd-10", "a diagnosis code", true),
    layouts: ["LD?", "LD??", "LD???", "LD????", "LD?????"],
    shape: /^[A-TV-Z]\d[0-9AB](?:\.?[0-9A-Z]{1,4})?$/,
    check: yes,
    near: "icd|diagnos|dx=",
    alone: null,
    capitals: true,
  },
  {
    rule: rule("passport", "a passport number"),
    layouts: ["L??????", "L???????", "L????????", "LLDDDDDDDD"],
    shape: /^[A-Z]{1,2}\d{6,8}$|^[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8}$/,
    check: yes,
    near: "pass=|passport|reisepass|passeport|pasaporte",
    alone: null,
  },
  {
    rule: rule("driving-licence", "a driving licence number"),
    layouts: [
      "????????",
      "?????????",
      "??????????",
      "???????????",
      "????????????",
      "?????????????",
      "??????????????",
      "???????????????",
      "????????????????",
    ],
    shape: /^[A-Z0-9]{8,16}$/,
    check: (t) => /[A-Z]/.test(t) && (t.match(/\d/g)?.length ?? 0) >= 4,
    near: "driving licen|driving_licen|driver licen|driver_licen|drivers licen|driver's licen|führerschein|fuhrerschein|permis de conduire|patente",
    alone: null,
  },
];

const IBANS =
  "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20";

/** Two capitals as a number of base 26 → the length of that country's IBANs, or 0. */
export const IBAN_LENGTHS: Uint8Array = ibanLengths();

function ibanLengths(): Uint8Array {
  const table = new Uint8Array(26 * 26);
  for (const row of IBANS.split(" "))
    table[(row.charCodeAt(0) - 0x41) * 26 + row.charCodeAt(1) - 0x41] = Number(row.slice(2));
  return table;
}

export const IBAN_RULE: Rule = { ...rule("iban", "a bank account (IBAN)"), severity: "high" };
