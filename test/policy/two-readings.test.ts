import { describe, expect, test } from "bun:test";
import { redactPath } from "../../src/dlp/redact-path.ts";
import type { Field } from "../../src/model/question.ts";
import { allows, denies } from "./_ask.ts";

describe("a rule on paths is not passed by", () => {
  const key = "xK9vQ2mZp7LrT4wYb8NcH3sD6fJ1gA5e";
  test.each([
    `/admin;${key}/x`,
    `/x%2f..%2fadmin%2f${key}`,
    `/${key.slice(0, 12)}%2f${key.slice(12)}%2f..%2f..%2fadmin`,
    `/admin\\${key}`,
    "/admin%00/x",
    "/%u0061dmin",
    "/admin./x",
    "/admin%20/x",
  ])("%s", (given) => {
    const path = redactPath(given);
    expect(denies("{ paths: /admin/** }", { path })).toBe(true);
    expect(allows("{ not: { paths: /admin/** } }", { path })).toBe(false);
  });
});

describe("a rule on methods is not passed by", () => {
  test.each([
    { headers: [["X-HTTP-Method-Override", "delete"]] },
    { query: [["_method", "%64elete"]] },
    { headers: [["content-type", "application/x-www-form-urlencoded"]], body: "_method=DELETE" },
    { headers: [["content-type", "application/x-www-form-urlencoded"]], body: "a=1;_method=DELETE" },
    { headers: [["content-type", "application/x-www-form-urlencoded"]], body: "_METHOD=DELETE" },
    { headers: [["X-HTTP-Method-Override", "PATCH, DELETE"]] },
    { headers: [["X_HTTP_Method_Override", "DELETE"]] },
    { headers: [["X-HTTP-Method-Override", ""]] },
    { query: [["a", "1;_method=DELETE"]] },
    { query: [["_METHOD", "DELETE"]] },
    { query: [["_method[]", "DELETE"]] },
    { headers: [["content-type", "application/json"]], body: '{"_method":"delete"}' },
    { headers: [["content-type", "application/json"]], body: '{"_method":"POST","_method":"DELETE"}' },
    {
      headers: [["content-type", "multipart/form-data; boundary=x"]],
      body: '--x\r\nContent-Disposition: form-data; name="_method"\r\n\r\nDELETE\r\n--x--\r\n',
    },
  ] as const)("%j", (given) => {
    expect(denies("{ methods: DELETE }", { method: "POST", ...given })).toBe(true);
    expect(allows("{ methods: POST }", { method: "POST", ...given })).toBe(false);
  });

  test.each(["post", "Post"])("%s, which some take for POST", (method) => {
    expect(denies("{ methods: POST }", { method })).toBe(true);
    expect(denies("{ cel: 'request.method == \"POST\"' }", { method })).toBe(true);
    expect(allows("{ not: { methods: POST } }", { method })).toBe(false);
  });

  test("one that says the same again is no other", () => {
    const headers = [["X-HTTP-Method-Override", "POST"]] as const;
    expect(allows("{ methods: POST }", { method: "POST", headers })).toBe(true);
  });
});

