import { describe, expect, test } from "bun:test";
import { compileDlp, loadPatternEngine } from "../../src/dlp/dlp.ts";
import { carriesData } from "../../src/dlp/host-labels.ts";
import type { Field, Question } from "../../src/model/question.ts";
import { questionWith } from "../_question.ts";
import { ALL, scan } from "./_run.ts";
import { github, hexToken } from "./_secrets.ts";

await loadPatternEngine();

const question = (over: Partial<Question>): Question => questionWith({ path: "/v1/x", ...over });

const head = (over: Partial<Question>, dlp = compileDlp(ALL)): string[] =>
  dlp
    .scanHead(question(over), { url: true, headers: question(over).headers })
    .filter(({ confidence }) => confidence !== "low")
    .map(({ name, where }) => `${name} in ${where}`);
const credential = (issuer: string | null): Field => [
  "authorization",
  { kind: "bearer", issuer, fingerprint: "hmac-00" },
];

describe("a credential of the head", () => {
  test("of an issuer at another's host is a finding, at its own is none", () => {
    expect(head({ host: "collector.example", headers: [credential("openai")] })).toEqual([
      "foreign-credential in header authorization",
    ]);
    expect(head({ host: "api.openai.com", headers: [credential("openai")] })).toEqual([]);
    expect(head({ host: "s3.eu-central-1.amazonaws.com", headers: [credential("aws")] })).toEqual([]);
  });

  test("of nobody known, or a web token, is normal anywhere", () => {
    expect(head({ headers: [credential(null)] })).toEqual([]);
    expect(head({ headers: [credential("jwt")] })).toEqual([]);
  });
});

describe("head texts", () => {
  test("a usual head has nothing in it", () => {
    const headers: Field[] = [
      ["user-agent", "OpenAI/Python 1.40.3 (Linux 6.1.0)"],
      ["content-type", "application/json"],
      ["x-stainless-os", "Linux"],
      ["traceparent", `00-${hexToken(32)}-${hexToken(16)}-01`],
    ];
    expect(
      head({
        headers,
        query: [
          ["page", "12"],
          ["since", "2024-05-11T10%3A00%3A00Z"],
        ],
        path: "/v1/projects/my-project/locations",
      }),
    ).toEqual([]);
  });

  test("personal data in query, path and headers is told with its place, and is not redactable", () => {
    expect(head({ query: [["mail", "jo%40company.org"]] })).toEqual(["email-address in query mail"]);
    expect(head({ path: "/users/jo@company.org" })).toEqual(["email-address in path"]);
    const asked = question({ headers: [["x-note", "IBAN GB82WEST12345698765432"]] });
    const findings = compileDlp(ALL).scanHead(asked, { url: true, headers: asked.headers });
    expect(findings.map(({ name, redactable }) => [name, redactable])).toEqual([["iban", false]]);
  });
});

describe("host labels", () => {
  const quiet = [
    "api.openai.com",
    "my-resource-name.openai.azure.com",
    "a1b2c3d4e5f6.us-east-1.elb.amazonaws.com",
    "xn--bcher-kva.example",
    "registry-1.docker.io",
    "storage.googleapis.com",
    "123e4567-e89b-12d3-a456-426614174000.app.example.com",
  ];
  for (const host of quiet) test(`${host} carries nothing`, () => expect(carriesData(host)).toBeNull());
  const loud = [
    `${hexToken(40, 2)}.x.example`,
    `${hexToken(16, 3)}.${hexToken(16, 4)}.${hexToken(16, 5)}.t.example`,
    "mzxw6ytboi2gk3djnzsxgyltmf2caobrgu3dqnzzgaydcmrt.d.example",
  ];
  for (const host of loud) test(`${host.slice(0, 20)}… carries data`, () => expect(carriesData(host)).not.toBeNull());
});

