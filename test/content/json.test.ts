import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JSON_LIMITS, JsonTape, KEY } from "../../src/content/json.ts";
import { materialise } from "../../src/content/json-look.ts";
import { testUnless } from "../_skip.ts";

const encoder = new TextEncoder();
const read = (text: string | Uint8Array, limits = JSON_LIMITS) =>
  new JsonTape().read(typeof text === "string" ? encoder.encode(text) : text, limits);

/** What reading says, in one line, for comparing two readings. */
function said(tape: JsonTape): string {
  const { outcome, at, count, duplicateAt, loneAt, badUtf8At } = tape;
  const nodes = Array.from({ length: count }, (_, i) =>
    [tape.kind[i], tape.start[i], tape.end[i], tape.next[i]].join(),
  );
  return [outcome, at, duplicateAt, loneAt, badUtf8At, outcome === "ok" ? nodes.join(" ") : ""].join(" ");
}

describe("JsonTape refuses", () => {
  const INVALID: [string, number][] = [
    ["", 0],
    [" ", 1],
    ["\ufeff{}", 0],
    ["{", 1],
    ["{}}", 2],
    ["[1,]", 3],
    ['{"a":1,}', 7],
    ["{'a':1}", 1],
    ["{a:1}", 1],
    ['{"a" 1}', 5],
    ['{"a":}', 5],
    ['["a" "b"]', 5],
    ["[1 2]", 3],
    ["[}", 1],
    ["{]", 1],
    ["[01]", 3],
    ["[1.]", 3],
    ["[.5]", 1],
    ["[+1]", 1],
    ["[1e]", 3],
    ["[-]", 2],
    ["[NaN]", 1],
    ["[tru]", 4],
    ['["\\x"]', 2],
    ['["\\u12g4"]', 2],
    ['["a\nb"]', 3],
    ['["', 2],
    ['["\\', 2],
    ["[1]//", 3],
    ["nul", 3],
  ];
  for (const [text, at] of INVALID) {
    test(`${JSON.stringify(text)} at byte ${at}`, () => {
      const tape = read(text);
      expect([tape.outcome, tape.at]).toEqual(["invalid", at]);
    });
  }

  test("more than its bounds, each by its name", () => {
    expect(read(`${"[".repeat(128)}${"]".repeat(128)}`).outcome).toBe("ok");
    expect(read("[".repeat(129)).outcome).toBe("too_deep");
    expect(read("[[1]]", { ...JSON_LIMITS, depth: 1 }).outcome).toBe("too_deep");
    expect(read("[1,2,3]", { ...JSON_LIMITS, nodes: 3 }).outcome).toBe("too_many");
    expect(read("[1,2,3]", { ...JSON_LIMITS, bytes: 6 }).outcome).toBe("too_long");
    expect(read(`[${"1".repeat(4097)}]`).outcome).toBe("too_long");
    expect(read(`{${Array.from({ length: 65_537 }, (_, i) => `"k${i}":0`).join()}}`).outcome).toBe("too_many");
    expect(read(`{"${"k".repeat(65 * 1024)}":1}`).outcome).toBe("too_long");
  });

  test("a million brackets as quickly as it sees that there are too many", () => {
    expect(read("[".repeat(1_000_000)).at).toBe(128);
  });
});

describe("JsonTape tells", () => {
  test("a key given twice, escapes undone, in the same object only", () => {
    expect(read('{"a":1,"b":{"a":1}}').duplicateAt).toBe(-1);
    expect(read('[{"a":1},{"a":1}]').duplicateAt).toBe(-1);
    expect(read('{"a":1,"b":2,"a":3}').duplicateAt).toBe(14);
    expect(read('{"a":1,"\\u0061":3}').duplicateAt).toBe(8);
    expect(read('{"x":{"é":1,"\\u00e9":3}}').duplicateAt).toBeGreaterThan(0);
    expect(read('{"":1,"":2}').plain).toBe(false);
    expect(read('{"a":{"b":1},"c":{"b":1},"a":1}').duplicateAt).toBe(26);
  });

  test("the duplicate among sixty thousand keys, and none where there is none", () => {
    const keys = Array.from({ length: 60_000 }, (_, i) => `"k${i}":0`);
    expect(read(`{${keys.join()}}`).plain).toBe(true);
    expect(read(`{${keys.join()},"k54321":1}`).duplicateAt).toBeGreaterThan(0);
  });

  test("half a surrogate pair, but no whole one", () => {
    expect(read('["\\ud83d\\ude00"]').plain).toBe(true);
    expect(read('["a\\ud83d"]').loneAt).toBe(3);
    expect(read('["\\ude00\\ud83d"]').loneAt).toBe(2);
    expect(read('["\\ud83d\\u0041"]').loneAt).toBe(2);
  });

  test("bytes that are no UTF-8: cut, overlong, surrogates, too high", () => {
    for (const bad of [
      [0xc3],
      [0x80],
      [0xc0, 0xaf],
      [0xe0, 0x80, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xff],
    ]) {
      const tape = read(Uint8Array.of(0x22, ...bad, 0x22));
      expect([tape.outcome, tape.badUtf8At]).toEqual(["ok", 1]);
    }
    expect(read('"é€😀 中文 \u07ff\uffff"').plain).toBe(true);
  });
});

