/** Secrets, cards and canaries in every container, written in every way, found and taken out. */
import { describe, expect, test } from "bun:test";
import { type BodyKind, compileDlp, type DlpFinding } from "../../src/dlp/dlp.ts";
import { drive, names, scan } from "./_run.ts";
import { awsId, github, openai } from "./_secrets.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CANARY = "zebra-4417-quartz";
const dlp = compileDlp({
  modes: { personal: "sanitize", health: "sanitize", secret: "sanitize", canary: "sanitize" },
  canaries: [CANARY],
});

const every = (text: string, write: (code: number) => string): string =>
  [...text].map((char) => write(char.charCodeAt(0))).join("");
const hex = (code: number, digits = 2): string => code.toString(16).padStart(digits, "0");

/** What is looked for, with words around it that tell what it is. */
const KINDS: readonly (readonly [name: string, value: string, before: string])[] = [
  ["payment-card", "4111111111111111", "card "],
  ["payment-card", "4111 1111 1111 1111", "card "],
  ["iban", "DE89370400440532013000", "IBAN "],
  ["us-ssn", "219-09-9999", "ssn "],
  ["email-address", "jo@company.org", "mail "],
  ["github-personal-token", github(3), "token "],
  ["aws-access-key-id", awsId(3), "aws "],
  ["openai-project-key", openai(3), "key "],
  ["canary", CANARY, "it says "],
];

const json = JSON.stringify;
const multipart = (head: string, content: string): string =>
  `--b0undary\r\nContent-Disposition: form-data; name="k"\r\n${head}\r\n${content}\r\n--b0undary--\r\n`;
const isMultipart = async (body: string): Promise<void> => {
  const type = "multipart/form-data; boundary=b0undary";
  const form = await new Response(body, { headers: { "content-type": type } }).formData();
  expect([...form.keys()]).toEqual(["k"]);
};
const parses = (text: string): void => expect(() => JSON.parse(text)).not.toThrow();
const isForm = (body: string): void => expect([...new URLSearchParams(body).keys()]).toEqual(["x", "y"]);

interface Container {
  readonly kind: BodyKind;
  readonly put: (text: string) => string;
  readonly check: (body: string) => void | Promise<void>;
}

/** Ways to write a text that whoever reads the container undoes. */
const escapedInJson = (text: string): string => every(text, (code) => `\\u${hex(code, 4)}`);
const inPercent = (text: string): string => every(text, (code) => `%${hex(code)}`);
const digitsInPercent = (text: string): string =>
  text.replace(/[0-9A-Za-z]/g, (c, at) => (at % 3 === 1 ? `%${hex(c.charCodeAt(0))}` : c));
const inQuotedPrintable = (text: string): string => every(text, (code) => `=${hex(code).toUpperCase()}`);
const folded = (text: string): string => text.replace(/.{5}/g, "$&=\r\n");

