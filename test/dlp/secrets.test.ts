import { describe, expect, test } from "bun:test";
import { compileDlp } from "../../src/dlp/dlp.ts";
import { FORMATS } from "../../src/dlp/formats.ts";
import { ISSUER_NAMES, ownership } from "../../src/dlp/issuers.ts";
import { SHORT_VALUE } from "../../src/model/egress.ts";
import { ALL, names, scan } from "./_run.ts";
import {
  anthropic,
  awsId,
  github,
  gitlab,
  hexToken,
  jwt,
  openai,
  privateKey,
  random,
  sendgrid,
  slackHook,
  stripe,
} from "./_secrets.ts";

describe("no secret is", () => {
  const cases: [string, string][] = [
    ["a placeholder of x", `gh${"p_"}${"x".repeat(36)}`],
    ["the alphabet", `gh${"p_"}abcdefghijklmnopqrstuvwxyz0123456789`],
    ["a key id of documentation", `AK${"IA"}IOSFODNN7EXAMPLE`],
    ["a variable", "api_key = process.env.API_KEY"],
    ["a template", 'password: "$' + '{DB_PASSWORD}"'],
    ["an angle", "token: <your-token-here>"],
    ["a sentence about a password", "The password: it must be changed every ninety days."],
    ["a token count", '{"max_tokens": 4096, "total_tokens": 18230}'],
    ["a key of a map", 'key: "customer_id"'],
    ["a longer word", `task-${random(48)}`],
    ["a key inside a word", `xgh${"p_"}${random(36)}`],
    ["a key that is too long", `gh${"p_"}${random(40)}`],
    ["a public key", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"],
    ["an address without a password", "https://user@host.example/path and https://host.example:8443/a@b"],
    ["a uuid", "id: 8d2f1c9e-6b3a-4f57-9a0e-2c1d4b5e6f70"],
  ];
  for (const [what, text] of cases) test(what, () => expect(names(text)).toEqual([]));
});

describe("found", () => {
  const cases: [string, string][] = [
    ["openai-project-key", openai()],
    ["anthropic-api-key", anthropic()],
    ["github-personal-token", github()],
    ["gitlab-personal-token", gitlab()],
    ["aws-access-key-id", awsId()],
    ["stripe-secret-key", stripe()],
    ["sendgrid-api-key", sendgrid()],
    ["slack-webhook", slackHook()],
    ["jwt", jwt()],
    ["private-key", privateKey()],
    ["generic-secret", `client_secret = "${random(40, 9)}"`],
    ["generic-secret", `{"config": "API_TOKEN=${hexToken(32, 4)}\\nDEBUG=true"}`],
    ["url-password", `postgres://app:${random(14, 3)}@db.internal:5432/main`],
    ["url-password", `mongodb+srv://app:${random(14, 3)}@cluster.example/?retryWrites=true`],
    ["generic-secret", `Authorization: Basic ${btoa(`deploy:${random(16, 5)}`)}`],
    ["telegram-bot-token", `81234567${"9:A"}${random(34, 8)}`],
  ];
  for (const [name, text] of cases) {
    test(`${name}: alone, in quotes, in JSON, behind an escape`, () => {
      expect(names(text)).toContain(name);
      expect(names(`see '${text}' there`)).toContain(name);
      expect(names(JSON.stringify({ a: `line\n${text}\nline` }), { kind: "json" })).toContain(name);
    });
  }

  test("in base64, hex and percent-escapes, told as the whole disguise", () => {
    const text = `the key is ${github()} and no other`;
    const coded = btoa(text);
    const [finding] = scan(`data ${coded} end`);
    expect(finding).toMatchObject({ name: "github-personal-token", view: "base64" });
    expect(`data ${coded} end`.slice(finding?.start, finding?.end)).toBe(coded);
    expect(scan(Buffer.from(text).toString("hex"))[0]?.view).toBe("hex");
    expect(scan(`a=${openai().replaceAll("-", "%2D")}`)[0]?.view).toBe("percent");
  });

  test("split over the values of a JSON text, and not redactable there", () => {
    const key = anthropic(4);
    const body = JSON.stringify({ a: key.slice(0, 40), b: key.slice(40) });
    expect(scan(body, { kind: "json" })).toContainEqual(
      expect.objectContaining({ name: "anthropic-api-key", view: "joined", redactable: false }),
    );
  });

  test("once, at every place around the border of two slices", () => {
    const dlp = compileDlp();
    const key = github(7);
    for (let at = 65536 - 8192 - 60; at < 65536 + 60; at += 37) {
      const body = `${"a b ".repeat(30000).slice(0, at)} ${key} ${"c d ".repeat(20000)}`;
      const found = scan(body, { dlp });
      expect(found.map(({ start }) => start)).toEqual([at + 1]);
    }
  });

  test("a JSON escape does not move what is told", () => {
    const key = stripe();
    const body = JSON.stringify({ text: `"quoted"\n\\ é ${key}\t!` });
    const [finding] = scan(body, { kind: "json" });
    expect(body.slice(0, body.indexOf(key)).length).toBeGreaterThan(0);
    expect(new TextDecoder().decode(new TextEncoder().encode(body).subarray(finding?.start, finding?.end))).toBe(key);
  });
});

describe("credentials and hosts", () => {
  test("a key for its issuer's host is no finding, for another's is", () => {
    expect(names(openai(), { host: "api.openai.com" })).toEqual([]);
    expect(names(openai(), { host: "api.openai.com.evil.example" })).toEqual(["openai-project-key"]);
    expect(names(openai(), { host: "notopenai.com" })).toEqual(["openai-project-key"]);
  });

  test("hosts match on label boundaries", () => {
    expect(ownership("github", "api.github.com")).toBe("own");
    expect(ownership("github", "github.com")).toBe("own");
    expect(ownership("github", "evilgithub.com")).toBe("foreign");
    expect(ownership("jwt", "anything.example")).toBe("unknown");
    expect(ownership(null, "anything.example")).toBe("unknown");
  });

  test("every issuer of a format is known or one that people host themselves", () => {
    const selfHosted = new Set(["jwt", "litellm", "vault", "openshift", "age"]);
    for (const [name, issuer] of FORMATS)
      expect([name, ISSUER_NAMES.includes(issuer) || selfHosted.has(issuer)]).toEqual([name, true]);
  });

  test("asking for a token with its own credentials is told and lets go", () => {
    const body = `grant_type=client_credentials&client_secret=${random(40, 2)}`;
    expect(scan(body, { kind: "form" }).map(({ mode }) => mode)).toEqual(["shadow"]);
  });
});

test("what is allowed by fingerprint or name is no finding", () => {
  const key = github(3);
  const print = new Bun.CryptoHasher("sha256").update(key).digest("hex");
  expect(names(key, { dlp: compileDlp({ ...ALL, allow: { fingerprints: [print] } }) })).toEqual([]);
  expect(names(key, { dlp: compileDlp({ ...ALL, allow: { names: ["github-personal-token"] } }) })).toEqual([]);
});

test("there are 150 formats and more", () => {
  expect(new Set(FORMATS.map(([name]) => name)).size).toBeGreaterThan(150);
});

/** Bytes of the shortest text that a format's specification can match. */
function leastOf(spec: string): number {
  return spec.replace(/<\w(\d+)(?:-\d+)?>/g, (_, min: string) => "x".repeat(Number(min))).length;
}

test("no format matches a value of a head that is passed over as short", () => {
  expect(leastOf("ab_<a12>")).toBe(15);
  expect(leastOf("sk-<a18-24>T3<w0-9>")).toBe(23);
  for (const [name, , spec] of FORMATS) expect(leastOf(spec), name).toBeGreaterThan(SHORT_VALUE);
});
