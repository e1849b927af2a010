import { expect, test } from "bun:test";
import { formatAuthority, normalizeHost, parseAuthority } from "../../src/wire/authority.ts";

const REFUSED_HOSTS = [
  ...[
    "",
    ".",
    "..",
    "a..b",
    ".a",
    "a..",
    "a b",
    "a\tb",
    "a\0b",
    "a/b",
    "a\\b",
    "a@b",
    "a%2eb",
    "a%b",
    "a#b",
    "a?b",
    "a,b",
  ],
  ...[
    "0",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7F000001",
    "127.0.0.1.",
    "1.2.3",
  ],
  ...["1.2.3.4.5", "256.0.0.1", "a.0x", "a.0x1f", "a.7", "a.08", "127.0.0.01", "１２７.0.0.1", "①②⑦.0.0.1", "127。1"],
  ...["[127.0.0.1]", "[]", "[::1", "::1]", "[::1]]", "[[::1]]", "[::1%25lo]", "fe80::1%lo", "[::1].", "[a]", "1:2"],
  ...[
    "xn--a",
    "xn--",
    "xn--BCHER-KVA-.test",
    "a．．b",
    "a／b.test",
    "a＠b.test",
    "bü cher.test",
    "bü%20.test",
    "\u00ad",
  ],
  ...["a".repeat(64), `${"a".repeat(64)}.test`, `${"abcdefg.".repeat(32)}test`],
];

for (const text of REFUSED_HOSTS) {
  test(`normalizeHost refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    expect(normalizeHost(text)).toBeNull();
  });
}

const HOSTS: readonly (readonly [string, string, boolean])[] = [
  ["API.Example.COM", "api.example.com", false],
  ["example.com.", "example.com", false],
  ["localhost", "localhost", false],
  ["my_service-1", "my_service-1", false],
  ["1e100.test", "1e100.test", false],
  ["a.0xg", "a.0xg", false],
  ["7.a", "7.a", false],
  ["0x7f.a", "0x7f.a", false],
  ["BÜCHER.test", "xn--bcher-kva.test", false],
  ["XN--bcher-KVA.test", "xn--bcher-kva.test", false],
  ["bücher。test", "xn--bcher-kva.test", false],
  ["127.0.0.1", "127.0.0.1", true],
  ["[::1]", "::1", true],
  ["0:0::1", "::1", true],
  ["[2001:DB8:0::A]", "2001:db8::a", true],
  ["[::ffff:127.0.0.1]", "127.0.0.1", true],
  ["a".repeat(63), "a".repeat(63), false],
];

for (const [text, host, literal] of HOSTS) {
  test(`normalizeHost reads ${text.slice(0, 40)} as ${host.slice(0, 40)}`, () => {
    expect(normalizeHost(text)).toEqual({ host, literal });
  });
}

const REFUSED_AUTHORITIES = [
  ...[
    "",
    ":",
    ":80",
    "a:",
    "a:0",
    "a:080",
    "a:65536",
    "a:99999",
    "a:123456",
    "a:+80",
    "a:8 0",
    "a: 80",
    "a:80 ",
    "a:80:80",
  ],
  ...[
    "::1",
    "::1:80",
    "[::1]80",
    "[::1]:",
    "[::1]a:80",
    "a[::1]:80",
    "[::1",
    "[::1]:80:80",
    "[127.0.0.1]:80",
    "u@a:80",
  ],
  ...["u:p@a:80", "a:80/", "a,b", "127.1:80", `${"a.".repeat(160)}:80`],
];

for (const text of REFUSED_AUTHORITIES) {
  test(`parseAuthority refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    expect(parseAuthority(text, 80)).toBeNull();
  });
}

test("parseAuthority takes the port given, else the usual one, else says that there was none", () => {
  expect(parseAuthority("A.test:8080", 80)).toEqual({ host: "a.test", port: 8080, literal: false });
  expect(parseAuthority("a.test.", 443)).toEqual({ host: "a.test", port: 443, literal: false });
  expect(parseAuthority("a.test", 0)).toEqual({ host: "a.test", port: 0, literal: false });
  expect(parseAuthority("[::1]:65535", 80)).toEqual({ host: "::1", port: 65535, literal: true });
  expect(parseAuthority("[::1]", 80)).toEqual({ host: "::1", port: 80, literal: true });
});

test("formatAuthority gives IPv6 its brackets and leaves a null port out", () => {
  expect(formatAuthority("::1", 80)).toBe("[::1]:80");
  expect(formatAuthority("::1", null)).toBe("[::1]");
  expect(formatAuthority("a.test", 443)).toBe("a.test:443");
  expect(formatAuthority("127.0.0.1", null)).toBe("127.0.0.1");
});