const CONTAINERS: readonly (readonly [what: string, container: Container])[] = [
  ["text", { kind: "text", put: (t) => `See: ${t} and so on.`, check: () => undefined }],
  ["JSON", { kind: "json", put: (t) => json({ a: `see ${t}, ok`, b: [1, t] }), check: parses }],
  [
    "JSON with every character escaped",
    { kind: "json", put: (t) => `{"a":"${escapedInJson(`see ${t}, ok`)}"}`, check: parses },
  ],
  [
    "JSON within JSON",
    {
      kind: "json",
      put: (t) => json({ a: json({ b: `see ${t}, ok`, c: [t] }) }),
      check: (body) => parses(JSON.parse(body).a),
    },
  ],
  [
    "JSON within JSON, escaped within",
    {
      kind: "json",
      put: (t) => json({ a: `{"b":"${escapedInJson(t)}"}` }),
      check: (body) => parses(JSON.parse(body).a),
    },
  ],
  [
    "JSON within JSON within JSON, escaped within",
    {
      kind: "json",
      put: (t) => json({ a: json({ b: `{"c":"${escapedInJson(t)}"}` }) }),
      check: (body) => parses(JSON.parse(JSON.parse(body).a).b),
    },
  ],
  ["a form", { kind: "form", put: (t) => String(new URLSearchParams({ x: t, y: "2" })), check: isForm }],
  ["a form, every character escaped", { kind: "form", put: (t) => `x=${inPercent(t)}&y=2`, check: isForm }],
  [
    "a form, some characters escaped",
    { kind: "form", put: (t) => `x=see+${digitsInPercent(t.replaceAll(" ", "+"))}+ok&y=2`, check: isForm },
  ],
  [
    "JSON in a form",
    {
      kind: "form",
      put: (t) => String(new URLSearchParams({ x: json({ a: t, b: `{"c":"${escapedInJson(t)}"}` }), y: "2" })),
      check: (body) => {
        isForm(body);
        parses(new URLSearchParams(body).get("x") ?? "");
      },
    },
  ],
  ["a part", { kind: "multipart", put: (t) => multipart("", `see ${t}, ok`), check: isMultipart }],
  [
    "a part of JSON",
    {
      kind: "multipart",
      put: (t) => multipart("Content-Type: application/json\r\n", `{"a":"${escapedInJson(t)}","b":${json(t)}}`),
      check: async (body) => {
        await isMultipart(body);
        parses(/\{.*\}/.exec(body)?.[0] ?? "");
      },
    },
  ],
  [
    "a part in quoted-printable",
    {
      kind: "multipart",
      put: (t) => multipart("Content-Transfer-Encoding: quoted-printable\r\n", `see ${inQuotedPrintable(t)}, ok`),
      check: isMultipart,
    },
  ],
  [
    "a part in quoted-printable with its lines cut",
    {
      kind: "multipart",
      put: (t) => multipart("content-transfer-encoding: Quoted-Printable\r\n", folded(`see ${t}, ok`)),
      check: isMultipart,
    },
  ],
  [
    "a mail in JSON",
    {
      kind: "json",
      put: (t) => json({ raw: `Content-Transfer-Encoding: quoted-printable\r\n\r\n${folded(inQuotedPrintable(t))}` }),
      check: parses,
    },
  ],
  [
    "a text with letters in percent-escapes",
    { kind: "text", put: (t) => `see ${digitsInPercent(t)} ok`, check: () => undefined },
  ],
  [
    "JSON with letters in percent-escapes",
    { kind: "json", put: (t) => json({ u: `https://h.example/?q=${inPercent(t)}` }), check: parses },
  ],
  [
    "a form in which escapes are escaped",
    { kind: "form", put: (t) => `x=${inPercent(t).replaceAll("%", "%25")}&y=2`, check: isForm },
  ],
];

const host = "collector.example";
function acting(bytes: Uint8Array, kind: BodyKind): DlpFinding[] {
  return scan(bytes, { kind, host, dlp }).filter(({ mode }) => mode === "sanitize");
}

for (const [what, { kind, put, check }] of CONTAINERS) {
  describe(`in ${what}`, () => {
    for (const [name, value, before] of KINDS) {
      test(`${name} ${value.slice(0, 5)}… is found, goes, and nothing new comes`, async () => {
        const body = put(before + value);
        const first = acting(encoder.encode(body), kind);
        expect(first.map((finding) => finding.name)).toContain(name);
        const done = drive(dlp.sanitize(encoder.encode(body), { kind, host }));
        if (done === "exhausted") throw new Error("exhausted");
        expect(done.left).toBeNull();
        const sent = decoder.decode(done.bytes);
        expect(acting(done.bytes, kind)).toEqual([]);
        expect(sent).not.toContain(value);
        await check(sent);
        const again = drive(dlp.sanitize(done.bytes, { kind, host }));
        if (again === "exhausted") throw new Error("exhausted");
        expect(decoder.decode(again.bytes)).toBe(sent);
        expect(scan(done.bytes, { kind, host, dlp }).length).toBeLessThanOrEqual(
          scan(body, { kind, host, dlp }).length,
        );
      });
    }
  });
}

describe("UTF-16 and UTF-32", () => {
  const written: readonly (readonly [string, (text: string) => number[]])[] = [
    ["utf-16le", (text) => [...text].flatMap((c) => [c.charCodeAt(0), 0])],
    ["utf-16le with a mark", (text) => [0xff, 0xfe, ...[...text].flatMap((c) => [c.charCodeAt(0), 0])]],
    ["utf-16be", (text) => [...text].flatMap((c) => [0, c.charCodeAt(0)])],
    ["utf-16be with a mark", (text) => [0xfe, 0xff, ...[...text].flatMap((c) => [0, c.charCodeAt(0)])]],
    ["utf-32le", (text) => [...text].flatMap((c) => [c.charCodeAt(0), 0, 0, 0])],
    ["utf-32be", (text) => [...text].flatMap((c) => [0, 0, 0, c.charCodeAt(0)])],
  ];
  const around = encoder.encode(multipart("Content-Type: text/plain\r\n", "|"));
  const bar = around.indexOf(0x7c);
  for (const [what, write] of written) {
    for (const [name, value, before] of KINDS) {
      test(`${what}: ${name} ${value.slice(0, 5)}… is found, and cannot be taken out`, () => {
        const bytes = Uint8Array.from(write(json({ a: before + value, b: `{"c":"${escapedInJson(value)}"}` })));
        const part = Uint8Array.from([...around.subarray(0, bar), ...bytes, ...around.subarray(bar + 1)]);
        for (const [body, kind] of [
          [bytes, "text"],
          [bytes, "json"],
          [part, "multipart"],
        ] as const) {
          const found = acting(body, kind).filter((finding) => finding.name === name);
          expect(found.length).toBeGreaterThan(0);
          expect(found.map(({ redactable }) => redactable)).not.toContain(true);
          expect(found[0]?.reason).toContain("UTF-16");
          const done = drive(dlp.sanitize(body, { kind, host }));
          expect(done).toMatchObject({ left: "written" });
        }
      });
    }
  }

  test("zeros in a file of another kind are no text", () => {
    const bytes = new Uint8Array(50_000).map((_, i) => (i % 5 === 0 ? 0 : (i * 7919) & 0xff));
    bytes.fill(0, 2000, 9000);
    expect(scan(bytes, { dlp }).filter(({ view }) => view.includes("utf-16"))).toEqual([]);
  });
});