describe("a CEL expression on the path or the method is not passed by", () => {
  const admin = `{ cel: 'request.path.startsWith("/admin/")' }`;
  const open = `{ cel: 'request.path.startsWith("/open/")' }`;
  test.each([
    "/open/..%2fadmin/x",
    "/open/%2e%2e/admin/x",
    "/open/..;/admin/x",
    "/open\\..\\admin\\x",
    "/open/%252e%252e/admin/x",
    "/admin%00/x",
  ])("%s", (path) => {
    expect(denies(admin, { path })).toBe(true);
    expect(allows(open, { path })).toBe(false);
    expect(allows(`{ cel: '!request.path.startsWith("/admin/")' }`, { path })).toBe(false);
  });

  test("one reading is all there is of an ordinary path", () => {
    expect(denies(admin, { path: "/open/admin/x" })).toBe(false);
    expect(allows(open, { path: "/open/x%20y" })).toBe(true);
    expect(allows(admin, { path: "/admin//x" })).toBe(true);
  });

  test("nor by the method that a field names", () => {
    const given = { method: "POST", headers: [["X-HTTP-Method-Override", "delete"]] } as const;
    expect(denies("{ cel: 'request.method == \"DELETE\"' }", given)).toBe(true);
    expect(denies('{ cel: \'request["method"] == "DELETE"\' }', given)).toBe(true);
    expect(allows("{ cel: 'request.method == \"POST\"' }", given)).toBe(false);
    expect(allows("{ cel: 'request.host != \"\"' }", given)).toBe(true);
  });

  test("too many readings are not known, and all together have the work of one", () => {
    const headers = Array.from({ length: 100 }, (_, i) => ["x-http-method-override", `M${i}`] as const);
    const when = "{ cel: 'request.method == \"GET\"' }";
    expect(denies(when, { headers })).toBe(true);
    expect(allows(when, { headers })).toBe(false);
    const letters = "a".repeat(200);
    const loops = `{ cel: 'json.l.all(a, json.l.all(b, a + b != request.path))' }`;
    const body = JSON.stringify({ l: [...letters].map((_, i) => i.toString()) });
    const typed = { method: "POST", headers: [["content-type", "application/json"]] as const, body };
    const started = process.cpuUsage().user;
    expect(denies(loops, { ...typed, path: "/a/%2e%2e;x/b%2fc\\d/%252e" })).toBe(true);
    expect(process.cpuUsage().user - started).toBeLessThan(500_000);
  });
});

describe("an amount is not passed by in another kind", () => {
  const body = (text: string) => ({
    method: "POST",
    headers: [["content-type", "application/json"]] as const,
    body: `{"amount":${text}}`,
  });
  const over = '{ json: { "$.amount": { gt: 1000 } } }';
  const under = '{ json: { "$.amount": { lte: 1000 } } }';

  test.each([
    '"5000"',
    '"5e3"',
    '"1000.01"',
    "5000",
    "[5000]",
    '["5000"]',
    '{"v":5000}',
    "true",
    "null",
    '""',
    '"5,000"',
    '"0x1388"',
    '"+5000"',
    '" 5000"',
    '"05000"',
    '"5000 EUR"',
    '"NaN"',
    "1e999",
    '"1e999"',
  ])("%s", (text) => {
    expect(denies(over, body(text))).toBe(true);
    expect(allows(under, body(text))).toBe(false);
    expect(allows(`{ not: ${over} }`, body(text))).toBe(false);
  });

  test.each(['"999"', "999", '"1e3"', '"-5000"', "0.5"])("%s is under it, in either kind", (text) => {
    expect(denies(over, body(text))).toBe(false);
    expect(allows(under, body(text))).toBe(true);
  });

  test("nothing there is nothing: a rule of another request is not met", () => {
    expect(denies(over, { ...body("1"), body: "{}" })).toBe(false);
  });

  test.each([
    ["5000", '"5000"'],
    ["5000", '"5e3"'],
    ['"5000"', "5000"],
    ["true", '"true"'],
    ["{ in: [1, 5000] }", '"5000"'],
  ])("eq and in: %s of %s is not sure", (wanted, text) => {
    expect(denies(`{ json: { "$.amount": ${wanted} } }`, body(text))).toBe(true);
    expect(allows(`{ json: { "$.amount": ${wanted} } }`, body(text))).toBe(false);
  });

  test.each([
    ["5000", '"5001"'],
    ["{ in: [null, 1] }", '"x"'],
    ["{ in: [null, 1] }", "[1]"],
    ["false", "0"],
  ])("eq and in: %s of %s is not so", (wanted, text) => {
    expect(denies(`{ json: { "$.amount": ${wanted} } }`, body(text))).toBe(false);
  });

  test("CEL: a comparison with what is no number fails, and counts", () => {
    for (const text of ['"5000"', "[5000]", "null"]) {
      expect(denies("{ cel: 'json.amount > 1000.0' }", body(text))).toBe(true);
      expect(allows("{ cel: 'json.amount <= 1000.0' }", body(text))).toBe(false);
    }
    expect(denies("{ cel: 'double(json.amount) == 5000.0' }", body('"5000"'))).toBe(true);
  });
});