describe("canaries", () => {
  const token = "Ostrich-7731-Lantern";
  const dlp = compileDlp({ canaries: [token] });
  const bytes = new TextEncoder().encode(token);
  const forms: [string, string][] = [
    ["plain", token],
    ["plain in another case", token.toUpperCase()],
    ["reversed", [...token].reverse().join("")],
    ["hex", Buffer.from(bytes).toString("hex")],
    ["percent", [...bytes].map((byte) => `%${byte.toString(16)}`).join("")],
    ["base64", btoa(token)],
    ["base64, one byte on", btoa(`x${token}yy`)],
    ["base64, two bytes on", btoa(`xx${token}y`)],
  ];
  for (const [what, text] of forms)
    test(what, () =>
      expect(scan(`a ${text} b`, { dlp }).map(({ name, mode, reason }) => [name, mode, reason])).toEqual([
        ["canary", "enforce", "a planted canary token stands in the body"],
      ]),
    );
  test("not what only begins alike", () => expect(scan("a Ostrich-7731-Lant b", { dlp })).toEqual([]));
  test("too short a token is refused", () => expect(() => compileDlp({ canaries: ["abc"] })).toThrow("shorter"));
});

describe("dictionaries", () => {
  const words = Array.from({ length: 4000 }, (_, i) => `codename${i.toString(36)}z`);
  const dlp = compileDlp({ dictionaries: [{ name: "projects", words: ["Blue Heron", "Ärztehaus", ...words] }] });
  test("words at their boundaries, in either case", () => {
    expect(scan("the blue heron plan", { dlp }).map(({ name, start, end }) => [name, start, end])).toEqual([
      ["projects", 4, 14],
    ]);
    expect(scan("CODENAMErsz", { dlp })).toHaveLength(1);
    expect(scan("Ärztehaus", { dlp })).toHaveLength(1);
  });
  test("not within longer words", () => expect(scan("blue herons, codenamersza", { dlp })).toEqual([]));
  test("too many are refused", () => {
    const many = Array.from({ length: 30_000 }, (_, i) => `w${(i * 7919).toString(36)}q${(i * 104729).toString(36)}`);
    expect(() => compileDlp({ dictionaries: [{ name: "many", words: many }] })).toThrow("too many words");
  });
});

describe("patterns", () => {
  test("are found at their place, behind escapes and slices too", () => {
    const dlp = compileDlp({ patterns: [{ name: "ticket", pattern: "\\bACME-[0-9]{4}\\b" }] });
    for (const before of [0, 3500, 4090, 9000]) {
      const body = JSON.stringify({ a: `${"\n é".repeat(before / 3)} ACME-1234 ` });
      const found = scan(body, { dlp, kind: "json" });
      expect(found.map(({ name }) => name)).toEqual(["ticket"]);
      expect(new TextDecoder().decode(new TextEncoder().encode(body).subarray(found[0]?.start, found[0]?.end))).toBe(
        "ACME-1234",
      );
    }
  });
  test("that are none, look around, or match nothing are refused", () => {
    for (const pattern of ["(", "(?=a)b", "(a)\\1", "a*"])
      expect(() => compileDlp({ patterns: [{ name: "p", pattern }] })).toThrow();
  });
  test("that would run away elsewhere do not", () => {
    const dlp = compileDlp({ patterns: [{ name: "p", pattern: "(a+)+b" }] });
    expect(scan("a".repeat(20_000), { dlp })).toEqual([]);
  });
});

test("with no settings secrets veto and personal data is only told", () => {
  const findings = scan(`${github()} 4111 1111 1111 1111`, { dlp: compileDlp() });
  expect(findings.map(({ vector, mode, pillar }) => [vector, mode, pillar])).toEqual([
    ["dlp_secret", "enforce", "CoreGuard"],
    ["dlp_personal", "shadow", "CoreGuard"],
  ]);
});

test("out of time is told, and is no pass", () => {
  const steps = compileDlp().scanBody(new Uint8Array(10), {
    kind: "text",
    host: "h.example",
    budget: { deadline: 1, clock: () => 2 },
  });
  expect(steps.next()).toEqual({ done: true, value: "exhausted" });
});
