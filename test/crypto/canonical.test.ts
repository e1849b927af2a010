import { expect, test } from "bun:test";
import { canonicalize, membersSorted } from "../../src/crypto/canonical.ts";

test("canonicalize refuses what RFC 8785 cannot say", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "\ud800", { "\udc00": 1 }, [undefined], () => 1, 1n]) {
    expect(() => canonicalize(value)).toThrow(TypeError);
  }
});

test("canonicalize refuses nesting without end instead of overflowing the stack", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(() => canonicalize(deep)).toThrow(TypeError);
});

test("canonicalize orders members by UTF-16 code unit, not by code point", () => {
  // U+FB33 is above the surrogates as a code unit and below U+1F600 as a code point.
  expect(canonicalize({ "\ufb33": 1, "\u{1f600}": 2, "10": 3, "9": 4, é: 5, a: 6 })).toBe(
    '{"10":3,"9":4,"a":6,"é":5,"\u{1f600}":2,"\ufb33":1}',
  );
});

test("canonicalize writes numbers the ECMAScript way", () => {
  expect(canonicalize([1e21, 1e-7, -0, 100.0, 0.1 + 0.2, 123456789012345680000])).toBe(
    "[1e+21,1e-7,0,100,0.30000000000000004,123456789012345680000]",
  );
});

test("canonicalize escapes only what must be and keeps the rest as it is", () => {
  expect(canonicalize('\u0000\b\t\n\f\r"\\/\u007f\u2028é')).toBe('"\\u0000\\b\\t\\n\\f\\r\\"\\\\/\u007f\u2028é"');
});

test("canonicalize leaves out undefined members and ignores the order they were given in", () => {
  expect(canonicalize({ b: [{ z: null, y: false }], a: undefined })).toBe('{"b":[{"y":false,"z":null}]}');
});

test("membersSorted sees disorder at any depth and JavaScript's own order of integer keys", () => {
  expect(membersSorted({ a: [{ b: 1, c: { d: 1, e: 2 } }] })).toBe(true);
  expect(membersSorted({ a: [{ b: 1, c: { e: 1, d: 2 } }] })).toBe(false);
  expect(membersSorted({ "9": 1, "10": 2 })).toBe(false);
});
