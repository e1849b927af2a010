import { describe, expect, test } from "bun:test";
import { decodeText, sourceMap } from "../../src/content/coding.ts";
import { JsonTape } from "../../src/content/json.ts";
import {
  element,
  kindOf,
  materialise,
  member,
  numberAt,
  pathOf,
  stringAt,
  TOO_BIG,
  textOf,
} from "../../src/content/json-look.ts";
import { findAll, parsePath } from "../../src/content/json-path.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const read = (text: string) => new JsonTape().read(encoder.encode(text));

describe("parsePath refuses", () => {
  for (const path of ["a..b", "a.", "[", "[x]", "a[1", "a b", "a]", "$x.[", `a${".a".repeat(64)}`, '["a']) {
    test(path.slice(0, 20), () => expect(parsePath(path)).toBeNull());
  }
});

describe("findAll", () => {
  const tape = read('{"a":{"b":[10,{"c":"x"}]},"odd name":{"*":1},"m":[{"t":"1"},{"t":"2"},{"u":3}],"\\u0065":5}');
  const CASES: [string, string[]][] = [
    ["$", [textOf(tape, 0)]],
    ["$.a.b[0]", ["10"]],
    ["a.b[1].c", ["x"]],
    ["a.b[-1].c", ["x"]],
    ["a.b[2]", []],
    ["a.b[-3]", []],
    ['$["odd name"]["*"]', ["1"]],
    ["['odd name'].*", ["1"]],
    ["m[*].t", ["1", "2"]],
    ["e", ["5"]],
    ["a.b.c", []],
    ["a[0]", []],
  ];
  for (const [path, found] of CASES) {
    test(path, () => {
      expect(findAll(tape, parsePath(path) ?? [])?.map(({ node }) => textOf(tape, node))).toEqual(found);
    });
  }
  test("no more than asked for", () => expect(findAll(tape, parsePath("m[*].t") ?? [], 1)).toBeNull());
  test("both values of a key given twice, and nothing in a text that could not be read", () => {
    expect(findAll(read('{"a":1,"a":2}'), ["a"])?.length).toBe(2);
    expect(findAll(read('{"a":1'), ["a"])).toEqual([]);
  });
  test("what is alike to those who fold keys", () => {
    const keys =
      '{"Task":1,"ta\\u0053k":2,"tas\u212a":3,"ta\u017fk":4,"task":5,"tasks":6,"tas":7,"tas\u212a\u212a":8,"masK":9,"ta\u017fk":10}';
    const alike = read(keys);
    expect(findAll(alike, ["task"])?.map(({ node, exact }) => [textOf(alike, node), exact])).toEqual([
      ["1", false],
      ["2", false],
      ["3", false],
      ["4", false],
      ["5", true],
      ["10", false],
    ]);
  });
});

describe("look-ups", () => {
  const tape = read('{"s":"é\\n","n":-1.5e2,"l":[1,[2],"x"],"o":{"__proto__":1},"t":true}');
  test("give nothing for the wrong kind", () => {
    expect(member(tape, element(tape, 0, 0), "s")).toBe(-1);
    expect(element(tape, member(tape, 0, "l"), 3)).toBe(-1);
    expect(stringAt(tape, member(tape, 0, "n"))).toBeNull();
    expect(stringAt(tape, member(tape, 0, "s"), 2)).toBeNull();
    expect(numberAt(tape, member(tape, 0, "s"))).toBeNull();
  });
  test("give texts, numbers, kinds and paths", () => {
    expect(stringAt(tape, member(tape, 0, "s"))).toBe("é\n");
    expect(numberAt(tape, member(tape, 0, "n"))).toBe(-150);
    expect(kindOf(tape, member(tape, 0, "t"))).toBe("boolean");
    const deep = findAll(tape, parsePath("l[1][0]") ?? [])?.[0]?.node ?? -1;
    expect(pathOf(tape, deep)).toBe("$.l[1][0]");
    expect(pathOf(tape, 1)).toBe("$.~key");
  });
  test("materialise makes no prototypes and stops at its bound", () => {
    const made = materialise(tape, member(tape, 0, "o"), 10) as Record<string, unknown>;
    expect(Object.getPrototypeOf(made)).toBeNull();
    expect(Object.keys(made)).toEqual(["__proto__"]);
    expect(materialise(tape, 0, 5)).toBe(TOO_BIG);
  });
});

describe("decodeText and sourceMap", () => {
  const CASES: ["plain" | "json" | "form" | "percent", string, string][] = [
    ["plain", "a%20+\\n", "a%20+\\n"],
    ["json", 'x\\n\\u00e9\\ud83d\\ude00\\"y', 'x\né😀"y'],
    ["json", "\\ud83dz", "\ufffdz"],
    ["form", "a+b%20c%2B%zz%4", "a b c+%zz%4"],
    ["percent", "a+b%C3%A9", "a+bé"],
  ];
  for (const [coding, written, plain] of CASES) {
    test(`${coding} ${written}`, () => {
      const bytes = encoder.encode(`<${written}>`);
      const decoded = decodeText(coding, bytes, 1, bytes.length - 1);
      expect(decoder.decode(decoded)).toBe(plain);
      const map = sourceMap(coding, bytes, 1, bytes.length - 1);
      expect(map.range(0, decoded.length)).toEqual({ start: 1, end: bytes.length - 1 });
      for (let i = 0; i < decoded.length; i++) {
        const { start, end } = map.range(i, i + 1);
        // What a byte came from decodes to a text that has the byte.
        expect([...decodeText(coding, bytes, start, end)]).toContain(decoded[i] as number);
      }
    });
  }
  test("an escape that is cut through is covered whole", () => {
    const bytes = encoder.encode("ab\\u00e9cd");
    const map = sourceMap("json", bytes, 0, bytes.length);
    expect(map.range(3, 4)).toEqual({ start: 2, end: 8 });
    expect(map.range(1, 3)).toEqual({ start: 1, end: 8 });
    expect(map.range(4, 99)).toEqual({ start: 8, end: 10 });
  });
});

describe("a byte order mark in a name", () => {
  test("makes it another name, escaped or not", () => {
    for (const mark of ["\\ufeff", "\ufeff"]) {
      const tape = read(`{"${mark}amount":1,"amount":1000000}`);
      expect(tape.plain).toBe(true);
      expect(textOf(tape, 1)).toBe("\ufeffamount");
      expect(numberAt(tape, member(tape, 0, "amount"))).toBe(1_000_000);
      expect(numberAt(tape, member(tape, 0, "\ufeffamount"))).toBe(1);
    }
  });
});
