import { describe, expect, test } from "bun:test";
import { type Facts, factsOf } from "../../src/content/facts.ts";
import { evaluateRules } from "../../src/policy/evaluate.ts";
import { evaluateHost } from "../../src/policy/evaluate-host.ts";
import { MAX_CONTROLS } from "../../src/policy/verdicts.ts";
import { type Asking, allows, ask, denies, finding, json, policy, question } from "./_ask.ts";

describe("what cannot be told counts against the request", () => {
  const unread = { known: false, reason: "too_large", detail: "the body is too large" } as const;
  const blind: Facts = {
    question: question(),
    body: () => factsOf(question()).body(),
    release() {},
    *prepare() {},
    llm: () => unread,
    graphql: () => unread,
    json: () => unread,
    form: () => unread,
  };
  const rule = (verdict: string, when: string) =>
    evaluateRules(
      policy(`- { id: r, when: ${when}, verdict: ${verdict} }`, verdict === "allow" ? "default: deny" : undefined),
      question({ method: "POST", body: "x" }),
      blind,
      [],
    );

  test.each([
    "{ models: gpt-4 }",
    "{ tools: shell }",
    '{ json: { "$.a": 1 } }',
    "{ graphql: { operations: query } }",
    "{ cel: \"llm.model == 'x'\" }",
  ])("%s of a body nobody can read", (when) => {
    expect(rule("deny", when).verdict).toBe("deny");
    expect(rule("approval_needed", when).verdict).toBe("approval_needed");
    expect(rule("allow", when).verdict).toBe("deny");
    expect(rule("deny", when).reason).toContain("not sure");
  });

  test("what cannot be read cannot be redacted", () => {
    const ruling = rule("sanitize", '{ json: { "$.a": 1 } }');
    expect(ruling.verdict).toBe("deny");
    expect(ruling.reason).toContain("cannot be redacted");
  });

  test("an exception does not save what it is not sure of", () => {
    expect(rule("deny", '{ methods: POST, not: { json: { "$.a": 1 } } }').verdict).toBe("deny");
  });

  test("a CEL expression that fails denies and does not allow, and says why", () => {
    const when = '{ cel: "json.order.amount > 5.0" }';
    const body = json({ other: 1 });
    expect(denies(when, body)).toBe(true);
    expect(allows(when, body)).toBe(false);
    expect(ask(policy(`- { id: r, when: ${when}, verdict: deny }`), body).reason).toMatch(
      /cannot be evaluated: .*order/,
    );
    expect(denies('{ cel: "json.order.amount" }', json({ order: { amount: 1 } }))).toBe(true);
  });
});

describe("a path has every reading some server may have", () => {
  const walks: string[] = [
    "/admin/users",
    "/Admin/users",
    "//admin/users",
    "/x/../admin/users",
    "/x/%2e%2e/admin/users",
    "/x/..%2fadmin/users",
    "/%61dmin/users",
    "/%2561dmin/users",
    "/admin%2fusers",
    "/admin;a=b/users",
    "/x\\..\\admin\\users",
    "/x%5c..%5cadmin/users",
    "/./admin/./users",
    "/admin/x/../users",
    "/admin/%252e%252e/admin/users",
    "/admin/../public",
  ];
  test.each(walks)("%s does not walk around a deny", (path) => {
    expect(denies("{ paths: /admin/** }", { path })).toBe(true);
  });

  test.each(walks.slice(1))("%s is not let through by an allow it only may be", (path) => {
    // These are below /admin whoever reads them.
    const known = ["/%61dmin/users", "/admin/x/../users", "/admin/%252e%252e/admin/users"];
    expect(allows("{ paths: /admin/** }", { path })).toBe(known.includes(path));
  });

  test.each([
    ["/v1/*/files", "/v1/a/files", true],
    ["/v1/*/files", "/v1/a/b/files", false],
    ["/v1/**/files", "/v1/files", true],
    ["/v1/**/files", "/v1/a/b/files", true],
    ["/v1/**", "/v1", true],
    ["/v1/**", "/v10", false],
    ["/v1/a*c", "/v1/abc", true],
    ["/v1/files", "/v1/files/", true],
    ["/", "/", true],
    ["/**", "/anything/at/all", true],
  ])("%s and %s: %p", (pattern, path, expected) => {
    expect(denies(`{ paths: "${pattern}" }`, { path })).toBe(expected);
    expect(allows(`{ paths: "${pattern}" }`, { path })).toBe(expected);
  });

  test("a path of a thousand segments is not known", () => {
    const path = "/a".repeat(1000);
    expect(denies("{ paths: /b }", { path })).toBe(true);
    expect(allows("{ paths: /a/** }", { path })).toBe(false);
  });
});

