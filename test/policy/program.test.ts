import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/errors.ts";
import { compilePolicy, evaluate } from "../../src/policy/program.ts";

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
    ["an unknown key", `${GOOD}\nhost: {}\n`, 'p.yaml:4: unknown key "host"'],
    ["an unknown nested key", `${GOOD}hosts:\n  allow: []\n  block: []\n`, 'p.yaml:5: unknown key "hosts.block"'],
    ["a duplicate key", `${GOOD}default: deny\n`, /^p\.yaml:3: .*unique/],
    ["another version", "version: 2\ndefault: allow\n", /^p\.yaml:1: version/],
    ["no version", "default: allow\n", /version/],
    ["no default", "version: 1\n", /default: say/],
    ["a default of its own", "version: 1\ndefault: maybe\n", /^p\.yaml:2: default/],
    ["a number as a host", `${GOOD}hosts:\n  deny:\n    - a.test\n    - 12\n`, /^p\.yaml:6: hosts\.deny\.1/],
    [
      "a host in two readings",
      `${GOOD}hosts:\n  deny:\n    - a.test\n    - 0x7f.1\n`,
      /^p\.yaml:6: hosts\.deny: "0x7f\.1"/,
    ],
    ["opaque without a port", `${GOOD}opaque:\n  - a.test\n`, /^p\.yaml:4: opaque: "a\.test": a port/],
    ["an alias", `${GOOD}hosts:\n  deny: &x [a.test]\n  allow: *x\n`, "p.yaml:5: aliases are not used in policies"],
    ["a tag", `${GOOD}opaque: !!js/function "x"\n`, /^p\.yaml:3: /],
    ["two documents", `${GOOD}---\n${GOOD}`, /^p\.yaml:/],
    ["an empty file", "", /policy: /],
    ["a list at the top", "- version: 1\n", /policy: /],
    ["broken YAML", `${GOOD}hosts: {`, /^p\.yaml:3: /],
    ["deep nesting", `${GOOD}hosts: ${"[".repeat(100)}${"]".repeat(100)}\n`, /^p\.yaml:3: nested deeper/],
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

  test("two files that disagree about the default", () => {
    expect(refusal(GOOD, "version: 1\ndefault: deny\n")).toMatch(/^p1\.yaml:2: default: "p0\.yaml" says "allow"/);
  });

  test("a valid policy is accepted", () => expect(refusal(GOOD)).toBe("accepted"));
});

describe("evaluate", () => {
  const program = compile(
    "version: 1\ndefault: deny\nhosts:\n  allow: ['.good.test', 'a.evil.test', '192.0.2.0/24']\n  deny: ['.evil.test', '192.0.2.9']\nopaque: ['db.good.test:5432']\n",
  );
  const ask = (host: string, port = 443, literal = false) => evaluate(program, { host, port, literal });

  test("deny beats a more exact allow", () => {
    expect(ask("a.evil.test")).toEqual({ allowed: false, rule: "hosts.deny[0] .evil.test" });
    expect(ask("192.0.2.9", 80, true)).toEqual({ allowed: false, rule: "hosts.deny[1] 192.0.2.9" });
  });

  test("names the rule that lets through", () => {
    expect(ask("x.good.test")).toEqual({ allowed: true, rule: "hosts.allow[0] .good.test" });
    expect(ask("192.0.2.8", 80, true)).toEqual({ allowed: true, rule: "hosts.allow[2] 192.0.2.0/24" });
  });

  test("falls to the default", () => {
    expect(ask("other.test")).toEqual({ allowed: false, rule: "default" });
    expect(evaluate(compile(GOOD), { host: "other.test", port: 1, literal: false })).toEqual({
      allowed: true,
      rule: "default",
    });
  });

  test("files add up and rules name theirs", () => {
    const two = compilePolicy([
      { name: "a.yaml", text: GOOD },
      { name: "b.yaml", text: "version: 1\nhosts: { deny: [x.test] }\n" },
    ]);
    expect(evaluate(two, { host: "x.test", port: 1, literal: false })).toEqual({
      allowed: false,
      rule: "b.yaml: hosts.deny[0] x.test",
    });
  });

  test("the version follows the content", () => {
    expect(program.version).toMatch(/^sha256-[0-9a-f]{16}$/);
    expect(compile(GOOD).version).toBe(compile(GOOD).version);
    expect(compile(GOOD).version).not.toBe(compile(`${GOOD}# c\n`).version);
  });
});
