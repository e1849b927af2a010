import { describe, expect, test } from "bun:test";
import { HostSet, parseHostPattern } from "../../src/policy/host-set.ts";
import { spentMs } from "../_spent.ts";

function set(...patterns: string[]): HostSet {
  const made = new HostSet();
  for (const text of patterns) {
    const pattern = parseHostPattern(text);
    if (typeof pattern === "string") throw new Error(`${text}: ${pattern}`);
    made.add(pattern, text);
  }
  return made;
}

describe("parseHostPattern refuses what has no single reading", () => {
  for (const text of [
    "",
    "a..b",
    "a b",
    "foo*.com",
    "*.*.com",
    "1.2.3",
    "0x7f.1",
    "10.0.0.0/33",
    "a.com:0",
    "a.com:65536",
    "a.com:x",
    ".1.2.3.4",
    "[a.com]",
    "[::1",
    "a/b",
  ]) {
    test(JSON.stringify(text), () => expect(parseHostPattern(text)).toBeString());
  }
});

describe("parseHostPattern tells a URL from a network that is none", () => {
  const url = "is a URL: give the host alone, paths belong into a rule's paths";
  for (const text of [
    "https://api.openai.com/v1",
    "api.openai.com/v1",
    "a.test:443/v1",
    "http://10.0.0.1/",
    "a/b",
    "*.a.test/",
  ]) {
    test(text, () => expect(parseHostPattern(text)).toBe(url));
  }
  for (const text of ["10.0.0.0/33", "10.0/8", "fe80::1/129", "/v1"]) {
    test(text, () => expect(parseHostPattern(text)).toBe("not a network such as 10.0.0.0/8"));
  }
  for (const text of ["10.0.0.0/8", "fe80::/10", "[2001:db8::/32]:443"]) {
    test(`${text} is one`, () =>
      expect(parseHostPattern(text)).toEqual(
        set(text).size === 1 ? expect.objectContaining({ kind: "network" }) : null,
      ));
  }
});

describe("HostSet.match", () => {
  const cases: [pattern: string, host: string, port: number, hit: boolean][] = [
    ["evil.test", "evil.test", 80, true],
    ["evil.test", "a.evil.test", 80, false],
    [".evil.test", "evil.test", 80, true],
    [".evil.test", "b.a.evil.test", 80, true],
    [".evil.test", "notevil.test", 80, false],
    ["*.evil.test", "evil.test", 80, false],
    ["*.evil.test", "a.evil.test", 80, true],
    ["EVIL.test.", "evil.test", 80, true],
    ["bücher.test", "xn--bcher-kva.test", 80, true],
    ["evil.test:443", "evil.test", 443, true],
    ["evil.test:443", "evil.test", 80, false],
    ["*", "anything.test", 1, true],
    ["*:25", "anything.test", 25, true],
    ["*:25", "anything.test", 26, false],
    ["test", "a.test", 80, false],
    [".test", "a.test", 80, true],
  ];
  for (const [pattern, host, port, hit] of cases) {
    test(`${pattern} ${hit ? "covers" : "leaves"} ${host}:${port}`, () => {
      expect(set(pattern).match(host, port, false)).toBe(hit ? pattern : null);
    });
  }

  const addresses: [pattern: string, address: string, hit: boolean][] = [
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
    ["192.0.2.0/29", "192.0.2.7", true],
    ["192.0.2.0/29", "192.0.2.8", false],
    ["192.0.2.9/29", "192.0.2.15", true],
    ["[2001:db8::1]:443", "2001:db8::1", true],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["::ffff:192.0.2.7", "192.0.2.7", true],
    ["0.0.0.0/0", "8.8.8.8", true],
    ["0.0.0.0/0", "2001:db8::1", false],
  ];
  for (const [pattern, address, hit] of addresses) {
    test(`${pattern} ${hit ? "covers" : "leaves"} ${address}`, () => {
      expect(set(pattern).match(address, 443, true)).toBe(hit ? pattern : null);
    });
  }

  test("a name is never matched as an address, nor an address by its labels", () => {
    expect(set("192.0.2.7").match("192.0.2.7.test", 80, false)).toBeNull();
    expect(set(".test", "test").match("192.0.2.7", 80, true)).toBeNull();
  });

  test("costs lookups per label, not per pattern", () => {
    const many = new HostSet();
    for (let i = 0; i < 100_000; i++) many.add({ kind: "tree", name: `h${i}.test`, port: 0 }, "r");
    const started = spentMs();
    for (let i = 0; i < 10_000; i++) many.match("a.b.c.example.test", 443, false);
    // A scan of the patterns would take minutes.
    expect(spentMs() - started).toBeLessThan(1000);
  });
});