describe("conditions", () => {
  const cases: [when: string, yes: Asking, no: Asking][] = [
    ["{ hosts: .example.com }", {}, { host: "example.org" }],
    ["{ hosts: 'api.example.com:8443' }", { port: 8443 }, {}],
    ["{ hosts: 192.0.2.0/24 }", { host: "192.0.2.7", literal: true }, { host: "192.0.3.7", literal: true }],
    ["{ methods: [POST, PUT] }", { method: "PUT" }, {}],
    ["{ class: write }", { method: "DELETE" }, { method: "HEAD" }],
    ["{ class: write }", { headers: [["X-HTTP-Method-Override", "DELETE"]] }, {}],
    ["{ class: write }", { upgrade: "websocket" }, {}],
    ["{ class: write }", { method: "POST" }, { method: "OPTIONS" }],
    ["{ schemes: http }", { scheme: "http" }, {}],
    ["{ agents: 'ci-*' }", { agent: "ci-7" }, { agent: "dev" }],
    ["{ agents: 'ci-*' }", { agent: "ci-7" }, {}],
    ["{ parents: root }", { parentAgent: "root" }, {}],
    ["{ tenants: acme }", {}, { org: "other" }],
    ["{ doors: tunnel }", { door: "tunnel" }, {}],
    ["{ query: { debug: '*' } }", { query: [["de%62ug", "1"]] }, {}],
    ["{ query: { q: { equals: a b } } }", { query: [["q", "a+b"]] }, { query: [["q", "a"]] }],
    ["{ headers: { X-Debug: { present: true } } }", { headers: [["x-debug", ""]] }, {}],
    ["{ headers: { accept: 'text/*' } }", { headers: [["Accept", "text/html"]] }, { headers: [["accept", "a/b"]] }],
    ["{ headers: { x: { regex: '^a+$' } } }", { headers: [["x", "aaa"]] }, { headers: [["x", "b"]] }],
    [
      "{ headers: { authorization: { kind: bearer, issuer: openai } } }",
      { headers: [["authorization", { kind: "bearer", issuer: "openai", fingerprint: "hmac-0" }]] },
      { headers: [["authorization", { kind: "basic", issuer: null, fingerprint: "hmac-0" }]] },
    ],
    ["{ content_types: 'application/*' }", json({}), { headers: [["content-type", "text/plain; a=b"]] }],
    ["{ body: { min_bytes: 3 } }", { body: "abc" }, { body: "ab" }],
    ['{ json: { "$.a.b": 5 } }', json({ a: { b: 5 } }), json({ a: { b: 6 } })],
    ['{ json: { "$.a": { in: [x, y] } } }', json({ a: "y" }), json({ a: "z" })],
    ['{ json: { "$.a": { gt: 5, lte: 7 } } }', json({ a: 7 }), json({ a: 5 })],
    ['{ json: { "$.a": { exists: true } } }', json({ a: null }), json({ b: 1 })],
    ['{ json: { "$.a": { exists: false } } }', json({ b: 1 }), json({ a: 1 })],
    ['{ json: { "$.a": { glob: "x*" } } }', json({ a: "xyz" }), json({ a: 5 })],
    ["{ times: { days: wed, hours: '11:00-13:00' } }", {}, { at: Date.parse("2026-03-04T13:00:00Z") }],
    ["{ times: { hours: '22:00-06:00', days: tue } }", { at: Date.parse("2026-03-04T05:59:00Z") }, {}],
    ["{ times: { zone: Asia/Tokyo, hours: '21:00-22:00' } }", {}, { at: Date.parse("2026-03-04T13:00:00Z") }],
    ["{ times: { until: 2026-03-05 } }", {}, { at: Date.parse("2026-03-05T00:00:00Z") }],
    ["{ cel: 'request.method == \"GET\" && request.port == 443' }", {}, { port: 80 }],
    ["{ cel: 'now.getHours() == 12 && tenant == \"acme\"' }", {}, { org: "x" }],
    ["{ cel: 'json.items.exists(i, i.n > 3)' }", json({ items: [{ n: 1 }, { n: 4 }] }), json({ items: [] })],
    ['{ cel: \'request.headers["x"].matches("^a")\' }', { headers: [["x", "ab"]] }, { headers: [["x", "b"]] }],
  ];
  test.each(cases)("%s", (when, yes, no) => {
    expect([denies(when, yes), denies(when, no)]).toEqual([true, false]);
    expect([allows(when, yes), allows(when, no)]).toEqual([true, false]);
  });

  test("findings by vector, name, severity and number", () => {
    const card = finding();
    expect(denies("{ findings: { vectors: dlp_personal } }", {}, [card])).toBe(true);
    expect(denies("{ findings: { vectors: dlp_personal } }")).toBe(false);
    expect(denies("{ findings: { names: 'payment-*', severity: critical } }", {}, [card])).toBe(false);
    expect(denies("{ findings: { min: 2 } }", {}, [card])).toBe(false);
    expect(denies("{ findings: { min: 2 } }", {}, [card, card])).toBe(true);
  });

  test("of several values one is enough to deny, all are needed to allow", () => {
    const two = json({ a: [1, 2] });
    expect(denies('{ json: { "$.a[*]": 1 } }', two)).toBe(true);
    expect(allows('{ json: { "$.a[*]": 1 } }', two)).toBe(false);
    const headers: Asking = {
      headers: [
        ["x", "a"],
        ["x", "b"],
      ],
    };
    expect(denies("{ headers: { x: a } }", headers)).toBe(true);
    expect(allows("{ headers: { x: a } }", headers)).toBe(false);
  });

  test("a key given twice has two readings", () => {
    const twice = json('{"a":1,"a":2}');
    expect(denies('{ json: { "$.a": 1 } }', twice)).toBe(true);
    expect(allows('{ json: { "$.a": 1 } }', twice)).toBe(false);
  });

  test("not and unless take back", () => {
    expect(denies("{ methods: POST, not: { hosts: .example.com } }", { method: "POST" })).toBe(false);
    const program = policy("- { id: r, verdict: deny, unless: { agents: ops } }");
    expect(ask(program, { agent: "ops" }).verdict).toBe("allow");
    expect(ask(program).verdict).toBe("deny");
  });

  test("a rule that has expired is no more", () => {
    const program = policy("- { id: r, verdict: deny, expires: 2026-03-04T12:00:00Z }");
    expect(ask(program, { at: Date.parse("2026-03-04T11:59:59Z") }).verdict).toBe("deny");
    expect(ask(program).verdict).toBe("allow");
  });
});

