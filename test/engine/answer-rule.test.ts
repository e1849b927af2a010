import { describe, expect, test } from "bun:test";
import { KEY, ORDER } from "./_answers.ts";
import { engineOf, question, rule } from "./_rule.ts";

const POLICY = `default: deny
hosts: { allow: [api.example.com] }
rules:
  - { id: no-posts, verdict: deny, when: { methods: POST } }
responses: { mode: enforce }`;

const answer = (text: string, type = "application/json") =>
  question(text, { phase: "response", headers: [["content-type", type]] });

describe("an answer that is there whole", () => {
  test("is no matter of rules", () => {
    expect(rule(engineOf(POLICY), answer('{"ok":true}'))).toMatchObject({ verdict: "allow", findings: [] });
    expect(rule(engineOf(POLICY), question('{"ok":true}'))).toMatchObject({ verdict: "deny", rule: "rules.no-posts" });
  });
  test("is decided as when it streams", () => {
    const engine = engineOf(POLICY);
    expect(rule(engine, answer(`{"text": "${ORDER}"}`))).toMatchObject({
      verdict: "deny",
      pillar: "128",
      vector: "701",
    });
    expect(rule(engine, answer(`{"text": "it is ${KEY}"}`))).toMatchObject({ verdict: "deny", vector: "dlp_secret" });
    expect(rule(engine, answer(`${"words ".repeat(20_000)} ${KEY}`, "text/plain"))).toMatchObject({ verdict: "deny" });
  });
  test("only watched, it says what would have been", () => {
    const said = rule(engineOf("default: allow\nresponses: { mode: shadow }"), answer(`{"text": "it is ${KEY}"}`));
    expect(said).toMatchObject({ verdict: "allow", would: "deny", vector: "dlp_secret" });
  });
  test("off, or empty, it is allowed", () => {
    expect(rule(engineOf("default: allow\nresponses: { mode: off }"), answer(KEY))).toMatchObject({ verdict: "allow" });
    expect(rule(engineOf(POLICY), question(null, { phase: "response" }))).toMatchObject({ verdict: "allow" });
  });
});

test("a message that goes up is a matter of rules, and of what is looked for in requests", () => {
  const engine = engineOf("default: allow\nrules:\n  - { id: no-messages, verdict: deny, when: { phases: message } }");
  expect(rule(engine, question('{"a":1}', { phase: "message" }))).toMatchObject({
    verdict: "deny",
    rule: "rules.no-messages",
  });
  expect(rule(engine, question('{"a":1}'))).toMatchObject({ verdict: "allow" });
});
