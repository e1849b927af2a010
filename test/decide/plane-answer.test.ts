import { describe, expect, test } from "bun:test";
import { decisionAnswerSchema } from "../../src/decide/governance-schema.ts";
import { readAnswer, rulingOf } from "../../src/decide/plane-answer.ts";
import type { HttpReply } from "../../src/runtime/contract.ts";

const headers = { "content-type": "application/json" };
const reply = (text: string | Uint8Array): HttpReply => ({
  status: 200,
  headers,
  body: typeof text === "string" ? new TextEncoder().encode(text) : text,
});
const read = (text: string | Uint8Array, maxBody = 64 * 1024 * 1024) =>
  readAnswer(reply(text), { maxBody, clock: () => performance.now() });
const why = (text: string, maxBody?: number): Promise<string> =>
  read(text, maxBody).then(
    () => "read",
    (fault: Error) => fault.message.replace("the governance plane's answer is malformed: ", ""),
  );
const escaped = (text: string) =>
  `"${[...text].map((char) => (char.length === 2 ? [...char].map(() => unit(char, 0) + unit(char, 1))[0] : unit(char, 0))).join("")}"`;
const unit = (char: string, at: number) => `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`;

describe("a long replacement is read as a parser would read it:", () => {
  const long = 150_000;
  const texts: [string, string][] = [
    ["plain", "a".repeat(long)],
    ["quotes and backslashes", '\\"\n\\\\'.repeat(long / 4)],
    ["two bytes", "é".repeat(long)],
    ["four bytes, out of step", `x${"😀".repeat(long)}`],
    ["four bytes, out of step by two", `xy${"😀".repeat(long)}`],
    ["marks of byte order", "\ufeff".repeat(long)],
    ["what looks like its end", '","decision":"allow","x":"'.repeat(long / 20)],
  ];
  for (const [name, text] of texts) {
    for (const [way, json] of [
      ["as it is", JSON.stringify(text)],
      ["all escaped", escaped(text)],
      ["solidi escaped too", JSON.stringify(text).replaceAll("/", "\\/")],
    ] as const) {
      test(`${name}, ${way}`, async () => {
        const { answer, redacted } = await read(
          `{"reason":"r \\" {","redacted_body" : ${json} ,"metadata":{"redacted_body":[{}]},"decision":"sanitize"}`,
        );
        expect(answer).toMatchObject({ decision: "sanitize", reason: 'r " {' });
        expect(Buffer.compare(redacted ?? new Uint8Array(), Buffer.from(text))).toBe(0);
      });
    }
  }
  for (const length of [98_301, 98_302, 98_303, 98_304, 200_000]) {
    test(`base64 of ${length} bytes, escaped solidi in it`, async () => {
      const bytes = new Uint8Array(length).map((_, i) => (i * 7919) >> 3);
      const json = JSON.stringify(Buffer.from(bytes).toString("base64")).replaceAll("/", "\\/");
      const { redacted } = await read(`{"decision":"sanitize","redacted_encoding":"base64","redacted_body":${json}}`);
      expect(Buffer.compare(redacted ?? new Uint8Array(), bytes)).toBe(0);
    });
  }
});

describe("malformed:", () => {
  const a = "A".repeat(200_000);
  const cases: [string, string, string, number?][] = [
    ["a decision twice", '{"decision":"deny","decision":"allow"}', "a member stands twice"],
    ["a decision twice, once escaped", '{"decision":"deny","d\\u0065cision":"allow"}', "a member stands twice"],
    [
      "a long body twice",
      `{"decision":"sanitize","redacted_body":"${a}","redacted_body":"b"}`,
      "a member stands twice",
    ],
    ["half a pair", '{"decision":"sanitize","redacted_body":"\\ud800"}', "redacted_body is not text"],
    [
      "half a pair in a long body",
      `{"decision":"sanitize","redacted_body":"${a}\\ud83d\\n"}`,
      "redacted_body is not text",
    ],
    ["a bad escape in a long body", `{"decision":"sanitize","redacted_body":"${a}\\x"}`, "not JSON"],
    ["a control character in a long body", `{"decision":"sanitize","redacted_body":"${a}\n"}`, "not JSON"],
    ["an escape that eats the quote", `{"decision":"sanitize","redacted_body":"${a}\\u12","x":"yyyy"}`, "not JSON"],
    [
      "half a pair before a quote",
      `{"decision":"allow","reason":"\\ud83d\\"","decision":"deny"}`,
      "a member stands twice",
    ],
    ["a long body without end", `{"decision":"sanitize","redacted_body":"${a}`, "not JSON"],
    ["more behind a long body", `{"decision":"sanitize","redacted_body":"${a}"}{}`, "not JSON"],
    [
      "a long body larger than a body",
      `{"decision":"sanitize","redacted_body":"${a}"}`,
      "redacted_body is larger than a body may be",
      1000,
    ],
    ["an allow with a long body", `{"decision":"allow","redacted_body":"${a}"}`, "answer: custom"],
    [
      "padding inside a long body",
      `{"decision":"sanitize","redacted_encoding":"base64","redacted_body":"${a.slice(0, 98_303)}=${a}"}`,
      "redacted_body is not base64",
    ],
    [
      "base64 cut short",
      `{"decision":"sanitize","redacted_encoding":"base64","redacted_body":"${a}A"}`,
      "redacted_body is not base64",
    ],
    ["too much of anything else", `{"decision":"allow","metadata":{"x":"${a}${a}"}}`, "too long"],
    [
      "too much behind a long body",
      `{"decision":"sanitize","redacted_body":"${a}","metadata":{"x":"${a}${a}"}}`,
      "too long",
    ],
  ];
  for (const [name, text, expected, maxBody] of cases) {
    test(name, async () => expect(await why(text, maxBody)).toBe(expected));
  }
});

