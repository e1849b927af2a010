import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/errors.ts";
import { namedPolicy } from "../../src/policy/named.ts";
import { compilePolicy } from "../../src/policy/program.ts";
import { NAMED_POLICIES } from "../../src/policy/schema.ts";
import { spentMs } from "../_spent.ts";
import { ask, policy } from "./_ask.ts";

const GOOD = "version: 1\ndefault: allow\n";

function refusal(text: string): string[] {
  try {
    compilePolicy([{ name: "p.yaml", text: GOOD + text }]);
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === "policy_invalid") return thrown.message.split("\n");
    throw thrown;
  }
  return [];
}

/** A rule with this `when`, its conditions from line 5 and column 7 on. */
const rule = (when: string) =>
  `rules:\n  - id: r\n    when:\n      ${when.replaceAll("\n", "\n      ")}\n    verdict: deny\n`;

test("more canaries than an engine takes are refused where they stand", () => {
  const all = Array.from({ length: 1001 }, (_, i) => `canary-${i}`);
  expect(refusal(`dlp: { canaries: { values: [${all}] } }\n`)).toEqual([
    "p.yaml:3:28: dlp.canaries.values: has more than 1000 entries",
  ]);
  expect(refusal(`dlp: { canaries: { values: [${all.slice(1)}] } }\n`)).toEqual([]);
});

