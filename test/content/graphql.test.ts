import { describe, expect, test } from "bun:test";
import { factsOf } from "../../src/content/facts.ts";
import type { GraphQl } from "../../src/content/graphql.ts";
import type { Field } from "../../src/model/question.ts";
import { questionOf } from "./_question.ts";

interface Given {
  readonly path?: string;
  readonly type?: string;
  readonly query?: readonly Field[];
}

function factOf(body: unknown, given: Given = {}) {
  return factsOf(questionOf(body, { path: "/graphql", ...given })).graphql();
}

function read(query: string, rest: object = {}): string {
  const fact = factOf({ query, ...rest });
  if (!fact.known) return fact.reason;
  return fact.value === null ? "none" : shown(fact.value);
}

function shown({ operations }: GraphQl): string {
  return operations.map(({ kind, name, fields, depth }) => `${kind} ${name} ${fields.join()} ${depth}`).join("; ");
}

describe("GraphQL is read strictly", () => {
  const CASES: [string, string][] = [
    ["", "invalid"],
    ["{", "invalid"],
    ["{}", "invalid"],
    ["{ a }}", "invalid"],
    ["query { a", "invalid"],
    ["quarry { a }", "invalid"],
    ["{ a(b: ) }", "invalid"],
    ["{ a(: 1) }", "invalid"],
    ['{ a(b: "x) }', "invalid"],
    ["{ ...F }", "invalid"],
    ["fragment F on T { a }", "invalid"],
    ["type T { a: Int }", "invalid"],
    ["{ a } % { b }", "invalid"],
    ["{ a(b: 01) }", "invalid"],
    [`${"{a".repeat(65)}${"}".repeat(65)}`, "invalid"],
    [`{ ${"a ".repeat(60_000)} }`, "too_many"],
    // The last of many fields counts as the first does.
    [`{ ${"a ".repeat(5000)} deleteUser }`, "query null a,deleteUser 1"],
    [`{ ${Array.from({ length: 1001 }, (_, n) => `a${n}`).join(" ")} }`, "too_many"],
    [`{ ${"...F ".repeat(2000)} ...G } fragment F on Q { a } fragment G on Q { b }`, "query null a,b 1"],
    [
      `${Array.from({ length: 4000 }, (_, n) => `query q${n} { ...F }`).join(" ")} fragment F on Q { ${"a ".repeat(1000)} }`,
      "too_many",
    ],
    ["{ a }", "query null a 1"],
    [
      "query Q($a: [Int!]! = [1, 2] @d(x: 1), $b: S = {k: ENUM}) @live { alias: user(id: $a) { name } me }",
      "query Q user,me 2",
    ],
    ['mutation { del(id: 1, t: "a\\u0041\\"", b: """x \\""" "y" """) { ok } }', "mutation null del 2"],
    ["subscription S { s }", "subscription S s 1"],
    ["# c\n,,{ a, b # }\n }", "query null a,b 1"],
    [
      "{ ...F ... on Q { c } ... @include(if: true) { d } } fragment F on Q { a ...G } fragment G on Q { b { e { f } } }",
      "query null c,d,a,b 3",
    ],
    ["{ ...F } fragment F on Q { a ...F }", "query null a 1"],
    ["{ query mutation on fragment }", "query null query,mutation,on,fragment 1"],
  ];
  for (const [text, found] of CASES) test(`${text.slice(0, 40)}: ${found}`, () => expect(read(text)).toBe(found));

  test("of several operations the one that is named", () => {
    const two = "query A { a } mutation B { b }";
    expect(read(two)).toBe("ambiguous");
    expect(read(two, { operationName: "B" })).toBe("mutation B b 1");
    expect(read(two, { operationName: "C" })).toBe("ambiguous");
    const fact = factOf({ query: two, operationName: "A" });
    expect(fact.known && fact.value?.written.length).toBe(2);
  });
});

describe("GraphQL is found", () => {
  test("in a body elsewhere, but not in words about it", () => {
    const at = (query: string) => factOf({ query }, { path: "/api" });
    expect(at("mutation { a }")).toMatchObject({ known: true, value: { batch: 1 } });
    expect(at("query planning in databases")).toEqual({ known: true, value: null });
    expect(at("what is { a }?")).toEqual({ known: true, value: null });
    expect(at("query { a ")).toMatchObject({ known: false });
  });
  test("in a batch", () => {
    const fact = factOf([{ query: "{ a }" }, { query: "mutation { b }" }]);
    expect(fact.known && fact.value && shown(fact.value)).toBe("query null a 1; mutation null b 1");
  });
  test("as the body, in the URL, in an upload form", () => {
    expect(factOf("mutation { a }", { type: "application/graphql" })).toMatchObject({
      known: true,
      value: { batch: 1 },
    });
    const url = factOf("", { query: [["query", "mutation%20%7B+a+%7D"]] });
    expect(url.known && url.value && shown(url.value)).toBe("mutation null a 1");
    const form = '--B\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"mutation { a }"}\r\n--B--';
    expect(factOf(form, { type: "multipart/form-data; boundary=B" })).toMatchObject({
      known: true,
      value: { batch: 1 },
    });
  });
  test("as a hash of what is not here", () => {
    expect(factOf({ operationName: "A", variables: {}, extensions: { persistedQuery: {} } })).toMatchObject({
      known: true,
      value: { persisted: true, operations: [] },
    });
  });
  test("in two places at once it has two readings", () => {
    expect(factOf({ query: "{ a }" }, { query: [["query", "{b}"]] })).toMatchObject({
      known: false,
      reason: "ambiguous",
    });
    expect(factOf('{"query":"{ a }","Query":"{ b }"}')).toMatchObject({ known: false, reason: "ambiguous" });
    expect(factOf('{"query":"{ a }","query":"{ b }"}')).toMatchObject({ known: false, reason: "ambiguous" });
  });
  test("a call of a model is none", () => {
    expect(factOf({ model: "m", messages: [] }, { path: "/v1/chat/completions" })).toEqual({
      known: true,
      value: null,
    });
  });
});
