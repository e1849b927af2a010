import "./_ask.ts";
import { describe, expect, test } from "bun:test";
import { parseCases } from "../../src/policy/cases.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { questionOfJson } from "../../src/policy/spoken-request.ts";

const POLICY = `
version: 1
default: allow
rules:
  - { id: no-orders, when: { phases: message, paths: /live, json: { "$.kind": order } }, verdict: deny }
  - { id: only-requests, when: { phases: request, paths: /live }, verdict: approval_needed }
  - { id: no-sockets, when: { phases: message, hosts: quiet.test, cel: 'request.upgrade == "websocket"' }, verdict: deny }
`;

const program = compilePolicy([{ name: "policy.yaml", text: POLICY }]);

function run(text: string): { problems: readonly string[]; differences: readonly (readonly unknown[])[] } {
  const { cases, problems } = parseCases({ name: "policy.test.yaml", text: `cases:\n${text}` });
  return { problems, differences: cases.map((each) => each.run(program, 0).differences) };
}

describe("the phase of a case", () => {
  test("says whether rules on messages are asked, and rules on requests are not", () => {
    const found = run(`
  - name: an order in a stream
    request: { url: "wss://a.test/live", phase: message, upgrade: websocket, json: { kind: order } }
    expect: deny`);
    expect(found.problems[0]).toContain("is not an http(s) URL");
    const { problems, differences } = run(`
  - name: an order in a stream
    request: { url: "https://a.test/live", phase: message, upgrade: websocket, json: { kind: order } }
    expect: { verdict: deny, rule: no-orders, matched: no-orders }
  - name: something else in it
    request: { url: "https://a.test/live", phase: message, upgrade: websocket, json: { kind: hello } }
    expect: allow
  - name: the same as a request
    request: { url: "https://a.test/live", json: { kind: order } }
    expect: { verdict: approval_needed, rule: only-requests }
  - name: with the head of its stream
    request: { url: "https://quiet.test/", phase: message, upgrade: websocket, body: hi }
    expect: { verdict: deny, rule: no-sockets }
  - name: of a call
    request: { url: "https://quiet.test/", phase: message, headers: { content-type: application/grpc }, body: hi }
    expect: allow`);
    expect(problems).toEqual([]);
    expect(differences).toEqual([[], [], [], [], []]);
  });

  test("of a message has the method of its handshake, or of its call", () => {
    const { cases } = parseCases({
      name: "policy.test.yaml",
      text: `cases:
  - { name: a, request: { url: "https://a.test/", phase: message, upgrade: websocket, body: hi }, expect: allow }
  - { name: b, request: { url: "https://a.test/", phase: message, body: hi }, expect: allow }
  - { name: c, request: { url: "https://a.test/", upgrade: websocket, body: hi }, expect: allow }`,
    });
    const asked = cases.map((each) => each.run(program, 0).question);
    expect(asked.map(({ phase, method }) => `${phase} ${method}`)).toEqual([
      "message GET",
      "message POST",
      "request POST",
    ]);
    expect(new TextDecoder().decode(asked[0]?.body ?? undefined)).toBe("hi");
  });

  test("that no rule is asked of is told with its place", () => {
    const { problems } = run(`  - { name: a, request: { url: "https://a.test/", phase: response }, expect: deny }`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("policy.test.yaml:2:");
    expect(problems[0]).toContain("must be request, tunnel or message");
  });

  test("a question in JSON says it as well", () => {
    const asked = questionOfJson({ method: "GET", host: "a.test", port: 443, phase: "message", body: "hi" }, 0);
    expect(asked).toMatchObject({ phase: "message", method: "GET" });
    const wrong = questionOfJson({ method: "GET", host: "a.test", port: 443, phase: "response" }, 0);
    expect(wrong).toBeString();
  });
});
