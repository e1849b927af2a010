import { describe, expect, test } from "bun:test";
import { type Body, readBody } from "../../src/content/body.ts";
import { decodeText } from "../../src/content/coding.ts";
import { factsOf } from "../../src/content/facts.ts";
import { JsonTape } from "../../src/content/json.ts";
import { parsePath } from "../../src/content/json-path.ts";
import { questionOf } from "./_question.ts";

const decoder = new TextDecoder();

function bodyOf(text: unknown, type: string | null, headers: readonly (readonly [string, string])[] = []): Body {
  const steps = readBody(questionOf(text, { type, headers }), new JsonTape());
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

function leaves(body: Body): string[] {
  const found: string[] = [];
  body.eachLeaf((start, end, coding, leaf) => {
    found.push(`${body.nameOf(leaf)}=${decoder.decode(decodeText(coding, body.bytes, start, end))}`);
  });
  return found;
}

const shown = ({ kind, trouble }: Body) => (trouble === null ? kind : `${kind} ${trouble.reason}`);

describe("readBody knows a kind by what it says and by its looks", () => {
  const CASES: [string, string | null, string][] = [
    ["", "application/json", "empty"],
    ['{"a":1}', "application/json; charset=utf-8", "json"],
    ['{"a":1}', "text/plain", "json"],
    ['\r\n {"a":1}', null, "json"],
    ['{"a":1}', "application/x-www-form-urlencoded", "json"],
    ['{"a":1}', "application/vnd.api+json", "json"],
    ['{"a":1}\n{"b":2}\n', "application/x-ndjson", "ndjson ambiguous"],
    ['{"a":1}\n{"b":2}', "application/json", "ndjson ambiguous"],
    ["{not json}", "text/plain", "json invalid"],
    ['{"a":1}x', "text/plain", "json invalid"],
    ['{"a":NaN}', null, "json invalid"],
    ['\ufeff{"a":1}', "text/plain", "json ambiguous"],
    ['\ufeff{"a":1}', "application/x-www-form-urlencoded", "json ambiguous"],
    ['{\0"\0a\0"\0:\x001\0}\0', "text/plain", "json ambiguous"],
    ['\0{\0"\0a\0"\0:\x001\0}', "text/plain", "json ambiguous"],
    ['/**/{"a":1}', "text/plain", "json ambiguous"],
    [`${" ".repeat(2000)}{"a":1}`, "text/plain", "json"],
    [`${" ".repeat(70_000)}{"a":1}`, "text/plain", "json ambiguous"],
    ["\ufeffhello", "text/plain", "text"],
    ["/etc", "text/plain", "text"],
    ["{not json}", "application/json", "json invalid"],
    ['{"a":1', "application/json", "json invalid"],
    ['{"a":1}', "application/json; charset=utf-16", "json ambiguous"],
    ['{"a":1,"a":2}', "text/plain", "json ambiguous"],
    ['{"a":1}\n{"b":2,"b":3}', null, "ndjson ambiguous"],
    ["[".repeat(200), "text/plain", "json too_deep"],
    ["a=1&b=2", "application/x-www-form-urlencoded", "form"],
    ["hello", null, "text"],
    ["a\0b", "application/octet-stream", "binary"],
    ["hello", "text/plain; charset=utf-8; charset=utf-16", "binary ambiguous"],
    ["hello", "te xt/plain", "binary ambiguous"],
  ];
  for (const [text, type, found] of CASES) {
    test(`${JSON.stringify(text.slice(0, 20))} as ${type}: ${found}`, () =>
      expect(shown(bodyOf(text, type))).toBe(found));
  }
  test("two types that differ have no reading, two that agree have", () => {
    expect(shown(bodyOf("{}", "text/plain", [["content-type", "application/json"]]))).toBe("binary ambiguous");
    expect(shown(bodyOf("{}", "text/plain", [["content-type", "text/plain"]]))).toBe("json");
  });
});

describe("eachLeaf leaves nothing out", () => {
  test("of JSON: strings and keys, escapes undone", () => {
    expect(leaves(bodyOf('{"a":["x\\ny",1],"b":{"c":"z"}}', null))).toEqual([
      "$.~key=a",
      "$.a[0]=x\ny",
      "$.~key=b",
      "$.b.~key=c",
      "$.b.c=z",
    ]);
  });
  test("of lines of JSON", () => {
    expect(leaves(bodyOf('{"a":"\\u0041"}\n\n{"b":"y"}\n', null))).toEqual([
      "line 1=a",
      "line 1=A",
      "line 2=b",
      "line 2=y",
    ]);
  });
  test("of a form: values, and names that are no words", () => {
    expect(leaves(bodyOf("a=1+2&b%20c=%41&flag&&d==", "application/x-www-form-urlencoded"))).toEqual([
      "a=1 2",
      "b c=b c",
      "b c=A",
      "flag=",
      "d==",
    ]);
  });
  test("of what cannot be read: all of it", () => expect(leaves(bodyOf('{"a', "application/json"))).toEqual(['={"a']));
});

const part = (head: string, text: string) => `--B\r\n${head}\r\n\r\n${text}\r\n`;
const field = (name: string, text: string) => part(`Content-Disposition: form-data; name="${name}"`, text);
const MULTIPART = "multipart/form-data; boundary=B";

describe("multipart has one reading or none", () => {
  const good = `${field("a", "1")}--B--\r\n`;
  const CASES: [string, string, string, string?][] = [
    ["usual", good, "multipart"],
    ["no final line end", good.slice(0, -2), "multipart"],
    ["quoted boundary", good, "multipart", 'multipart/form-data; boundary="B"'],
    ["empty part", `${field("a", "")}--B--`, "multipart"],
    [
      "part of JSON",
      `${part('Content-Disposition: form-data; name="j"\r\nContent-Type: application/json', '{"a":"b"}')}--B--`,
      "multipart",
    ],
    ["no boundary", good, "multipart invalid", "multipart/form-data"],
    ["no end", field("a", "1"), "multipart invalid"],
    ["another boundary", good, "multipart invalid", "multipart/form-data; boundary=C"],
    ["boundary twice", good, "binary ambiguous", "multipart/form-data; boundary=B; boundary=C"],
    ["text before", `x\r\n${good}`, "multipart ambiguous"],
    ["text after", `${good}x`, "multipart ambiguous"],
    ["bare line feeds", good.replaceAll("\r\n", "\n"), "multipart ambiguous"],
    ["one bare line feed before a boundary", `${field("a", "1\n--B\r\nx")}--B--`, "multipart ambiguous"],
    ["padding", good.replace("--B\r\n", "--B \r\n"), "multipart ambiguous"],
    ["a longer boundary", `${field("a", "1\r\n--BC")}--B--`, "multipart ambiguous"],
    ["two names", `${part('Content-Disposition: form-data; name="a"; name="b"', "1")}--B--`, "multipart ambiguous"],
    [
      "two dispositions",
      `${part('Content-Disposition: form-data; name="a"\r\ncontent-disposition: form-data; name="b"', "1")}--B--`,
      "multipart ambiguous",
    ],
    [
      "filename*",
      `${part("Content-Disposition: form-data; name=a; filename*=utf-8''x", "1")}--B--`,
      "multipart ambiguous",
    ],
    ["folded head", `${part('Content-Disposition: form-data;\r\n name="a"', "1")}--B--`, "multipart ambiguous"],
    [
      "base64 part",
      `${part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", "MQ==")}--B--`,
      "multipart ambiguous",
    ],
    ["parts in a part", `${part("Content-Type: multipart/mixed; boundary=C", "--C--")}--B--`, "multipart ambiguous"],
  ];
  for (const [name, text, found, type] of CASES)
    test(name, () => expect(shown(bodyOf(text, type ?? MULTIPART))).toBe(found));

  test("fields and files, where they stand", () => {
    const file = part(
      'Content-Disposition: form-data; name="f"; filename="a \\"b\\".txt"\r\nContent-Type: text/plain',
      "line\r\n--not",
    );
    const body = bodyOf(`${field("a", "1")}${file}--B--\r\n`, MULTIPART);
    expect(body.parts.map(({ name, filename, type }) => [name, filename, type])).toEqual([
      ["a", null, null],
      ["f", 'a "b".txt', "text/plain"],
    ]);
    expect(body.parts.map(({ start, end }) => decoder.decode(body.bytes.subarray(start, end)))).toEqual([
      "1",
      "line\r\n--not",
    ]);
    expect(leaves(body).some((leaf) => leaf.includes("filename"))).toBe(true);
  });
});

describe("Facts.form", () => {
  test("all values of a name, decoded, of either kind of form", () => {
    const plain = factsOf(questionOf("a=1&a=%C3%A9+x&b=2", { type: "application/x-www-form-urlencoded" }));
    expect(plain.form("a")).toEqual({ known: true, value: ["1", "é x"] });
    const parts = factsOf(questionOf(`${field("a", "1")}${field("b", "2")}--B--`, { type: MULTIPART }));
    expect(parts.form("b")).toEqual({ known: true, value: ["2"] });
    expect(parts.form("c")).toEqual({ known: true, value: [] });
  });
  test("nothing known of a form with two readings", () => {
    expect(factsOf(questionOf("x", { type: MULTIPART })).form("a")).toMatchObject({ known: false, reason: "invalid" });
  });
});

describe("Facts.json", () => {
  test("values with their places", () => {
    const found = factsOf(questionOf('{"a":{"b":"x\\ny","n":[1,2]}}')).json(["a", "b"]);
    expect(found.known && found.value[0]).toMatchObject({ kind: "string", text: "x\ny", start: 11, end: 15 });
    const object = factsOf(questionOf({ a: { b: [1, null, true] } })).json(["a"]);
    expect(object.known && JSON.stringify(object.value[0]?.value())).toBe('{"b":[1,null,true]}');
  });
  test("unknown, with the reason, when there are two readings or none", () => {
    expect(factsOf(questionOf('{"a":1,"\\u0061":2}')).json(["a"])).toMatchObject({ known: false, reason: "ambiguous" });
    expect(factsOf(questionOf('{"a":')).json(["a"])).toMatchObject({ known: false, reason: "invalid" });
    expect(factsOf(questionOf("hello", { type: null })).json(["a"])).toEqual({ known: true, value: [] });
  });
  test("a path that leads to more than can be answered is not cut short in silence", () => {
    const facts = factsOf(questionOf({ a: new Array(10_001).fill(1) }));
    expect(facts.json(["a"]).known).toBe(true);
    const every = parsePath("a[*]") ?? [];
    expect(facts.json(every)).toMatchObject({ known: false, reason: "too_many" });
    const far = factsOf(questionOf({ a: new Array(300_000).fill(1) })).json(parsePath("a[*].b") ?? []);
    expect(far).toMatchObject({ known: false, reason: "too_many" });
  });
  test("a large body is read in many steps, and the answers are those of one", () => {
    const question = questionOf({ a: "x".repeat(1_000_000), b: 7 });
    const facts = factsOf(question);
    expect([...facts.prepare()].length).toBeGreaterThan(20);
    const found = facts.json(["b"]);
    expect(found.known && found.value[0]?.text).toBe("7");
    expect([...facts.prepare()].length).toBe(0);
  });
  test("a released tape serves the next question", () => {
    for (let i = 0; i < 100; i++) {
      const facts = factsOf(questionOf({ i }));
      const found = facts.json(["i"]);
      expect(found.known && found.value[0]?.text).toBe(String(i));
      facts.release();
    }
  });
});
