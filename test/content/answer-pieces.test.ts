import { describe, expect, test } from "bun:test";
import { piecesOf, saysEnd } from "../../src/content/answer-pieces.ts";
import { JsonTape } from "../../src/content/json.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Pieces {
  readonly running: ReadonlyMap<number, string>;
  readonly lone: readonly string[];
}

/** What several messages come to, put together. */
function pieces(...messages: unknown[]): Pieces {
  const running = new Map<number, string>();
  const lone: string[] = [];
  for (const message of messages) {
    const tape = new JsonTape().read(encoder.encode(JSON.stringify(message)));
    expect(tape.outcome).toBe("ok");
    piecesOf(tape, {
      running: (key, text) => running.set(key, (running.get(key) ?? "") + decoder.decode(text)),
      lone: (_, text) => lone.push(decoder.decode(text)),
    });
  }
  return { running, lone };
}

const texts = (...messages: unknown[]): string[] => [...pieces(...messages).running.values()].sort();

describe("what goes on one text", () => {
  const chat = (content: string, index = 0) => ({ choices: [{ index, delta: { content } }] });
  test("stands in one place of one choice, wherever the choice stands in its list", () => {
    expect(texts(chat("a"), chat("b"))).toEqual(["ab"]);
    expect(texts(chat("a", 0), chat("b", 1), chat("c", 0))).toEqual(["ac", "b"]);
    const both = { choices: [...chat("x", 0).choices, ...chat("y", 1).choices] };
    expect(texts(both, chat("b", 1))).toEqual(["x", "yb"]);
  });
  test("is of one block of content, and of one sort of delta", () => {
    const delta = (index: number, said: object) => ({ type: "content_block_delta", index, delta: said });
    expect(texts(delta(0, { text: "a" }), delta(1, { text: "b" }), delta(0, { text: "c" }))).toEqual(["ac", "b"]);
    expect(texts(delta(0, { thinking: "a" }), delta(0, { partial_json: "b" }))).toEqual(["a", "b"]);
  });
  test("is of one output, and of one sort of event", () => {
    const event = (type: string, delta: string, output_index = 0) => ({ type, output_index, content_index: 0, delta });
    expect(texts(event("response.output_text.delta", "a"), event("response.output_text.delta", "b"))).toEqual(["ab"]);
    expect(texts(event("x.delta", "a", 0), event("x.delta", "b", 1), event("y.delta", "c", 0))).toEqual([
      "a",
      "b",
      "c",
    ]);
  });
  test("has its escapes undone", () => {
    expect(texts({ text: 'a "b"\n' }, { text: "é\u0000" })).toEqual(['a "b"\né\u0000']);
  });
});

describe("what stands by itself", () => {
  test("identifiers, long keys and long numbers", () => {
    const { running, lone } = pieces({ id: "chatcmpl-0123456789", a_rather_long_key: "x", n: 123456789012, m: 12 });
    expect([...running.values()]).toEqual(["x"]);
    expect(lone).toEqual(["chatcmpl-0123456789", "a_rather_long_key", "123456789012"]);
  });
  test("a name that says it is secret, with its value", () => {
    expect(pieces({ api_token: "0123456789" }).lone).toEqual(['api_token= "0123456789"']);
  });
  test("all of a message of JSON-RPC", () => {
    const { running, lone } = pieces({ jsonrpc: "2.0", id: 1, result: { content: [{ text: "a text of a tool" }] } });
    expect(running.size).toBe(0);
    expect(lone).toContain("a text of a tool");
  });
});

describe("a message says that its texts are complete", () => {
  for (const [said, message] of [
    [true, { type: "message_stop" }],
    [true, { type: "content_block_stop", index: 0 }],
    [true, { type: "response.output_text.done" }],
    [true, { type: "response.completed" }],
    [true, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }],
    [true, { candidates: [{ finishReason: "STOP" }] }],
    [true, { done: true }],
    [false, { done: false }],
    [false, { choices: [{ index: 0, delta: { content: "stop" }, finish_reason: null }] }],
    [false, { type: "content_block_delta" }],
    [false, []],
  ] as const) {
    test(JSON.stringify(message), () => {
      expect(saysEnd(new JsonTape().read(encoder.encode(JSON.stringify(message))))).toBe(said);
    });
  }
});