describe("a slip in any section is told with its place, and what was meant", () => {
  const cases: [text: string, expected: string | RegExp][] = [
    ["rulse: []\n", 'p.yaml:3:1: unknown key "rulse", did you mean rules?'],
    ["rules:\n  - id: r\n    verdit: deny\n", /^p\.yaml:5:5: unknown key "rules\.0\.verdit", did you mean verdict\?$/],
    ["rules:\n  - { id: r, verdict: dney }\n", /^p\.yaml:4:23: rules\[0\]\.verdict: must be .*, did you mean deny\?$/],
    ["rules:\n  - { id: r, verdict: block }\n", /^p\.yaml:4:23: .*, did you mean deny\?$/],
    ["rules:\n  - { id: r, verdict: HOLD }\n", /^p\.yaml:4:23: .*, did you mean approval_needed\?$/],
    ["dlp: { personal: redact }\n", /^p\.yaml:3:18: .*did you mean sanitize\?$/],
    ["mode: block\n", /^p\.yaml:3:7: mode: must be enforce or shadow$/],
    [
      "hosts: { allow: [https://a.test/v1] }\n",
      'p.yaml:3:18: hosts.allow[0]: "https://a.test/v1": is a URL: give the host alone, paths belong into a rule\'s paths',
    ],
    ["limits: [{ id: a, rate: 60/m }]\n", "p.yaml:3:25: limits[0].rate: must be a map such as {requests: 60, per: 1m}"],
    [
      "limits: [{ id: a, tokens: 60 }]\n",
      "p.yaml:3:27: limits[0].tokens: must be a map such as {max: 1000000, per: 1d}",
    ],
    ["limits: [{ id: a, money: 60 }]\n", "p.yaml:3:26: limits[0].money: must be a map such as {max: 25.00, per: 1d}"],
    ["limits: [{ id: a, bytes: 1MB }]\n", "p.yaml:3:26: limits[0].bytes: must be a map such as {max: 10MB, per: 1h}"],
    [
      "limits: [{ id: a, payment: 60 }]\n",
      "p.yaml:3:28: limits[0].payment: must be a map such as {field: $.amount, unit: minor, max_each: 100.00}",
    ],
    [
      "limits: [{ id: a, match: a.test }]\n",
      "p.yaml:3:26: limits[0].match: must be a map such as {hosts: [api.example.com]}",
    ],
    ["limits: [60]\n", "p.yaml:3:10: limits[0]: must be a map that begins with id"],
    ["prices: [60]\n", "p.yaml:3:10: prices[0]: must be a map of model, input, output"],
    ["rules:\n  - { id: 'a b', verdict: deny }\n", /^p\.yaml:4:11: rules\[0\]\.id: must be letters/],
    [
      "rules:\n  - { id: r, verdict: deny, controls: LLM11 }\n",
      /^p\.yaml:4:39: rules\[0\]\.controls: must be LLM01 to/,
    ],
    [
      "rules:\n  - { id: r, verdict: deny, ttl: 5 minutes }\n",
      /^p\.yaml:4:34: rules\[0\]\.ttl: must be a time such as/,
    ],
    [
      "rules:\n  - { id: r, verdict: deny, expires: tomorrow }\n",
      /^p\.yaml:4:38: rule "r": expires: "tomorrow" is not/,
    ],
    [
      "rules:\n  - { id: r, verdict: deny, expires: 2026-02-30T00:00Z }\n",
      /^p\.yaml:4:38: rule "r": expires: "2026-02-30T00:00Z" is not/,
    ],
    [
      "rules:\n  - { id: r, verdict: deny, expires: 2025-02-29T23:59:59-05:00 }\n",
      /^p\.yaml:4:38: rule "r": expires: "2025-02-29T23:59:59-05:00" is not/,
    ],
    [rule("times: { from: 2026-04-31T12:00+02:00 }"), /is not a day or an instant$/],
    [rule("times: { until: 2026-06-31T00:00Z }"), /is not a day or an instant$/],
    [
      "rules:\n  - { id: r, verdict: deny, expires: 2026-02-30 }\n",
      /^p\.yaml:4:38: rule "r": expires: "2026-02-30" is not/,
    ],
    [rule("methds: POST"), /^p\.yaml:6:7: unknown key "rules\.0\.when\.methds", did you mean methods\?$/],
    [rule("methods: post"), /^p\.yaml:6:16: rule "r": when\.methods\.0: "post" is not a method/],
    [rule("methods: [GET, 5]"), /^p\.yaml:6:22: rules\[0\]\.when\.methods\[1\]: must be a method/],
    [rule("class: raed"), /^p\.yaml:6:14: .*did you mean read\?$/],
    [rule("hosts: 0x7f.1"), /^p\.yaml:6:14: rule "r": when\.hosts\.0: "0x7f\.1": not a host/],
    [rule("hosts: $nope"), /^p\.yaml:6:14: rule "r": when\.hosts\.0: there is no list "nope"$/],
    [rule("paths: v1"), /^p\.yaml:6:14: rule "r": when\.paths\.0: "v1": a path begins with \/$/],
    [rule("paths: [/a, /b?c]"), /^p\.yaml:6:19: rule "r": when\.paths\.1: "\/b\?c": a path has no query/],
    [rule("paths: /a**"), /\*\* must be a whole segment$/],
    [
      rule("headers:\n  x: { glb: a }"),
      /^p\.yaml:7:14: unknown key "rules\.0\.when\.headers\.x\.glb", did you mean glob\?$/,
    ],
    [rule("headers:\n  x: { regex: '(' }"), /^p\.yaml:7:22: rule "r": .*not a regular expression: missing closing/],
    [rule("query: [a]"), /^p\.yaml:6:14: rules\[0\]\.when\.query: must be a map/],
    [rule("phases: tunel"), /^p\.yaml:6:15: .*did you mean tunnel\?$/],
    [rule("messages: { role: user }"), /^p\.yaml:6:19: unknown key .*messages\.role", did you mean roles\?$/],
    [rule("tools: { ofered: a }"), /unknown key "rules\.0\.when\.tools\.ofered", did you mean offered\?$/],
    [rule("tool_calls: { contain: a }"), /unknown key "rules\.0\.when\.tool_calls\.contain", did you mean contains\?$/],
    [rule("stream: 'yes'"), /must be true or false$/],
    [rule("tokens: { mn: 5 }"), /unknown key "rules\.0\.when\.tokens\.mn", did you mean min\?$/],
    [rule("graphql: { operations: mutaton }"), /did you mean mutation\?$/],
    [rule("json: { a.b: 1 }"), /^p\.yaml:6:20: rule "r": when\.json\.a\.b: "a\.b" is not a path such as/],
    [rule('json: { "$.a": { eqq: 1 } }'), /unknown key .*, did you mean eq\?$/],
    [rule("body: { min: 5 }"), /unknown key .*body\.min", known are min_bytes, max_bytes$/],
    [rule("times: { days: Mon }"), /did you mean mon\?$/],
    [rule("times: { hours: 8-18 }"), /must be hours such as "08:00-18:00"$/],
    [
      rule("times: { zone: Europe/Berln }"),
      /^p\.yaml:6:22: rule "r": when\.times\.zone: "Europe\/Berln" is not a time zone/,
    ],
    [rule("findings: { vector: '701' }"), /did you mean vectors\?$/],
    [rule("findings: { severity: hihg }"), /did you mean high\?$/],
    [rule("not: { hots: a.test }"), /did you mean hosts\?$/],
    [
      rule("cel: 'request.metod == \"GET\"'"),
      /^p\.yaml:6:13: .*unknown name "request\.metod", did you mean request\.method\?$/,
    ],
    [rule("cel: 'reqest.method == \"GET\"'"), /did you mean request\?$/],
    [rule("cel: tenant.startWith('a')"), /^p\.yaml:6:\d+: .*unknown function "startWith", did you mean startsWith\?$/],
    [rule("cel: 'tenant == '"), /^p\.yaml:6:\d+: rule "r": when\.cel: cel: /],
    [
      rule("cel: |\n  tenant == 'a' &&\n    agnt == 'b'"),
      /^p\.yaml:8:\d+: .*unknown name "agnt", did you mean agent\?$/,
    ],
    [rule("cel: tenant.matches('(')"), /not a regular expression/],
    [rule("cel: tenant.matches(agent)"), /the pattern of matches must be written out$/],
    ["access: { read: open }\n", 'p.yaml:3:11: unknown key "access.read", did you mean reads?'],
    ["access: { reads: opn }\n", /did you mean open\?$/],
    ["extends: [llm-onyl]\n", /^p\.yaml:3:11: extends\[0\]: must be .*, did you mean llm-only\?$/],
    ["mode: shdow\n", /^p\.yaml:3:7: mode: must be enforce or shadow, did you mean shadow\?$/],
    ["lists: { Bad Name: [a.test] }\n", /^p\.yaml:3:10: lists: "Bad Name" is not a name for a list/],
    ["hosts: { allow: [$nope] }\n", 'p.yaml:3:18: hosts.allow[0]: there is no list "nope"'],
    ["detect: { vectors: { '701': of } }\n", /^p\.yaml:3:29: detect\.vectors\.701: .*/],
    ["detect: { treshold: high }\n", 'p.yaml:3:11: unknown key "detect.treshold", did you mean threshold?'],
    ["dlp: { secrts: enforce }\n", 'p.yaml:3:8: unknown key "dlp.secrts", did you mean secrets?'],
    ["dlp: { personal: sanitise }\n", /^p\.yaml:3:18: dlp\.personal: .*did you mean sanitize\?$/],
    ["dlp: { patterns: { list: [{ name: x, regx: a }] } }\n", /did you mean regex\?$/],
    [
      "limits: [{ id: a, rate: { requests: 5, pr: 1m } }]\n",
      /^p\.yaml:3:40: unknown key "limits\.0\.rate\.pr", did you mean per\?$/,
    ],
    ["limits: [{ id: a, concurency: 5 }]\n", /did you mean concurrency\?$/],
    [
      "limits: [{ id: a, concurrency: 5, match: { hosts: [0x7f.1] } }]\n",
      /^p\.yaml:3:51: limits "a": "0x7f\.1": not a host/,
    ],
    ["prices: [{ model: a, input: 1, ouput: 2 }]\n", /did you mean output\?$/],
    [
      "sequences: [{ id: a, steps: [{ paths: x }, {}], within: 5m, verdict: deny }]\n",
      /^p\.yaml:3:39: .*"x": a path begins with/,
    ],
    [
      "dlp: { patterns: { list: [{ name: x, regex: '(' }] } }\n",
      /^p\.yaml:3:45: dlp\.patterns: not a regular expression/,
    ],
    [
      'dlp: {canaries: {values: ["short"]}}\n',
      "p.yaml:3:27: dlp.canaries.values[0]: has 5 bytes, at least 8 are needed",
    ],
    [
      "dlp: {canaries: {values: [long-enough, ääa]}}\n",
      "p.yaml:3:40: dlp.canaries.values[1]: has 5 bytes, at least 8 are needed",
    ],
    ["dlp: {canaries: {values: x}}\n", "p.yaml:3:26: dlp.canaries.values: has 1 byte, at least 8 are needed"],
    [
      "dlp: { patterns: { list: [{ name: x, regex: 'a*' }] } }\n",
      /^p\.yaml:3:45: dlp\.patterns: matches the empty text$/,
    ],
    [
      "dlp: { patterns: { list: [{ name: My_Ticket, regex: 'a+' }] } }\n",
      /^p\.yaml:3:35: dlp\.patterns\.list\[0\]\.name: must be lower-case letters and digits/,
    ],
    [
      "dlp: { dictionaries: { list: [{ name: a.b, words: x }] } }\n",
      /^p\.yaml:3:39: dlp\.dictionaries\.list\[0\]\.name: must be lower-case/,
    ],
    ["sequences: [{ id: a, steps: [{}, {}], witin: 5m, verdict: deny }]\n", /did you mean within\?$/],
    ["cache: { reads: 30 }\n", /^p\.yaml:3:17: cache\.reads: must be a time such as 30s/],
  ];
  test.each(cases)("%j", (text, expected) => {
    const said = refusal(text);
    const found = said.find((line) => (typeof expected === "string" ? line === expected : expected.test(line)));
    expect(found ?? said).toBe(found as string);
    for (const line of said) expect(line).toMatch(/^p\.yaml:\d+:\d+: /);
  });

  test("all of them at once, and rules that can be read are read", () => {
    const said = refusal(
      "rules:\n  - { id: a, verdict: deny, when: { paths: x } }\n  - { id: b, verdit: deny }\n  - { id: c, verdict: deny, when: { cel: 'agnt' } }\ncash: {}\n",
    );
    expect(said).toHaveLength(5);
  });

  test("an id given twice", () => {
    expect(refusal("rules:\n  - { id: a, verdict: deny }\n  - { id: a, verdict: allow }\n")).toEqual([
      'p.yaml:5:5: rules: the id "a" is given twice, before at p.yaml:4:5',
    ]);
  });
});

test("a version in quotes is told to be without them", () => {
  expect(() => compilePolicy([{ name: "p.yaml", text: 'version: "1"\ndefault: allow\n' }])).toThrow(
    "p.yaml:1:10: version: must be 1, without quotes",
  );
});

describe("CEL is bounded", () => {
  test.each([
    ["nested lists", `cel: '${"[".repeat(80)}${"]".repeat(80)} == []'`],
    ["a long sum", `cel: '${"1+".repeat(1500)}1 == 1'`],
    ["a loop in a loop in a loop", "cel: '[1].all(a, [1].all(b, [1].all(c, true)))'"],
    ["protocol buffers", "cel: 'google.protobuf.Int32Value{value: 1} == 1'"],
  ])("%s is refused when it is read", (_, when) => expect(refusal(rule(when)).length).toBeGreaterThan(0));

  test("a loop over what a body holds is given up, and denies", () => {
    const items = Array.from({ length: 900 }, (_, i) => i);
    const body = {
      method: "POST",
      headers: [["content-type", "application/json"]] as const,
      body: JSON.stringify({ items }),
    };
    const program = policy(
      "- { id: r, when: { cel: 'json.items.exists(a, json.items.exists(b, a + b < 0.0))' }, verdict: deny }",
    );
    const start = spentMs();
    const ruling = ask(program, body);
    expect(ruling.verdict).toBe("deny");
    expect(ruling.reason).toContain("too many steps");
    expect(spentMs() - start).toBeLessThan(1000);
  });
});

describe("YAML is bounded", () => {
  test("a bomb of aliases", () => {
    const bomb = `lists:\n  a: &a [x.test]\n${"bcdefgh".replace(/./g, (name, i: number) => `  ${name}: &${name} [*${"abcdefg"[i]}, *${"abcdefg"[i]}]\n`)}`;
    expect(refusal(bomb)[0]).toContain("aliases are not used in policies");
  });

  test("a long list lifted out of the text keeps every place", () => {
    const hosts = Array.from({ length: 200 }, (_, i) => `    - h${i}.test # ${i}\n`).join("");
    expect(refusal(`hosts:\n  allow:\n${hosts}    - 0x7f.1\n  dney: []\n`)).toEqual([
      'p.yaml:206:3: unknown key "hosts.dney", did you mean deny?',
      expect.stringMatching(/^p\.yaml:205:7: hosts\.allow\[200\]: "0x7f\.1": not a host/),
    ]);
    const wrong = hosts.replace("h100.test", "-h.$.test");
    expect(refusal(`hosts:\n  allow:\n${wrong}`)[0]).toMatch(/^p\.yaml:105:7: hosts\.allow\[100\]/);
  });

  test("what looks like a list in a text is text", () => {
    const lines = Array.from({ length: 100 }, (_, i) => `        - a${i}\n`).join("");
    const program = policy(`- id: r\n  verdict: deny\n  message: |\n${lines.replace(/^ {8}/gm, "    ").slice(0, 900)}`);
    expect(ask(program).message).toContain("- a50\n- a51");
  });

  test("numbers and words of YAML in a long list are told as in a short one", () => {
    const list = (count: number) =>
      `hosts:\n  allow:\n${"    - a.test\n".repeat(count)}    - 12\n    - true\n    - 1e5\n`;
    const long = refusal(list(100));
    expect(long).toHaveLength(3);
    expect(long[2]).toMatch(/^p\.yaml:107:7: hosts\.allow\[102\]: must be a host pattern/);
    expect(refusal(list(3)).map((line) => line.replace(/^.*?: /, ""))[0]).toBe(
      "hosts.allow[3]: must be a host pattern: put it in quotes",
    );
  });
});

describe("starting policies", () => {
  test.each(NAMED_POLICIES.map((name) => [name]))("%s compiles by itself and extended", (name) => {
    const alone = compilePolicy([{ name, text: namedPolicy(name) }]);
    const extended = compilePolicy([{ name: "p.yaml", text: `version: 1\nextends: ${name}\n` }]);
    expect(extended.rules.map(({ id }) => id)).toEqual(alone.rules.map(({ id }) => id));
    expect(extended.allowByDefault).toBe(alone.allowByDefault);
  });

  test("a file's own default goes before that of what it extends", () => {
    const program = compilePolicy([{ name: "p.yaml", text: "version: 1\ndefault: allow\nextends: llm-only\n" }]);
    expect(program.allowByDefault).toBe(true);
  });

  test("llm-only", () => {
    const program = compilePolicy([{ name: "p.yaml", text: "version: 1\nextends: llm-only\n" }]);
    expect(ask(program, { host: "api.openai.com" })).toMatchObject({ verdict: "allow", rule: "rules.llm-providers" });
    expect(ask(program, { host: "evil.test" })).toMatchObject({ verdict: "deny", rule: "default" });
  });
});
