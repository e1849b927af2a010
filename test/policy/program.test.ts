import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/errors.ts";
import { evaluateHost } from "../../src/policy/evaluate-host.ts";
import { compilePolicy } from "../../src/policy/program.ts";

const compile = (text: string) => compilePolicy([{ name: "p.yaml", text }]);

function refusal(...texts: string[]): string {
  try {
    compilePolicy(texts.map((text, i) => ({ name: texts.length === 1 ? "p.yaml" : `p${i}.yaml`, text })));
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code === "policy_invalid") return thrown.message;
    throw thrown;
  }
  return "accepted";
}

const GOOD = "version: 1\ndefault: allow\n";

describe("compilePolicy refuses, naming the line", () => {
  const cases: [string, string, string | RegExp][] = [
    ["an unknown key", `${GOOD}\nhost: {}\n`, 'p.yaml:4:1: unknown key "host", did you mean hosts?'],
    [
      "an unknown nested key",
      `${GOOD}hosts:\n  allow: []\n  block: []\n`,
      'p.yaml:5:3: unknown key "hosts.block", known are allow, deny',
    ],
    ["a duplicate key", `${GOOD}default: deny\n`, "p.yaml:3:1: a key is given twice in one map"],
    ["another version", "version: 2\ndefault: allow\n", "p.yaml:1:10: version: must be 1"],
    ["no version", "default: allow\n", "p.yaml:1:1: version: must be 1"],
    ["no default", "version: 1\n", "p.yaml:1:1: default: say allow or deny for hosts that no rule names"],
    ["a default of its own", "version: 1\ndefault: maybe\n", "p.yaml:2:10: default: must be allow or deny"],
    [
      "a number as a host",
      `${GOOD}hosts:\n  deny:\n    - a.test\n    - 12\n`,
      "p.yaml:6:7: hosts.deny[1]: must be a host pattern: put it in quotes",
    ],
    ["a list that is nothing", `${GOOD}hosts:\n  deny:\n`, "p.yaml:4:8: hosts.deny: must be a list ([] for none)"],
    [
      "a host in two readings",
      `${GOOD}hosts:\n  deny:\n    - a.test\n    - 0x7f.1\n`,
      /^p\.yaml:6:7: hosts\.deny\[1\]: "0x7f\.1": not a host/,
    ],
    [
      "opaque without a port",
      `${GOOD}opaque:\n  - a.test\n`,
      'p.yaml:4:5: opaque[0]: "a.test": a port is needed, such as "a.test:5432"',
    ],
    ["an alias", `${GOOD}hosts:\n  deny: &x [a.test]\n  allow: *x\n`, "p.yaml:5:10: aliases are not used in policies"],
    ["a tag", `${GOOD}default2: !!js/function "x"\n`, /^p\.yaml:3:11: Unresolved tag/],
    ["two documents", `${GOOD}---\n${GOOD}`, /^p\.yaml:/],
    ["an empty file", "", "p.yaml:1:1: policy: must be a map that begins with version: 1"],
    ["a list at the top", "- version: 1\n", "p.yaml:1:1: policy: must be a map that begins with version: 1"],
    ["broken YAML", `${GOOD}hosts: {`, /^p\.yaml:3:/],
    [
      "deep nesting",
      `${GOOD}hosts: { allow: ${"[".repeat(100)}${"]".repeat(100)} }\n`,
      /^p\.yaml:3:\d+: nested deeper/,
    ],
    ["nesting that exhausts a parser", `${GOOD}hosts: ${"[".repeat(200_000)}`, /^p\.yaml:/],
    ["a file over a mebibyte", `${GOOD}#${"x".repeat(1024 * 1024)}`, /larger than/],
  ];
  for (const [name, text, message] of cases) {
    test(name, () =>
      typeof message === "string" ? expect(refusal(text)).toBe(message) : expect(refusal(text)).toMatch(message),
    );
  }

  test("all problems at once", () => {
    expect(refusal(`${GOOD}one: 1\ntwo: 2\nhosts: { deny: 3 }\n`).split("\n")).toHaveLength(3);
  });

  test("of every kind together: a mistyped key, a tag, a pattern without quotes, a bad one, a number", () => {
    const text = `version: 1
defalt: deny
hosts:
  allow:
    - *.example.com
    - good.test
    - 0x7f.1
    - 7
  dney: []
opaque: [db.test]
`;
    expect(refusal(text).split("\n").sort()).toEqual([
      expect.stringMatching(/^p\.yaml:10:10: opaque\[0\]: "db\.test": a port is needed/),
      expect.stringMatching(/^p\.yaml:1:1: default: say allow or deny/),
      'p.yaml:2:1: unknown key "defalt", did you mean default?',
      expect.stringMatching(/^p\.yaml:5:7: \*\.example\.com: a pattern that begins with \* must be in quotes/),
      expect.stringMatching(/^p\.yaml:7:7: hosts\.allow\[2\]: "0x7f\.1": not a host/),
      "p.yaml:8:7: hosts.allow[3]: must be a host pattern: put it in quotes",
      'p.yaml:9:3: unknown key "hosts.dney", did you mean deny?',
    ]);
  });

  test("a misspelt extends is told alone: the default may be what it was to take in", () => {
    expect(refusal("version: 1\nextend: [llm-only]\n")).toBe('p.yaml:2:1: unknown key "extend", did you mean extends?');
  });

  test.each([
    ["a name", "hosts:\n  deny:\n    - *.x.test\n", "p.yaml:5:7: *.x.test: a pattern that begins with *"],
    ["a port", "hosts:\n  deny:\n    - *:25\n", "p.yaml:5:7: *:25: a pattern that begins with *"],
    ["nothing", "hosts:\n  deny: [*]\n", "p.yaml:4:10: *: a pattern that begins with *"],
    ["an address and its port", "opaque:\n  - [2001:db8::1]:443\n", "p.yaml:4:18: an address in brackets"],
    ["an address in a list", "opaque: [[2001:db8::1]:443]\n", "p.yaml:3:10: an address in brackets"],
  ])("says that quotes are missing, once: %s", (_, text, expected) => {
    const said = refusal(`${GOOD}${text}`);
    expect(said).toStartWith(expected);
    expect(said.split("\n")).toHaveLength(1);
  });

  test("of every file; one that cannot be read may be the one that says the default", () => {
    const said = refusal("version: 1\nhots: {}\n", `version: 1\nhosts: { deny: [a.test:0] }\n`);
    expect(said).toContain("p0.yaml:2:1: unknown key");
    expect(said).toContain('p1.yaml:2:17: hosts.deny[0]: "a.test:0"');
    expect(said).toContain("p0.yaml:1:1: default: say");
    expect(refusal("version: [", "version: 1\n")).not.toContain("default:");
  });

  test("of thousands the first fifty are told", () => {
    const said = refusal(`${GOOD}opaque:\n${"  - a.test\n".repeat(4000)}`).split("\n");
    expect(said).toHaveLength(51);
    expect(said[50]).toBe("… and 3950 more");
  });

  test("two files that disagree about the default", () => {
    expect(refusal(GOOD, "version: 1\ndefault: deny\n")).toMatch(/^p1\.yaml:2:10: default: "p0\.yaml" says allow/);
  });

  test("a valid policy is accepted", () => expect(refusal(GOOD)).toBe("accepted"));
});