describe("JsonTape reads", () => {
  test("byte ranges inside the quotes, parents and ends of containers", () => {
    const text = ' {"a": [1, "x\\n"], "b": {}} ';
    const tape = read(text);
    const shown = Array.from({ length: tape.count }, (_, i) => text.slice(tape.start[i], tape.end[i]));
    expect(shown).toEqual(['{"a": [1, "x\\n"], "b": {}}', "a", '[1, "x\\n"]', "1", "x\\n", "b", "{}"]);
    expect([...tape.parent.subarray(0, 7)]).toEqual([-1, 0, 0, 2, 2, 0, 0]);
    expect([...tape.next.subarray(0, 7)]).toEqual([7, 2, 5, 4, 5, 6, 7]);
    expect(tape.kind[1]).toBe(KEY);
    expect(tape.escaped[4]).toBe(1);
  });

  test("the same in any slices, for good and bad texts", () => {
    const texts = [
      '{"a":[1.5e3,true,null,"x\\u0041\\\\"],"é":"中文😀","a":{}}',
      '[{"k":"v"},',
      '{"a":tru}',
      '["\\ud83d\\ude00"]',
    ];
    for (const text of texts) {
      const bytes = encoder.encode(text);
      const whole = said(read(bytes));
      for (let slice = 1; slice <= bytes.length; slice++) {
        const tape = new JsonTape();
        tape.begin(bytes);
        while (!tape.step(slice));
        expect(said(tape)).toBe(whole);
      }
    }
  });

  test("one tape again and again, after failures too", () => {
    const tape = new JsonTape();
    for (const text of ['{"a":{"b":1', '{"a":1,"a":', '{"a":1,"b":2}', "[", '{"a":1}']) tape.read(encoder.encode(text));
    expect(tape.plain).toBe(true);
    expect(tape.count).toBe(3);
  });

  test("no slice of ten megabytes takes long: the steps are as many as their sizes say", () => {
    const bytes = encoder.encode(`["${"x".repeat(10_000_000)}"]`);
    const tape = new JsonTape();
    tape.begin(bytes);
    let steps = 1;
    while (!tape.step(32 * 1024)) steps += 1;
    expect(tape.outcome).toBe("ok");
    expect(steps).toBeGreaterThan(300);
  });

  test("what JSON.parse reads, over random values however they are written", () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    const LETTERS = ["a", "é", "中", "😀", '"', "\\", "\n", "\u0001", "/", "\u2028", " "];
    const word = () => Array.from({ length: random(6) }, () => LETTERS[random(LETTERS.length)]).join("");
    const value = (depth: number): unknown => {
      const pick = random(depth > 4 ? 5 : 7);
      if (pick === 0) return null;
      if (pick === 1) return random(2) === 1;
      if (pick === 2) return random(1000) - 500;
      if (pick === 3) return (random(1000) - 500) / 2 ** random(70);
      if (pick === 4) return word();
      if (pick === 5) return Array.from({ length: random(5) }, () => value(depth + 1));
      return Object.fromEntries(Array.from({ length: random(5) }, () => [word(), value(depth + 1)]));
    };
    for (let i = 0; i < 2000; i++) {
      const text = JSON.stringify(value(0), null, random(3));
      const tape = read(text);
      expect(tape.outcome).toBe("ok");
      expect(JSON.stringify(materialise(tape, 0, 1e6))).toBe(JSON.stringify(JSON.parse(text)));
      const broken =
        text.slice(0, random(text.length + 1)) + LETTERS[random(LETTERS.length)] + text.slice(random(text.length + 1));
      let fine = true;
      try {
        JSON.parse(broken);
      } catch {
        fine = false;
      }
      expect(`${broken} ${read(broken).outcome}`).toBe(`${broken} ${fine ? "ok" : "invalid"}`);
    }
  });
});

const SUITE = "/work/shared/corpora/jsontestsuite.tar.gz";
testUnless(existsSync(SUITE) ? null : `no ${SUITE}`, "JSONTestSuite: y_ are read, n_ are refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "jsontestsuite-"));
  Bun.spawnSync(["tar", "xzf", SUITE, "-C", folder]);
  const files = readdirSync(join(folder, "jsontestsuite"));
  expect(files.length).toBeGreaterThan(300);
  for (const file of files) {
    const { outcome } = read(new Uint8Array(readFileSync(join(folder, "jsontestsuite", file))));
    if (file.startsWith("y_")) expect(`${file} ${outcome}`).toBe(`${file} ok`);
    if (file.startsWith("n_")) expect(`${file} ${outcome}`).not.toBe(`${file} ok`);
  }
  rmSync(folder, { recursive: true });
});