describe("conditions on calls of models", () => {
  const call = (given: object = {}) =>
    json(
      {
        model: "gpt-4o-mini",
        messages: [
          { role: "system", content: "Be kind." },
          { role: "user", content: "Tell me about \u0041 Bears" },
        ],
        tools: [{ type: "function", function: { name: "search_web", parameters: {} } }],
        ...given,
      },
      { host: "api.openai.com", path: "/v1/chat/completions" },
    );

  test.each([
    ["{ models: 'gpt-4*' }", true],
    ["{ models: GPT-4O-MINI }", true],
    ["{ models: claude-* }", false],
    ["{ roles: system }", true],
    ["{ roles: tool }", false],
    ["{ messages: { roles: user, contains: bears } }", true],
    ["{ messages: { roles: system, contains: bears } }", false],
    ["{ messages: { roles: user, regex: 'A B[a-z]+s$' } }", true],
    ["{ messages: { min: 3 } }", false],
    ["{ messages: { max: 2 } }", true],
    ["{ tools: 'search_*' }", true],
    ["{ tools: { called: search_web } }", false],
    ["{ dialects: 'openai-*' }", true],
    ["{ dialects: anthropic-messages }", false],
    ["{ operations: [chat, completion] }", true],
    ["{ operations: embedding }", false],
    ["{ stream: false }", true],
    ["{ stream: true }", false],
    ["{ images: { min: 1 } }", false],
    ["{ images: { max: 0 } }", true],
    ["{ files: { min: 1 } }", false],
    ["{ tool_calls: { min: 1 } }", false],
    ["{ tool_calls: { min: 0 } }", true],
    ["{ tokens: { min: 5 } }", true],
    ["{ tokens: { max: 5 } }", false],
    ['{ cel: \'llm.messages.exists(m, m.role == "user" && m.text.contains("Bears"))\' }', true],
    ["{ cel: 'llm.tools.all(t, t.startsWith(\"search\"))' }", true],
    ["{ cel: 'llm.model == \"\" || !llm.present' }", false],
  ])("%s: %p", (when, expected) => {
    expect(denies(when, call())).toBe(expected);
  });

  test("no call of a model is none of them, and CEL can ask", () => {
    expect(denies("{ models: '*' }", json({ a: 1 }))).toBe(false);
    expect(denies("{ cel: llm.present }", json({ a: 1 }))).toBe(false);
    expect(denies("{ cel: 'llm.model.startsWith(\"g\")' }", json({ a: 1 }))).toBe(false);
  });

  test("an allow for one tool is none for a call with two", () => {
    const two = call({ tools: ["a", "b"].map((name) => ({ type: "function", function: { name } })) });
    expect(allows("{ tools: a }", two)).toBe(false);
    expect(allows("{ tools: [a, b] }", two)).toBe(true);
    expect(denies("{ tools: a }", two)).toBe(true);
  });

  test("what is asked for: a stream, tokens, pictures and files", () => {
    const asking = call({ stream: true, max_tokens: 500 });
    expect(denies("{ stream: true }", asking)).toBe(true);
    expect(denies("{ max_tokens: { min: 500 } }", asking)).toBe(true);
    expect(denies("{ max_tokens: { min: 501 } }", asking)).toBe(false);
    expect(allows("{ max_tokens: { max: 500 } }", asking)).toBe(true);
    expect(denies("{ max_tokens: { min: 501 } }", call({ n: 2, max_tokens: 500 }))).toBe(true);
    const shown = [
      { type: "image_url", image_url: { url: "https://e/a.png" } },
      { type: "file", file: { file_id: "f" } },
    ];
    const seen = call({ messages: [{ role: "user", content: shown }] });
    expect(denies("{ images: { min: 1 }, files: { min: 1 } }", seen)).toBe(true);
    expect(denies("{ images: { min: 2 } }", seen)).toBe(false);
  });

  test("who names no bound on the answer asks for any number of tokens", () => {
    expect(denies("{ max_tokens: { min: 100000 } }", call())).toBe(true);
    expect(allows("{ max_tokens: { max: 100000 } }", call())).toBe(false);
  });

  test("arguments of calls, however they are written", () => {
    const calling = (name: string, args: string) =>
      call({
        messages: [
          { role: "assistant", tool_calls: [{ id: "1", type: "function", function: { name, arguments: args } }] },
        ],
      });
    const removing = calling("shell", '{"cmd":"\\u0072m -rf \\/srv"}');
    expect(denies("{ tool_calls: { names: 'sh*', contains: 'RM -RF /srv' } }", removing)).toBe(true);
    expect(denies("{ tool_calls: { regex: '^rm .*srv$' } }", removing)).toBe(true);
    expect(denies("{ tool_calls: { contains: cmd } }", removing)).toBe(true);
    expect(denies("{ tool_calls: { names: other, contains: 'rm -rf' } }", removing)).toBe(false);
    expect(denies("{ tool_calls: { contains: 'rm -rf /home' } }", removing)).toBe(false);
    expect(denies("{ tool_calls: { contains: 'no JSON' } }", calling("a", "this is No JSON"))).toBe(true);
    expect(denies("{ tool_calls: { regex: b } }", calling("a", `"${"a".repeat(60_000)}"`))).toBe(true);
    expect(allows("{ tool_calls: { regex: b } }", calling("a", `"${"a".repeat(60_000)}"`))).toBe(false);
  });

  test("the call that a request to an MCP server is", () => {
    const request = json({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "read_file", arguments: { path: "/etc/shadow" } },
    });
    expect(denies("{ dialects: mcp, tool_calls: { names: read_file, regex: '^/etc/' } }", request)).toBe(true);
    expect(denies("{ tool_calls: { names: read_file, regex: '^/home/' } }", request)).toBe(false);
  });

  test("tools a model has called before", () => {
    const called = call({
      messages: [
        { role: "assistant", tool_calls: [{ id: "1", type: "function", function: { name: "rm", arguments: "{}" } }] },
      ],
    });
    expect(denies("{ tools: { called: rm } }", called)).toBe(true);
  });

  test("what would take too long to read is not known", () => {
    const many = call({
      messages: Array.from({ length: 3000 }, () => ({ role: "user", content: "aaaaaaaaaaaaaaaaaaaa" })),
    });
    expect(denies("{ messages: { regex: '(a+)+b' } }", many)).toBe(true);
    expect(allows("{ messages: { regex: 'a' } }", many)).toBe(true);
    expect(allows("{ not: { messages: { regex: 'b' } } }", many)).toBe(false);
    expect(denies('{ json: { "$.messages[*].content": b } }', many)).toBe(true);
    expect(denies("{ messages: { contains: [baa, b] } }", many)).toBe(false);
    expect(denies("{ messages: { contains: [baa, aaa] } }", many)).toBe(true);
  });

  test("a body that is not the JSON it says is not known", () => {
    expect(denies("{ models: nothing-like-it }", json("{", { path: "/v1/chat/completions" }))).toBe(true);
    expect(allows("{ not: { models: nothing-like-it } }", json("{"))).toBe(false);
  });
});

