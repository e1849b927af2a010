import { describe, expect, test } from "bun:test";
import { SseReader } from "../../src/wire/sse.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

interface Read {
  readonly events: readonly string[];
  readonly lines: readonly string[];
  readonly overflows: number;
  /** Where each event ended. */
  readonly ends: readonly number[];
}

function read(bytes: Uint8Array, sizes: readonly number[], most = 1000): Read {
  const [events, lines, ends]: [string[], string[], number[]] = [[], [], []];
  let overflows = 0;
  const reader = new SseReader(
    {
      event: (data) => events.push(decoder.decode(data)),
      line: (line) => lines.push(decoder.decode(line)),
      overflow: () => overflows++,
    },
    most,
  );
  let at = 0;
  for (const size of [...sizes, bytes.length]) {
    const piece = bytes.subarray(at, at + size);
    at += piece.length;
    for (let from = 0; from < piece.length; ) {
      from += reader.take(piece.subarray(from));
      if (reader.whole !== (ends.at(-1) ?? 0)) ends.push(reader.whole);
    }
  }
  reader.end();
  return { events, lines, overflows, ends };
}

const CASES: readonly (readonly [name: string, text: string, events: readonly string[], lines?: readonly string[]])[] =
  [
    ["LF", "data: a\n\ndata: b\n\n", ["a", "b"]],
    ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]],
    ["CR", "data: a\r\rdata: b\r\r", ["a", "b"]],
    ["all of them", "data: a\r\n\ndata: b\n\r\ndata: c\r\n\rdata: d\n\r", ["a", "b", "c", "d"]],
    ["several lines of data", "data: a\ndata\ndata:\ndata:  b\n\n", ["a\n\n\n b"]],
    [
      "other fields and comments",
      ": hi\nevent: x\nid: 1\ndata: a\nretry: 5\nwhat\n\n",
      ["a"],
      [": hi", "event: x", "id: 1", "retry: 5", "what"],
    ],
    ["a name that only begins alike", "datax: a\n\n", [""], ["datax: a"]],
    ["a byte order mark", "\ufeffdata: a\n\n", ["a"]],
    ["a mark that is none", "data: a\n\n\ufeffdata: b\n\n", ["a", ""], ["\ufeffdata: b"]],
    ["an end without a blank line", "data: a\n\ndata: b", ["a", "b"]],
    ["nothing", "", []],
  ];

describe("SseReader reads", () => {
  for (const [name, text, events, lines = []] of CASES) {
    test(`${name}, wherever it is cut`, () => {
      const bytes = encoder.encode(text);
      expect(read(bytes, [])).toMatchObject({ events, lines, overflows: 0 });
      for (let at = 0; at <= bytes.length; at++) {
        for (let second = 0; at + second <= bytes.length; second++)
          expect(read(bytes, [at, second])).toMatchObject({ events, lines, overflows: 0 });
      }
      expect(read(bytes, new Array(bytes.length).fill(1))).toMatchObject({ events, lines });
    });
  }
});

test("SseReader tells where events end: with the blank line, and its whole line end", () => {
  const bytes = encoder.encode("data: a\r\n\r\n: x\n\ndata: b\n\n");
  expect(read(bytes, []).ends).toEqual([11, 16, 25]);
});

test("SseReader passes over what is too long, and reads on", () => {
  const long = "x".repeat(50);
  expect(read(encoder.encode(`data: ${long}\n\ndata: a\n\n`), [], 20)).toMatchObject({
    events: ["a"],
    overflows: 1,
  });
  const many = "data: 123456789\n".repeat(5);
  expect(read(encoder.encode(`${many}\ndata: a\n\n`), [3], 20)).toMatchObject({ events: ["a"], overflows: 1 });
});

test("a line in one piece is bounded as one in two, and what is passed over may have been the first", () => {
  const bytes = encoder.encode(`: ${"c".repeat(30)}\n\ufeffdata: x\n\n`);
  const whole = read(bytes, [], 20);
  expect(whole).toEqual(read(bytes, [5], 20));
  expect(whole).toMatchObject({ overflows: 1, events: [], lines: ["\ufeffdata: x"] });
});