describe("evaluateHost", () => {
  const program = compile(
    "version: 1\ndefault: deny\nhosts:\n  allow: ['.good.test', 'a.evil.test', '192.0.2.0/24']\n  deny: ['.evil.test', '192.0.2.9']\nopaque: ['db.good.test:5432']\n",
  );
  const ask = (host: string, port = 443, literal = false) => evaluateHost(program, { host, port, literal });

  test("deny beats a more exact allow", () => {
    expect(ask("a.evil.test")).toEqual({ allowed: false, rule: "hosts.deny[0] .evil.test", would: null });
    expect(ask("192.0.2.9", 80, true)).toEqual({ allowed: false, rule: "hosts.deny[1] 192.0.2.9", would: null });
  });

  test("names the rule that lets through", () => {
    expect(ask("x.good.test")).toEqual({ allowed: true, rule: "hosts.allow[0] .good.test", would: null });
    expect(ask("192.0.2.8", 80, true)).toEqual({ allowed: true, rule: "hosts.allow[2] 192.0.2.0/24", would: null });
  });

  test("falls to the default", () => {
    expect(ask("other.test")).toEqual({ allowed: false, rule: "default", would: null });
    expect(evaluateHost(compile(GOOD), { host: "other.test", port: 1, literal: false })).toEqual({
      allowed: true,
      rule: "default",
      would: null,
    });
  });

  test("files add up and rules name theirs", () => {
    const two = compilePolicy([
      { name: "a.yaml", text: GOOD },
      { name: "b.yaml", text: "version: 1\nhosts: { deny: [x.test] }\n" },
    ]);
    expect(evaluateHost(two, { host: "x.test", port: 1, literal: false })).toEqual({
      allowed: false,
      rule: "b.yaml: hosts.deny[0] x.test",
      would: null,
    });
  });

  test("the version follows the content", () => {
    expect(program.version).toMatch(/^sha256-[0-9a-f]{16}$/);
    expect(compile(GOOD).version).toBe(compile(GOOD).version);
    expect(compile(GOOD).version).not.toBe(compile(`${GOOD}# c\n`).version);
  });
});