describe("GraphQL", () => {
  const ask = (query: string): Asking => json({ query }, { path: "/graphql" });

  test("queries read, mutations write", () => {
    expect(denies("{ class: write }", ask("{ user { name } }"))).toBe(false);
    expect(denies("{ class: write }", ask("mutation { drop }"))).toBe(true);
  });

  test.each([
    ["{ graphql: { operations: mutation } }", "mutation { drop }", true],
    ["{ graphql: { operations: mutation } }", "{ user { name } }", false],
    ["{ graphql: { fields: user } }", "{ user { name } other }", true],
    ["{ graphql: { fields: nothing } }", "{ user { name } }", false],
    ["{ graphql: { names: Get* } }", "query GetIt { user { name } }", true],
    ["{ cel: 'graphql.operations.exists(o, o.type == \"mutation\")' }", "mutation { drop }", true],
  ])("%s of %s: %p", (when, query, expected) => expect(denies(when, ask(query))).toBe(expected));

  test("an allow for one field is none for two", () => {
    expect(allows("{ graphql: { fields: user } }", ask("{ user { name } other }"))).toBe(false);
    expect(allows("{ graphql: { fields: user } }", ask("{ user { name } }"))).toBe(true);
  });
});

describe("the most severe wins", () => {
  const rules = `- { id: a, when: { paths: [/a, /ab, /abs, /abd] }, verdict: allow, ttl: 5m }
- { id: b, when: { paths: [/ab] }, verdict: approval_needed, controls: [LLM06], message: ask ops }
- { id: s, when: { paths: [/abs, /s] }, verdict: sanitize }
- { id: d, when: { paths: [/abd] }, verdict: deny, controls: [ASI02, LLM06], reason: never }`;
  const program = policy(rules, "default: deny\nhosts: { deny: [bad.example.com], allow: [open.example.com] }");

  test.each([
    ["/a", "allow", "rules.a"],
    ["/ab", "approval_needed", "rules.b"],
    ["/abs", "sanitize", "rules.s"],
    ["/abd", "deny", "rules.d"],
    ["/other", "deny", "default"],
    ["/s", "deny", "default"],
  ])("%s: %s by %s", (path, verdict, rule) => expect(ask(program, { path })).toMatchObject({ verdict, rule }));

  test("hosts.deny is absolute, hosts.allow opens", () => {
    expect(ask(program, { path: "/a", host: "bad.example.com" })).toMatchObject({
      verdict: "deny",
      rule: "hosts.deny[0] bad.example.com",
    });
    expect(ask(program, { path: "/s", host: "open.example.com" })).toMatchObject({ verdict: "sanitize" });
    expect(ask(program, { host: "open.example.com" })).toMatchObject({
      verdict: "allow",
      rule: "hosts.allow[0] open.example.com",
    });
  });

  test("what no rule lets through is named with its port: another may be let through", () => {
    const ported = policy("", 'default: deny\nhosts: { allow: ["a.test:443"] }');
    expect(ask(ported, { host: "a.test", port: 8443 })).toMatchObject({
      rule: "default",
      reason: 'no rule lets this through to "a.test:8443"',
    });
    expect(ask(ported, { host: "a.test", port: 443 }).verdict).toBe("allow");
  });

  test("the ruling carries what the rule says", () => {
    expect(ask(program, { path: "/a" })).toMatchObject({ ttlS: 300, message: null });
    expect(ask(program, { path: "/ab" })).toMatchObject({ message: "ask ops", controls: ["LLM06"], ttlS: null });
    expect(ask(program, { path: "/abd" })).toMatchObject({ reason: "never", controls: ["ASI02", "LLM06"] });
  });

  test("more controls than one ruling may name are cut, and those of the rule that wins stay", () => {
    const ids = (name: string) => Array.from({ length: 30 }, (_, n) => `${name}-${n}`).join(", ");
    const rules = ["AA", "BB", "CC"].map(
      (name) => `- { id: ${name.toLowerCase()}, verdict: allow, controls: [${ids(name)}] }`,
    );
    const all = ask(policy(rules.join("\n"))).controls;
    expect([all.length, all[0], all[63]]).toEqual([MAX_CONTROLS, "AA-0", "CC-3"]);
    const last = ask(policy(`${rules.join("\n")}\n- { id: d, verdict: deny, controls: [LLM01, AA-0] }`));
    expect(last).toMatchObject({ verdict: "deny" });
    expect([last.controls.length, new Set(last.controls).size]).toEqual([MAX_CONTROLS, MAX_CONTROLS]);
    expect(last.controls).toContain("LLM01");
    const shadow = ask(policy(`- { id: d, verdict: deny, mode: shadow, controls: LLM01 }`));
    expect(shadow.controls).toEqual([]);
  });

  test.each([
    ["expires in a minute", "- { id: r, verdict: allow, ttl: 1h, expires: 2026-03-04T12:01:00Z }", 60],
    [
      "another that holds expires sooner",
      "- { id: r, verdict: allow, ttl: 1h }\n- { id: s, verdict: allow, expires: 2026-03-04T12:00:30Z }",
      30,
    ],
    ["a week, as in limits", "- { id: r, verdict: allow, ttl: 1w }", 604_800],
    ["it has times", "- { id: r, verdict: allow, ttl: 1h, when: { times: { hours: 11:00-13:00 } } }", 0],
    [
      "it has CEL of now",
      "- { id: r, verdict: allow, ttl: 1h, when: { cel: \"now > timestamp('2026-01-01T00:00:00Z')\" } }",
      0,
    ],
    [
      "another may begin to hold",
      "- { id: r, verdict: allow, ttl: 1h }\n- { id: s, verdict: deny, when: { times: { from: 2026-03-04T12:10:00Z } } }",
      0,
    ],
    [
      "another is out at times",
      "- { id: r, verdict: allow, ttl: 1h }\n- { id: s, verdict: deny, unless: { times: { hours: 11:00-13:00 } } }",
      0,
    ],
    ["nothing ends", "- { id: r, verdict: allow, ttl: 1h, expires: 2027-03-04 }", 3600],
  ])("a ruling is remembered no longer than it is true: %s", (_, rules, ttlS) => {
    expect(ask(policy(rules), {})).toMatchObject({ verdict: "allow", ttlS });
  });

  test("access is the default by class", () => {
    const reads = policy("", "default: deny\naccess: { reads: open }");
    expect(ask(reads)).toMatchObject({ verdict: "allow", rule: "access.reads" });
    expect(ask(reads, { method: "POST" })).toMatchObject({ verdict: "deny", rule: "default" });
    const writes = policy("", "default: allow\naccess: { writes: closed }");
    expect(ask(writes, { method: "POST" })).toMatchObject({ verdict: "deny", rule: "access.writes" });
    expect(ask(writes)).toMatchObject({ verdict: "allow" });
  });
});

