import { describe, expect, test } from "bun:test";
import { issuerOf, looksSecret } from "../../src/dlp/credential.ts";

import { anthropic, awsId, github, gitlab, jwt, openai, random, sendgrid, stripe } from "./_secrets.ts";

describe("who issued a token", () => {
  const known: [string, string][] = [
    ["openai", openai()],
    ["openai", `sk${"-"}${random(20, 2)}T3Blbk${"FJ"}${random(20, 3)}`],
    ["anthropic", anthropic()],
    ["github", github()],
    ["gitlab", gitlab()],
    ["aws", awsId()],
    ["stripe", stripe()],
    ["sendgrid", sendgrid()],
    ["jwt", jwt()],
    ["databricks", `dapi${random(32, 5, "0123456789abcdef")}`],
    ["digitalocean", `dop_${"v1_"}${random(64, 6, "0123456789abcdef")}`],
  ];
  for (const [issuer, token] of known)
    test(`${issuer}: ${token.slice(0, 8)}`, () => expect(issuerOf(token)).toBe(issuer));

  test("nobody can say whose a key of OpenAI's dialect is", () => {
    for (const token of [`sk-${random(48)}`, `sk-${random(32, 4, "0123456789abcdef")}`]) {
      expect(issuerOf(token)).toBeNull();
      expect(looksSecret(token)).toBe(true);
    }
  });

  test("words that only begin like a key are none", () => {
    for (const text of [
      "live_stream_of_the_game",
      "test_key_for_this",
      "AKIA",
      "sk-",
      "AC",
      "s.",
      "key-value-pairs-of",
      "",
    ])
      expect(issuerOf(text)).toBeNull();
  });
});