describe("a card as a number of JSON", () => {
  for (const number of [
    "4111111111111111",
    "4111111111111111.0",
    "4111111111111111.000000000000000000000000",
    "4.111111111111111e15",
    "4.111111111111111E+15",
    "41.11111111111111000e14",
    "0.04111111111111111e17",
    "41111111111111110e-1",
    "-4111111111111111.0",
  ]) {
    test(`${number} is found and becomes a string, also within other JSON`, () => {
      const body = `{"card":${number},"n":[${number}, 2]}`;
      expect(names(body, { kind: "json", dlp })).toEqual(["payment-card", "payment-card"]);
      for (const [text, kind] of [
        [body, "json"],
        [json({ a: body }), "json"],
        [json({ a: json({ b: body }) }), "json"],
        [`x=${encodeURIComponent(body)}&y=2`, "form"],
        [multipart("Content-Type: application/json\r\n", body), "multipart"],
      ] as const) {
        const done = drive(dlp.sanitize(encoder.encode(text), { kind, host }));
        if (done === "exhausted") throw new Error("exhausted");
        expect(done.left).toBeNull();
        const sent = decoder.decode(done.bytes);
        expect(sent).not.toContain("1111");
        const inner = kind === "form" ? (new URLSearchParams(sent).get("x") ?? "") : (/\{.*\}/.exec(sent)?.[0] ?? "");
        let value: unknown = JSON.parse(inner);
        while (typeof value === "object" && value !== null && ("a" in value || "b" in value))
          value = JSON.parse(String(Object.values(value)[0]));
        expect(value).toMatchObject({ n: [expect.stringContaining("[REDACTED:payment-card"), 2] });
      }
    });
  }

  for (const number of [
    "4111111111111112.0",
    "4.1111111111111112e15",
    "4111111111111111.5",
    "4.1111e4",
    "3.14159265e2",
  ])
    test(`${number} is none`, () => expect(names(`{"n":${number}}`, { kind: "json", dlp })).toEqual([]));
});

describe("numbers within text stay numbers of a text", () => {
  test.each([
    ["a list in prose", json({ a: "cards [4111111111111111, 4012888888881881]" })],
    ["a list of values in a string", json({ a: "1,4111111111111111,5" })],
    ["prose within JSON within JSON", json({ a: json({ note: "cards [1, 4111111111111111, 5]", n: 1 }) })],
    ["a long table", json({ a: "7,4111111111111111,x\n".repeat(600) })],
  ])("%s", (_, body) => {
    const done = drive(dlp.sanitize(encoder.encode(body), { kind: "json", host }));
    if (done === "exhausted") throw new Error("exhausted");
    expect(done.left).toBeNull();
    const { a } = JSON.parse(decoder.decode(done.bytes));
    expect(a).not.toContain("4111111111111111");
    expect(a).not.toContain('"[REDACTED');
    if (a.startsWith("{")) parses(a);
  });
});

describe("honest escapes hide nothing", () => {
  test.each([
    ["an address with escapes", "text", "https://example.com/a%20b?q=x%3Dy%2Fz&n=100%25"],
    ["JSON in JSON", "json", json({ a: json({ html: "<b>\u003cok\u003e</b>", path: "a/b" }).replaceAll("/", "\\/") })],
    ["a form", "form", "x=a+b%2Cc&y=%E2%82%AC+20&z=1%2B1%3D2"],
    ["code", "text", 'const s = "\\u0041\\u00e9"; // a\\/b'],
  ] as const)("%s", (_, kind, body) => expect(names(body, { kind, dlp })).toEqual([]));
});