describe("shadow", () => {
  test("of a rule: told, not done", () => {
    const program = policy("- { id: r, mode: shadow, verdict: deny }");
    expect(ask(program)).toMatchObject({ verdict: "allow", would: { verdict: "deny", rule: "rules.r" } });
    expect(evaluateHost(program, { host: "a.test", port: 443, literal: false })).toEqual({
      allowed: true,
      rule: "default",
      would: { allowed: false, rule: "rules.r" },
    });
  });

  test("of a file: nothing of it is enforced", () => {
    const program = policy("- { id: r, when: { methods: POST }, verdict: deny }", "mode: shadow\ndefault: deny");
    expect(ask(program)).toMatchObject({ verdict: "allow", would: { verdict: "deny", rule: "default" } });
    expect(ask(program, { method: "POST" })).toMatchObject({ would: { rule: "rules.r" } });
  });
});

describe("tunnels", () => {
  const program = policy(
    `- { id: host, when: { hosts: .bad.test }, verdict: deny }
- { id: content, when: { methods: GET }, verdict: deny }
- { id: agent, when: { agents: x, phases: tunnel }, verdict: approval_needed }`,
  );
  const tunnel = (given: Asking) => ask(program, { phase: "tunnel", method: "CONNECT", scheme: "tcp", ...given });

  test("only rules that make sense of a tunnel are asked", () => {
    expect(tunnel({}).verdict).toBe("allow");
    expect(tunnel({ host: "a.bad.test" }).verdict).toBe("deny");
    expect(tunnel({ agent: "x" }).verdict).toBe("approval_needed");
  });

  test("evaluateHost knows rules that ask for a host alone", () => {
    expect(evaluateHost(program, { host: "a.bad.test", port: 1, literal: false })).toMatchObject({
      allowed: false,
      rule: "rules.host",
    });
  });
});
