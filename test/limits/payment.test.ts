import { describe, expect, test } from "bun:test";
import { parseAmountPath } from "../../src/limits/amount-path.ts";
import { amountMicros, formatMicros, scaled } from "../../src/limits/money.ts";
import { type PaymentRead, type PaymentTerms, readPayment } from "../../src/limits/payment.ts";

function terms(field: string, rest: Partial<PaymentTerms> = {}): PaymentTerms {
  const path = parseAmountPath(field);
  if (path === null) throw new Error(`no path: ${field}`);
  return { field: path, currencyField: null, currency: "USD", unit: "major", ...rest };
}

function pay(
  body: string,
  rest: Partial<PaymentTerms> & { field?: never } = {},
  type = "application/json",
  query = "",
): PaymentRead {
  return readPayment(terms("$.amount", rest), { body: new TextEncoder().encode(body), contentType: type, query });
}

const FORM = "application/x-www-form-urlencoded";

function vector(read: PaymentRead): string {
  return typeof read === "number" ? `read ${read}` : read.vector;
}

describe("amounts that are not plainly one amount are refused", () => {
  const texts = [
    "1e3",
    "1E3",
    "-1",
    "-0",
    "+1",
    "01",
    ".5",
    "5.",
    "0x10",
    "1_000",
    "1,000",
    " 1",
    "1 ",
    "",
    "NaN",
    "Infinity",
    "１",
    "10.001",
    "99999999999999999",
    "1e400",
    "1.0000000000000000001",
    "true",
  ];
  for (const text of texts) {
    test(`"${text}" as text`, () => expect(amountMicros(text, "major", "USD")).toBeNull());
  }
  test("cents with decimals", () => expect(amountMicros("100.5", "minor", "USD")).toBeNull());
  test("yen with decimals", () => expect(amountMicros("100.5", "major", "JPY")).toBeNull());
  test("over what can be counted", () => {
    expect(amountMicros("9007199254", "major", "USD")).toBe(9_007_199_254_000_000);
    expect(amountMicros("9007199255", "major", "USD")).toBeNull();
  });

  const bodies: readonly (readonly [string, string])[] = [
    ["an exponent", '{"amount":1e3}'],
    ["a negative one", '{"amount":-5}'],
    ["a huge one", '{"amount":1e400}'],
    ["NaN", '{"amount":NaN}'],
    ["null", '{"amount":null}'],
    ["true", '{"amount":true}'],
    ["a list", '{"amount":[1]}'],
    ["an object", '{"amount":{"value":1}}'],
    ["none", '{"sum":1}'],
    ["two", '{"amount":1,"amount":100000}'],
    ["two in another case", '{"amount":1,"Amount":100000}'],
    ["two, one escaped", '{"amount":1,"\\u0061mount":100000}'],
    ["two, one with a NUL", '{"amount":1,"amount\\u0000":999}'],
    ["two, one cut at a NUL", '{"amount":1,"amount\\u0000x":999}'],
    ["two, one with a blank", '{"amount":1," amount":999}'],
    ["two, one with a mark nobody sees", '{"amount":1,"am\\u200bount":999}'],
    ["two, one in brackets", '{"amount":1,"[amount]":999}'],
    ["two, one with a part", '{"amount":1,"amount.value":999}'],
    ["two, one of many blanks", `{"amount":1,"amount${" ".repeat(2000)}":999}`],
    ["a list around all", '[{"amount":1}]'],
    ["a text around all", '"{\\"amount\\":1}"'],
    ["a comment", '{"amount":1/*,*/}'],
    ["single quotes", "{'amount':1}"],
    ["a trailing comma", '{"amount":1,}'],
    ["bytes behind the end", '{"amount":1} {"amount":2}'],
    ["a torn body", '{"amount":1'],
    ["a byte order mark", '\uFEFF{"amount":1}'],
    ["full-width digits", '{"amount":"１"}'],
    ["no body", ""],
    ["deep nesting", `{"x":${"[".repeat(200)}${"]".repeat(200)},"amount":1}`],
    ["a body over the bound", `{"amount":1,"x":"${"y".repeat(300_000)}"}`],
  ];
  for (const [name, body] of bodies) test(`JSON: ${name}`, () => expect(vector(pay(body))).toBe("payment_unreadable"));

  const forms = [
    "amount=1&amount=2",
    "amount=1&amount[]=2",
    "amount=1&Amount=2",
    "amount=1;amount=2",
    '{"amount":999,"currency":"USD","a":"&amount=0.01&currency=USD&b="}',
    ' \ufeff{"a":"&amount=1&b="}',
    '/**/{"a":"&amount=1&b="}',
    "x=1;%61mount=999&amount=0.01",
    "amount=0.01;x=2",
    "x=1;amount[]=999&amount=0.01",
    "x=1;+amount=999&amount=0.01",
    "amount%00=999&amount=0.01",
    "amount%00x=999&amount=0.01",
    "amount.value=999&amount=0.01",
    "x=1&[amount]=999&amount=0.01",
    "?amount=999&amount=0.01",
    "+Amount",
    "amount=-1",
    "x=1",
    "amount=1e3",
    "amount=",
  ];
  for (const body of forms) test(`form: ${body}`, () => expect(vector(pay(body, {}, FORM))).toBe("payment_unreadable"));
  test("multipart", () =>
    expect(vector(pay("amount=1", {}, "multipart/form-data; boundary=x"))).toBe("payment_unreadable"));
  for (const query of ["x=1;%61mount=9", ";amount[]=9", ";+amount=9", "amount%00=9", "amount.value=9", "[amount]=9"]) {
    test(`in the query: ${query}`, () => {
      expect(vector(pay('{"amount":1}', {}, "application/json", query))).toBe("payment_unreadable");
      expect(vector(pay("amount=1", {}, FORM, query))).toBe("payment_unreadable");
    });
  }
  test("a currency in the query", () => {
    const currencyField = parseAmountPath("$.currency");
    const read = pay('{"amount":1,"currency":"USD"}', { currencyField }, "application/json", "currency=JPY");
    expect(vector(read)).toBe("payment_unreadable");
  });

  const nested: readonly (readonly [path: string, body: string])[] = [
    ["$.order.amount", "order[amount]=1&order.amount=999"],
    ["$.order.amount", "order[amount]=1&order[+amount]=999"],
    ["$.order.amount", "order[amount]=1&order+[amount]=999"],
    ["$.order.amount", 'order[amount]=1&order={"amount":999}'],
    ["$.order.amount", "order[amount]=1&order[][amount]=999"],
    ["$.total_cents", "total_cents=1&total.cents=999"],
    ["$.order.amount", '{"order":{"amount":1},"order.amount":999}'],
    ["$.order.amount", '{"order":{"amount":1},"order ":{"amount":999}}'],
    ["$.items[*].amount", '{"items":{"0":{"amount":999},"*":{"amount":0.01}}}'],
    ["$.items[*].amount", '{"items":{"*":{"amount":0.01}}}'],
    ["$.items[*].amount", '{"items":[{"amount":1},"{\\"amount\\":999}"]}'],
    ["$[*].amount", '[{"amount":1},[{"amount":999}]]'],
  ];
  for (const [path, body] of nested) {
    test(`${path}: ${body}`, () => {
      const contentType = /^[[{]/.test(body) ? "application/json" : FORM;
      const read = readPayment(terms(path), { body: new TextEncoder().encode(body), contentType, query: "" });
      expect(vector(read)).toBe("payment_unreadable");
    });
  }
  test("an amount in the query of a list's", () => {
    const body = new TextEncoder().encode('{"items":[{"amount":1}]}');
    const read = readPayment(terms("$.items[*].amount"), { body, contentType: "", query: "items[0][amount]=999" });
    expect(vector(read)).toBe("payment_unreadable");
  });
  test("an amount in the query too", () => {
    expect(vector(pay('{"amount":1}', {}, "application/json", "a=b&amount=100000"))).toBe("payment_unreadable");
  });
});

describe("currencies", () => {
  const currencyField = parseAmountPath("$.currency");
  test("another one is refused", () =>
    expect(vector(pay('{"amount":1,"currency":"EUR"}', { currencyField }))).toBe("payment_currency"));
  test("none is refused", () => expect(vector(pay('{"amount":1}', { currencyField }))).toBe("payment_currency"));
  test("two are refused", () => {
    expect(vector(pay('{"amount":1,"currency":"USD","currency":"JPY"}', { currencyField }))).toBe("payment_unreadable");
  });
  test("its own, in any case", () => expect(pay('{"amount":1,"currency":"usd"}', { currencyField })).toBe(1_000_000));
});

describe("amounts", () => {
  test("major units", () => expect(pay('{"amount":12.34}')).toBe(12_340_000));
  test("a string", () => expect(pay('{"amount":"12.30"}')).toBe(12_300_000));
  test("no float is ever made of it", () => expect(pay('{"amount":4503599627.37}')).toBe(4_503_599_627_370_000));
  test("cents", () => expect(pay('{"amount":1234}', { unit: "minor" })).toBe(12_340_000));
  test("yen have no minor unit", () =>
    expect(pay('{"amount":1234}', { unit: "minor", currency: "JPY" })).toBe(1_234_000_000));
  test("a form", () =>
    expect(pay("currency=usd&amount=2000", { unit: "minor" }, `${FORM}; charset=utf-8`)).toBe(20_000_000));
  test("a form's nested name", () => {
    const body = new TextEncoder().encode("order[amount]=5&amount=7");
    expect(readPayment(terms("$.order.amount"), { body, contentType: FORM, query: "" })).toBe(5_000_000);
  });
  test("several are added up", () => {
    const body = new TextEncoder().encode('{"units":[{"amount":{"value":"1.10"}},{"amount":{"value":"2.20"}}]}');
    expect(readPayment(terms("$.units[*].amount.value"), { body, contentType: "", query: "" })).toBe(3_300_000);
  });
  test("one of several that is none refuses all", () => {
    const body = new TextEncoder().encode('{"units":[{"value":1},{"value":"x"}]}');
    expect(vector(readPayment(terms("$.units[*].value"), { body, contentType: "", query: "" }))).toBe(
      "payment_unreadable",
    );
  });
  test("the same name elsewhere is another place", () => expect(pay('{"x":{"amount":9},"amount":1}')).toBe(1_000_000));
});

describe("money", () => {
  test("scaled keeps every digit", () => {
    expect(scaled("0.1", 6)).toBe(100_000);
    expect(scaled("0.30", 6)).toBe(300_000);
    expect(scaled("0.0000001", 6)).toBeNull();
  });
  test("formatMicros", () => {
    expect(formatMicros(12_340_000, "USD")).toBe("12.34 USD");
    expect(formatMicros(1, "USD")).toBe("0.000001 USD");
    expect(formatMicros(5_000_000, "JPY")).toBe("5 JPY");
    expect(formatMicros(0, "USD")).toBe("0.00 USD");
  });
});

describe("paths", () => {
  for (const text of ["amount", "$", "$.", "$..a", "$.a[0]", "$['a']", `$${".a".repeat(17)}`]) {
    test(`"${text}" is none`, () => expect(parseAmountPath(text)).toBeNull());
  }
});

test("names that fold to one name are that name twice", () => {
  const cents = terms("$.total_cents", { unit: "minor" });
  const body = new TextEncoder().encode('{"total_cents":1,"total_cent\u017f":100000}');
  expect(readPayment(cents, { body, contentType: "application/json", query: "" })).toMatchObject({
    vector: "payment_unreadable",
  });
});