test("others have their turn while a long replacement is read", async () => {
  let now = 0;
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  try {
    const text = "x".repeat(4 * 1024 * 1024);
    // Every look at this clock finds that the turn has lasted long enough.
    await readAnswer(reply(JSON.stringify({ decision: "sanitize", redacted_body: text })), {
      maxBody: 8 * 1024 * 1024,
      clock: () => (now += 2),
    });
    expect(turns).toBeGreaterThan(50);
  } finally {
    clearInterval(timer);
  }
});

describe("what limits add to an answer", () => {
  const said = (decision: string, metadata: object) => {
    const read = decisionAnswerSchema.parse({ decision, metadata });
    return rulingOf(read, null);
  };
  const fields = [
    ["Retry-After", "12"],
    ["RateLimit", '"pace";r=0;t=12'],
  ];

  test("is read where it belongs", () => {
    expect(said("deny", { limit: { status: 429, fields } }).limit).toEqual({ status: 429, fields } as never);
    expect(said("deny", { limit: { status: 503, fields: [] } }).limit).toEqual({ status: 503, fields: [] });
    expect(said("allow", { limit: { mode: "degraded" } }).limit).toEqual({ mode: "degraded" });
    const settle = { token: "x".repeat(8192), usage: true };
    expect(said("allow", { settle })).toMatchObject({ settle, limit: null });
    expect(said("allow", {})).toMatchObject({ settle: null, limit: null });
  });

  const wrong: [string, string, object][] = [
    ["a status with an allow", "allow", { limit: { status: 429, fields } }],
    ["a status with a hold", "approval_needed", { limit: { status: 429, fields } }],
    ["another status", "deny", { limit: { status: 200, fields } }],
    ["a mode with a deny", "deny", { limit: { mode: "degraded" } }],
    ["another mode", "allow", { limit: { mode: "fail_open" } }],
    ["both", "deny", { limit: { status: 429, fields, mode: "degraded" } }],
    ["another field", "deny", { limit: { status: 429, fields: [["Set-Cookie", "a=b"]] } }],
    ["a name in another spelling", "deny", { limit: { status: 429, fields: [["retry-after", "1"]] } }],
    ["a field twice", "deny", { limit: { status: 429, fields: [fields[0], fields[0]] } }],
    ["a line break in a value", "deny", { limit: { status: 429, fields: [["Retry-After", "1\r\nX: y"]] } }],
    ["a value without end", "deny", { limit: { status: 429, fields: [["Retry-After", "1".repeat(161)]] } }],
    ["an empty value", "deny", { limit: { status: 429, fields: [["Retry-After", ""]] } }],
    ["a value beyond ASCII", "deny", { limit: { status: 429, fields: [["Retry-After", "\u00e9"]] } }],
    ["no fields", "deny", { limit: { status: 429 } }],
    ["a text", "deny", { limit: "429" }],
    ["a token without end", "allow", { settle: { token: "x".repeat(8193), usage: true } }],
    ["a token with a blank", "allow", { settle: { token: "a b", usage: true } }],
    ["a bare token", "allow", { settle: "a" }],
  ];
  for (const [name, decision, metadata] of wrong) {
    test(`is no answer with ${name}`, () => expect(() => said(decision, metadata)).toThrow(/malformed: metadata/));
  }
});
