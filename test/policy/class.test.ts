import { describe, expect, test } from "bun:test";
import type { Field } from "../../src/model/question.ts";
import { type Asking, ask, json, policy } from "./_ask.ts";

const READS_OPEN = policy("", "default: deny\naccess: { reads: open, writes: closed }");

function passes(asking: Asking): boolean {
  return ask(READS_OPEN, asking).verdict === "allow";
}

const typed = (type: string): readonly Field[] => [["content-type", type]];
const FORM = "application/x-www-form-urlencoded";
const Q: Field = ["query", "%7Ba%7D"];
const UPLOAD =
  '--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"{a}"}\r\n' +
  '--b\r\nContent-Disposition: form-data; name="0"; filename="x"\r\n\r\ndata\r\n--b--\r\n';

describe("writes that look like GraphQL reads are closed", () => {
  const cases: [what: string, asking: Asking][] = [
    [
      "a document in the URL of a form",
      { method: "POST", path: "/transfer", query: [Q], headers: typed(FORM), body: "a=1" },
    ],
    ["of JSON", json({ amount: 1 }, { path: "/transfer", query: [Q] })],
    ["of bytes", { method: "POST", path: "/transfer", query: [Q], body: "\0\x01" }],
    ["a document beside other keys", json({ amount: 1_000_000, to: "x", query: "{a}" }, { path: "/transfer" })],
    ["a document elsewhere", json({ query: "{a}" }, { path: "/transfer" })],
    ["beside other keys in its place", json({ amount: 1, query: "{a}" }, { path: "/graphql" })],
    ["a key in another case", json({ Query: "{a}" }, { path: "/graphql" })],
    ["another key besides in a batch", json([{ query: "{a}" }, { query: "{a}", to: 1 }], { path: "/graphql" })],
    ["an empty batch", json([], { path: "/graphql" })],
    [
      "an upload",
      { method: "POST", path: "/graphql", headers: typed("multipart/form-data; boundary=b"), body: UPLOAD },
    ],
    [
      "an upload elsewhere",
      { method: "POST", path: "/t", headers: typed("multipart/form-data; boundary=b"), body: UPLOAD },
    ],
    [
      "the operation named in the URL",
      json(
        { query: "query a{user} mutation b{deleteAll}", operationName: "a" },
        { path: "/graphql", query: [["operationName", "b"]] },
      ),
    ],
    ["a mutation besides", json({ query: "query a{user} mutation b{c}", operationName: "a" }, { path: "/graphql" })],
    [
      "a form beside the URL",
      { method: "POST", path: "/graphql", query: [Q], headers: typed(FORM), body: "query=mutation{a}" },
    ],
    ["a loose name in the URL", json({ query: "{a}" }, { path: "/graphql", query: [["x", "1;QUERY=mutation{a}"]] })],
    ["JSON said to be a form", json({ query: "{a}" }, { path: "/graphql", headers: typed(FORM) })],
    [
      "JSON in another charset",
      json({ query: "{a}" }, { path: "/graphql", headers: typed("application/json; charset=utf-7") }),
    ],
    ["a place in one reading only", json({ query: "{a}" }, { path: "/graphql/..;/transfer" })],
    ["a place in parameters", json({ query: "{a}" }, { path: "/transfer;graphql" })],
    ["a mutation", json({ query: "mutation{a}" }, { path: "/graphql" })],
    ["GET with an escaped name", { path: "/graphql", query: [["qu%65ry", "mutation%7Ba%7D"]] }],
    ["GET with a name in capitals", { path: "/graphql", query: [["Query", "mutation%7Ba%7D"]] }],
    ["GET behind a semicolon", { path: "/graphql", query: [["a", "1;query=mutation%7Ba%7D"]] }],
    ["GET with two documents", { path: "/graphql", query: [Q, ["query", "mutation{a}"]] }],
    ["GET with operations", { path: "/graphql", query: [["operations", "%7B%22query%22:%22mutation{a}%22}"]] }],
    [
      "GET, the name said twice",
      {
        path: "/graphql",
        query: [
          ["query", "query a{b} mutation c{d}"],
          ["operationName", "a"],
          ["operationName", "c"],
        ],
      },
    ],
  ];
  test.each(cases)("%s", (_, asking) => {
    expect(passes(asking)).toBe(false);
  });
});

describe("reads are open", () => {
  const cases: [what: string, asking: Asking][] = [
    [
      "a query",
      json({ query: "query a{user}", operationName: "a", variables: {}, extensions: {} }, { path: "/graphql" }),
    ],
    ["a batch", json([{ query: "{a}" }, { query: "{b}" }], { path: "/v1/gql" })],
    ["an administrator's place", json({ query: "{a}" }, { path: "/api/2026-01/graphql.json" })],
    ["a query in the URL", { path: "/graphql", query: [Q] }],
    ["words for a search engine", { path: "/search", query: [["query", "cats+and+dogs"]] }],
    ["no query at all", { path: "/graphql" }],
  ];
  test.each(cases)("%s", (_, asking) => {
    expect(passes(asking)).toBe(true);
  });
});
