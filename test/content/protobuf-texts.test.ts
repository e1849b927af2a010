import { expect, test } from "bun:test";
import { looksProtobuf, protobufTexts } from "../../src/content/protobuf-texts.ts";
import { field } from "../e2e/_grpc.ts";

function levels(bytes: Uint8Array): string[] {
  const found: string[] = [];
  for (const level of protobufTexts(bytes)) {
    if (level !== null) found.push(level === "bomb" ? level : Buffer.from(level).toString("latin1"));
  }
  return found;
}

const join = (...parts: Uint8Array[]) => Buffer.concat(parts);

test("protobufTexts tells the texts of every level without tags and lengths", () => {
  const inner = join(field(15, "the text inside"), field(2, "and another"));
  const body = join(Buffer.from([0x08, 0x96, 0x01]), field(1, "a text outside"), field(3, inner));
  expect(looksProtobuf(body)).toBe(true);
  const [first = "", second = "", ...more] = levels(body);
  expect(first.startsWith("a text outside\n")).toBe(true);
  expect(second).toContain("the text inside\nand another\n");
  expect(more).toEqual([]);
});

test("a text that happens to be a message is told as both", () => {
  const text = "\n\u0005hello";
  const found = levels(field(1, text));
  expect(found).toEqual([`${text}\n`, "hello\n"]);
});

test("groups, fixed numbers and long varints are read past", () => {
  const body = Buffer.concat([
    Buffer.from([0x0b]),
    field(2, "in a group"),
    Buffer.from([0x0c, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4]),
    Buffer.from([0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  ]);
  expect(levels(body)).toEqual(["in a group\n"]);
});

const NONE: [string, Uint8Array][] = [
  ["nothing", new Uint8Array(0)],
  ["a number alone", Uint8Array.of(0x08, 1)],
  ["field 0", join(Uint8Array.of(0x02, 3), Buffer.from("abc"))],
  ["a length beyond the end", join(Uint8Array.of(0x0a, 9), Buffer.from("abc"))],
  ["an unknown kind", join(field(1, "abc"), Uint8Array.of(0x0f))],
  ["JSON", Buffer.from('{"a":"b"}')],
  ["prose", Buffer.from("The quick brown fox jumps over the lazy dog.")],
];
for (const [name, body] of NONE) {
  test(`${name} is no message with texts`, () => {
    expect([looksProtobuf(body), levels(body)]).toEqual([false, []]);
  });
}

test("what is deeper than anybody goes is no pass", () => {
  let body = field(1, "deep enough");
  for (let depth = 0; depth < 31; depth++) body = field(1, body);
  expect(levels(body).at(-1)).toBe("deep enough\n");
  expect(levels(field(1, field(1, field(1, body)))).at(-1)).toBe("bomb");
});

test("more fields than a body has are no pass, and the loop is handed back", () => {
  const body = Buffer.alloc(2_100_000, 0);
  for (let i = 0; i < body.length; i += 2) body[i] = 0x0a;
  let turns = 0;
  let last: unknown = null;
  for (const level of protobufTexts(body)) {
    if (level === null) turns++;
    last = level;
  }
  expect([last, turns > 100]).toEqual(["bomb", true]);
});

test("looksProtobuf looks no further than a turn goes, and takes what it has not seen for a message", () => {
  const numbers = Buffer.alloc(2_000_000, 0x08);
  expect(looksProtobuf(numbers)).toBe(true);
  expect(levels(Buffer.concat([numbers, field(1, "behind many numbers")]).subarray())).toEqual(["bomb"]);
  const some = Buffer.alloc(20_000, 0x08);
  expect(levels(Buffer.concat([some, field(1, "behind many numbers")]))).toEqual(["behind many numbers\n"]);
  expect(levels(Buffer.concat([some, Buffer.of(0x0f)]))).toEqual([]);
});
