/** A key, a card and a canary, tried at every door of a head; what the relay alone can see included. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedDecider } from "../../src/decide/embedded.ts";
import { openPolicy } from "../../src/decide/policy-files.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { awsId, github } from "../dlp/_secrets.ts";
import { body, egress } from "./_egress.ts";

const directory = mkdtempSync(join(tmpdir(), "sallyport-doors-"));
afterAll(() => rmSync(directory, { recursive: true }));

const CANARY = "zebra-4417-quartz";
const CARD = "4111 1111 1111 1111";
const SETTINGS = { orgId: "default", enforceTimeoutMs: 2000, maxBody: 1024 * 1024, maxHeld: 8 * 1024 * 1024 };
const path = join(directory, "policy.yaml");
writeFileSync(path, `version: 1\ndefault: allow\ndlp: { personal: enforce, canaries: { values: [${CANARY}] } }\n`);
const policy = await openPolicy(runtime, path);
const decider = embeddedDecider(runtime, SETTINGS, policy, () => "0".repeat(64));

const every = (text: string): string => [...text].map((c) => `%${c.charCodeAt(0).toString(16)}`).join("");
const units = (text: string): string => [...text].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join("");
const hex = (text: string): string => Buffer.from(text).toString("hex");
const { encodeURIComponent: escaped } = globalThis;
const head = (...headers: string[]) => ({ headers });

type Given = Parameters<typeof egress>[0];
const KEY = awsId(5);

async function vetoed(over: Given): Promise<string | null> {
  const decision = await decider.decide(egress({ method: "GET", ...over }), body(""));
  return decision.verdict === "allow" ? null : (decision.rule ?? decision.verdict);
}

/** Doors at which all three are found. */
const ALL: readonly (readonly [string, (value: string) => Given])[] = [
  ["a parameter", (v) => ({ path: `/v1?q=${escaped(v)}` })],
  ["a parameter with + for blanks", (v) => ({ path: `/v1?q=${escaped(v).replaceAll("%20", "+")}` })],
  ["a parameter's name", (v) => ({ path: `/v1?${escaped(v)}=1` })],
  ["a parameter, every character escaped", (v) => ({ path: `/v1?q=${every(v)}` })],
  ["a parameter, escaped, and an escape that is none", (v) => ({ path: `/v1?q=${every(v)}%ff%zz` })],
  ["a parameter, escaped twice", (v) => ({ path: `/v1?q=${escaped(every(v))}` })],
  ["a parameter of JSON", (v) => ({ path: `/v1?q=${escaped(`{"a":"${units(v)}"}`)}` })],
  ["a path, escaped, and an escape that is none", (v) => ({ path: `/v1/${every(v)}%zz` })],
  ["a path, escaped twice", (v) => ({ path: `/v1/${escaped(every(v))}` })],
  ["Referer, query", (v) => head("Referer", `https://a.example/?q=${escaped(v)}`)],
  ["Referer, fragment", (v) => head("Referer", `https://a.example/#q=${escaped(v)}`)],
  ["Referer, fragment, escaped", (v) => head("Referer", `https://a.example/#${every(v)}`)],
  ["a header", (v) => head("X-Note", v)],
  ["a header, escaped", (v) => head("X-Note", every(v))],
  ["a header of JSON", (v) => head("X-Note", `{"a":"${units(v)}"}`)],
];
/** Where numbers and random values are usual: what says by itself what it is. */
const SURE: readonly (readonly [string, (value: string) => Given])[] = [
  ["User-Agent", (v) => head("User-Agent", `curl/8 (${v})`)],
  ["X-Request-Id", (v) => head("X-Request-Id", v)],
  ["If-None-Match", (v) => head("If-None-Match", `"${v}"`)],
  ["Content-Disposition", (v) => head("Content-Disposition", `attachment; filename="${v}.txt"`)],
];
/** Where a credential stands, or what looks like one, which a question does not tell: a key of somebody else's. */
const HIDDEN: readonly (readonly [string, (value: string) => Given])[] = [
  ["Cookie", (v) => head("Cookie", `a=${v}`)],
  ["a credential's header", (v) => head("X-Session-Info", `hello ${v} there`)],
  ["a parameter in base64", (v) => ({ path: `/v1?q=${escaped(btoa(`k ${v}`))}` })],
  ["a header in base64", (v) => head("X-Note", btoa(`k ${v}`))],
  ["a header in hex", (v) => head("X-Note", hex(`k ${v}`))],
  ["a parameter under a credential's name", (v) => ({ path: `/v1?session=x${escaped(` ${v}`)}` })],
];

describe("at the door of", () => {
  for (const [door, put] of ALL) {
    for (const value of [KEY, CARD, CANARY])
      test(`${door}: ${value.slice(0, 4)}…`, async () => expect(await vetoed(put(value))).toStartWith("dlp."));
  }
  for (const [door, put] of SURE) {
    for (const value of [KEY, CANARY])
      test(`${door}: ${value.slice(0, 4)}…`, async () => expect(await vetoed(put(value))).toStartWith("dlp."));
  }
  for (const [door, put] of HIDDEN)
    test(`${door}: ${KEY.slice(0, 4)}…`, async () => expect(await vetoed(put(KEY))).toStartWith("dlp."));
  test("the host: a card in a label, in hex, in pieces", async () => {
    const destination = (host: string): Given => ({
      destination: { scheme: "https", host, port: 443, literal: false },
    });
    for (const label of ["4111111111111111", "4111.1111.1111.1111", hex("4111111111111111").replace(/.{8}/g, "$&.")]) {
      const host = `${label}.collector.example`.replace("..", ".");
      expect([host, await vetoed(destination(host))]).toEqual([host, "dlp.payment-card"]);
    }
  });
});

describe("nothing is made of", () => {
  test.each([
    [
      "cookies as sites make them",
      head("Cookie", "_ga=GA1.2.1234567890.1700000000; sid=s%3Aj7Kd82hsQ1mmX0pLw9; n=4111"),
    ],
    ["a session in JSON and base64", head("Cookie", `session=${btoa('{"user":12345678,"mail":"jo@company.org"}')}`)],
    ["a session with a key of somebody's in it", head("Cookie", `session=${btoa(`{"t":"${github(4)}"}`)}`)],
    ["a bearer token of nobody known", head("Authorization", "Bearer 7Kd82hsQ1mmX0pLw97Kd82hsQ1mmX0pLw9")],
    [
      "a usual user agent",
      head("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/124.0.6367.118"),
    ],
    ["an address with escapes", { path: "/search?q=a+b%20c%2Fd&page=2&id=123456789012&t=1700000000000" }],
    [
      "identifiers",
      { path: "/v1/2c4f9a64-5717-4562-b3fc-2c963f66afa6/9007199254740993?cursor=eyJvZmZzZXQiOjIwfQ%3D%3D" },
    ],
  ] as const)("%s", async (_, over) => expect(await vetoed(over as unknown as Given)).toBeNull());
});