describe("a rule on a parameter is not passed by", () => {
  const SPELLINGS: readonly Field[] = [
    ["action", "%64elete%ff"],
    ["x", "1;action=delete"],
    ["ACTION", "delete"],
    ["action[]", "delete"],
    ["action%00x", "delete"],
    ["action", "delete;x=1"],
  ];
  for (const field of SPELLINGS) {
    test(JSON.stringify(field), () => {
      const query = [field];
      expect(denies('{ query: { action: "delete*" } }', { query })).toBe(true);
      expect(allows("{ query: { action: { present: false } } }", { query })).toBe(false);
    });
  }

  test("and an allow is not met by what only some take for it", () => {
    expect(allows("{ query: { mode: safe } }", { query: [["MODE", "safe"]] })).toBe(false);
    expect(
      allows("{ query: { mode: safe } }", {
        query: [
          ["mode", "safe"],
          ["Mode", "raw"],
        ],
      }),
    ).toBe(false);
    expect(allows("{ query: { mode: safe } }", { query: [["mode", "safe"]] })).toBe(true);
  });
});

describe("a rule on a body is not passed by", () => {
  const call = '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}';
  test.each([
    ["\ufeff", call, ""],
    ["", call, "\n{}"],
    ["", call, "x"],
    [" ".repeat(2000), call, ""],
    ["/**/", call, ""],
  ])("%j before and behind it", (...parts) => {
    const asking = { method: "POST", headers: [["content-type", "text/plain"]] as const, body: parts.join("") };
    expect(denies("{ models: gpt-4* }", asking)).toBe(true);
    expect(allows("{ not: { models: gpt-4* } }", asking)).toBe(false);
  });
});

describe("a rule on JSON is not passed by keys in other letters", () => {
  const json = (body: string) => ({ method: "POST", headers: [["content-type", "application/json"]] as const, body });
  test.each(['{"amount":5,"Amount":5000}', '{"AMOUNT":5000}', '{"\\u0041mount":5000}'])("%s", (body) => {
    expect(denies("{ json: { $.amount: { gt: 500 } } }", json(body))).toBe(true);
    expect(allows("{ json: { $.amount: { lte: 500 } } }", json(body))).toBe(false);
    expect(allows("{ json: { $.amount: { exists: false } } }", json(body))).toBe(false);
  });
  test("and holds of what is alike and says the same", () => {
    expect(allows("{ json: { $.amount: { lte: 500 } } }", json('{"amount":5,"Amount":6}'))).toBe(true);
    expect(allows("{ json: { $.amount: { lte: 500 } } }", json('{"Amount":6}'))).toBe(false);
  });
});

describe("a rule on messages is not passed by", () => {
  const parts = (...texts: string[]) =>
    JSON.stringify({
      model: "gpt-4o",
      messages: [{ role: "user", content: texts.map((text) => ({ type: "text", text })) }],
    });
  test.each([{ contains: "atlantis" }, { regex: "atlantis" }])("a word in two parts: %j", (test) => {
    const asking = { method: "POST", headers: [["content-type", "application/json"]] as const };
    const rule = `{ messages: ${JSON.stringify(test)} }`;
    expect(denies(rule, { ...asking, body: parts("about atl", "antis") })).toBe(true);
    expect(denies(rule, { ...asking, body: parts("about atl", " antis") })).toBe(false);
  });
});

describe("a CEL expression on a member of a body is not passed by", () => {
  const small = '"\\ufeffamount":1';
  test.each([[`{${small},"amount":1000000}`], [`{"amount":1000000,${small}}`]])(
    "%s, whose other name has a byte order mark",
    (body) => {
      const given = { headers: [["content-type", "application/json"]], body } as const;
      expect(denies("{ cel: 'json.amount > 500.0' }", given)).toBe(true);
      expect(allows("{ cel: 'json.amount < 500.0' }", given)).toBe(false);
    },
  );
});
