/** An egress and the question that tells of it are one subject to limits, but for what a question does not tell. */
import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { EgressQuestion } from "../../src/decide/egress-question.ts";
import { HeadMemo } from "../../src/decide/head-memo.ts";
import { subjectOfQuestion } from "../../src/decide/limits-question.ts";
import { subjectOf } from "../../src/decide/limits-subject.ts";
import { claimsOf } from "../../src/limits/claims.ts";
import type { LimitSubject } from "../../src/limits/subject.ts";
import { HttpEgress } from "../../src/listen/egress-of.ts";
import type { Conn } from "../../src/model/conn.ts";
import { allow } from "../../src/model/decision.ts";
import type { Egress } from "../../src/model/egress.ts";
import { type RequestHead, RequestParser } from "../../src/wire/http1.ts";
import { program } from "../limits/_limits.ts";
import { body, egress } from "./_egress.ts";

const ALL = program(
  [
    { id: "t", tokens: { max: 1, per: "1d" } },
    { id: "p", payment: { field: "$.amount", unit: "minor", max_each: 1 } },
  ],
  [],
);
const fingerprint = () => "0".repeat(32);
const SECRET = `sk-${"a1B2c3D4e5F6".repeat(4)}`;

async function both(about: Egress, text: string | null, coding?: "gzip"): Promise<[LimitSubject, LimitSubject]> {
  const plain = text === null ? null : new TextEncoder().encode(text);
  const coded = coding === undefined || plain === null ? plain : new Uint8Array(gzipSync(plain));
  const held = coded === null ? null : body(coded);
  const decode = async () => plain ?? new Uint8Array();
  const here = await subjectOf({ tenant: "acme", decode }, ALL, about, { body: held, decision: allow("fine") });
  const asking = { org: "acme", fingerprint, now: () => 0 };
  const question = new EgressQuestion(asking, about, held, plain, new HeadMemo(fingerprint));
  const there = await subjectOfQuestion(ALL, {
    tenant: "acme",
    question,
    inside: about.parent !== null,
    bytes: coded?.length ?? 0,
    replacement: null,
  });
  return [here, there];
}

const CHAT = JSON.stringify({ model: "house", max_tokens: 7, messages: [{ role: "user", content: "hello there" }] });
const JSON_TYPE = ["Content-Type", "application/json"];

const cases: [string, Partial<Egress>, string | null, "gzip"?][] = [
  ["a plain read", { method: "GET", path: "/a/b?c=d" }, ""],
  ["a chat", { path: "/v1/chat/completions", headers: JSON_TYPE }, CHAT],
  [
    "a chat that is coded",
    { path: "/v1/x", headers: [...JSON_TYPE, "Content-Encoding", "gzip"], coded: true },
    CHAT,
    "gzip",
  ],
  [
    "a long one",
    { headers: JSON_TYPE },
    JSON.stringify({ model: "m", messages: [{ role: "user", content: "x ".repeat(1e5) }] }),
  ],
  ["a payment with an amount in the query too", { path: "/pay?amount=5", headers: JSON_TYPE }, '{"amount":1}'],
  ["a form", { headers: ["Content-Type", "application/x-www-form-urlencoded"] }, "amount=3&x=1"],
  ["two types", { headers: [...JSON_TYPE, "content-type", "text/plain"] }, '{"amount":1}'],
  ["one type twice", { headers: [...JSON_TYPE, "content-type", "application/json"] }, '{"amount":1}'],
  ["an overridden method", { method: "GET", headers: ["X-HTTP-Method-Override", "POST"] }, ""],
  ["one overridden by a parameter", { method: "GET", path: "/?a=1&_method=DELETE" }, ""],
  ["one overridden by an escaped parameter", { method: "GET", path: "/?a=1&%5fmethod=DELETE" }, ""],
  ["a tunnel", { phase: "tunnel", method: "CONNECT", path: "" }, null],
  ["what came through a tunnel", { parent: "cert" }, "{}"],
  [
    "an agent and its parent",
    {
      headers: ["X-Agent-Id", "a", "X-Parent-Agent-Id", "p"],
      principal: { address: "::1", port: 1, agent: "a", parentAgent: "p" },
    },
    "",
  ],
];

for (const [name, about, text, coding] of cases) {
  test(name, async () => {
    const [here, { realm, ...there }] = await both(egress({ headers: [], ...about }), text, coding);
    expect([realm, there.paying.hidden]).toEqual(["acme", false]);
    // A query may be spelt in another way, with the same names and values in it.
    const parsed = ({ paying, ...rest }: Omit<LimitSubject, "realm">) => ({
      ...rest,
      paying: { ...paying, hidden: false, query: [...new URLSearchParams(paying.query)] },
    });
    expect(parsed(there)).toEqual(parsed(here));
  });
}

test.each([
  ["twice", ["X-Parent-Agent-Id: p", "X-Parent-Agent-Id: q", "X-Agent-Id: a", "X-Agent-Id: b"], "a, b", "p, q"],
  ["with another mark for the hyphen", ["X_Parent_Agent_Id: p", "X_Agent_Id: a"], "a", "p"],
  ["in both spellings", ["X_Parent_Agent_Id: p", "X-Parent-Agent-Id: q", "X-Agent-Id: a"], "a", "p, q"],
])("agents that are named %s are the same ones to policy, plane and limits", async (_, fields, agent, parent) => {
  const about = arrived(["GET http://api.test/ HTTP/1.1", "Host: api.test", ...fields, "", ""].join("\r\n"));
  expect(about.principal).toMatchObject({ agent, parentAgent: parent });
  for (const subject of await both(about, "")) expect(subject).toMatchObject({ agent, parent });
});

function arrived(text: string): HttpEgress {
  const found: RequestHead[] = [];
  const limits = { maxHeaderBytes: 16_384, maxHeaders: 100 };
  const parser = new RequestParser(limits, { head: (head) => void found.push(head), body() {}, end() {} });
  parser.push(new TextEncoder().encode(text), 0);
  const conn = { remoteAddress: "::1", remotePort: 1 } as Conn;
  return new HttpEgress(found[0] as RequestHead, { conn, inside: null, redirected: null });
}

test("what a credential hides is taken for what it may be", async () => {
  const odd = egress({ path: `/pay?amount[${SECRET}]=5&x;_method=${SECRET}`, headers: ["Content-Type", `${SECRET}`] });
  const [here, there] = await both(odd, '{"amount":1}');
  expect(there.paying.contentType).toBe("*");
  expect([here.overridden, there.overridden]).toEqual([true, true]);
  expect([there.paying.hidden, here.paying.hidden]).toEqual([true, undefined]);
  expect(claimsOf(ALL, { ...there, paying: { ...there.paying, contentType: "" } }).objections).toMatchObject([
    { vector: "payment_unreadable", reason: expect.stringContaining("a credential") },
  ]);
  expect(there.paying.query).not.toContain(SECRET);
});

test("what replaces a body is what is counted and read", async () => {
  const asking = { org: "acme", fingerprint, now: () => 0 };
  const held = body('{"amount":1,"pad":"xxxxxxxxxxxxxxxxxx"}');
  const about = egress({ headers: JSON_TYPE });
  const question = new EgressQuestion(asking, about, held, held.bytes, new HeadMemo(fingerprint));
  const replacement = new TextEncoder().encode(CHAT);
  const source = { tenant: "acme", question, inside: false, bytes: held.bytes.length, replacement };
  const there = await subjectOfQuestion(ALL, source);
  expect(there).toMatchObject({
    bytes: CHAT.length,
    call: { model: "house", maxOutput: 7 },
    paying: { body: replacement },
  });
});
