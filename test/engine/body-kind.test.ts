import { describe, expect, test } from "bun:test";
import { factsOf } from "../../src/content/facts.ts";
import { kindOf, mayCallTools, mayHoldCall } from "../../src/engine/body-kind.ts";
import { questionWith } from "../_question.ts";

const encode = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

const asked = (bytes: Uint8Array): boolean => finished(mayCallTools(bytes));
const held = (bytes: Uint8Array): boolean => finished(mayHoldCall(bytes));

function finished(steps: Generator<void, boolean>): boolean {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

describe("mayCallTools", () => {
  test.each(["", "to ol", "function call", "function\u007fcall", "jsonrp", "jSoNrP\u0043".slice(0, 6), "tooth", "too"])(
    "finds no call in %p",
    (text) => expect(asked(encode(text))).toBe(false),
  );

  test.each(["tool", "TOOL_calls", "functionCall", "FUNCTION_CALL", "xjsonrpc", "ttool", "ffunction_call"])(
    "finds one in %p",
    (text) => expect(asked(encode(text))).toBe(true),
  );

  test("wherever it stands, also across two windows", () => {
    for (const word of ["tool", "function_call", "jsonrpc"]) {
      for (let at = 65_520; at < 65_540; at++) expect(asked(encode(`${" ".repeat(at)}${word}`))).toBe(true);
    }
  });

  test("says what the words say as a pattern", () => {
    const pieces = [
      "to",
      "ol",
      "TOOL",
      "function",
      "_",
      "call",
      "CALL",
      "json",
      "rpc",
      "RPC",
      "f",
      "t",
      "j",
      "\u007f",
      "\u00f4",
    ];
    let state = 11;
    for (let i = 0; i < 5_000; i++) {
      let text = "";
      for (let n = 0; n < 5; n++) {
        state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
        text += pieces[(state >> 8) % pieces.length];
      }
      expect(asked(encode(text))).toBe(/tool|function_?call|jsonrpc/i.test(text));
    }
  });
});

describe("kindOf", () => {
  test("does not look at the fields of a body that looks like JSON", () => {
    const body = encode(' {"a":1}');
    const question = {
      body,
      get headers(): never {
        throw new Error("looked at");
      },
    };
    expect(kindOf(question, body)).toBe("json");
  });

  test("goes by the media type for what does not, and only of the body itself", () => {
    const body = encode("a=1");
    const question = { body, headers: [["Content-Type", "application/x-www-form-urlencoded"]] as const };
    expect(kindOf(question, body)).toBe("form");
    expect(kindOf(question, encode("a=1"))).toBe("text");
    expect(kindOf({ body, headers: [] }, body)).toBe("text");
  });
});

describe("mayHoldCall", () => {
  test.each([
    ...[
      "tool_use",
      "toolUse",
      "TOOL_CALLS",
      "toolcalls",
      "server_tool_use",
      "custom_tool_call",
      "mcp_call",
      "MCP_Call",
    ],
    ...["function_call", "functionCall", "jsonrpc", "mcp\\u005fcall", "too\\u006c_use"],
  ])("is true of %p", (word) => {
    for (let before = 0; before < 4; before++) expect(held(encode(`{${" ".repeat(before)}"${word}":{}}`))).toBe(true);
  });

  test.each([...['{"tools":[]}', '{"tool_results":[]}', "tooLarge()", "the right tool", "mcp", "\\n\\\\"]])(
    "is false of %p",
    (text) => expect(held(encode(text))).toBe(false),
  );

  test("wherever it stands, also across two windows", () => {
    for (const word of ["tool_call", "mcp_call", "function_call", "jsonrpc", "\\u0074"]) {
      for (let at = 65_520; at < 65_540; at++) {
        const bytes = new Uint8Array(at + word.length).fill(0x20);
        bytes.set(encode(word), at);
        expect(held(bytes)).toBe(true);
      }
    }
  });

  test("is true of every body out of which a call is read", () => {
    const call = { name: "fetch", arguments: '{"url":"http://169.254.169.254/"}' };
    const said = (content: unknown): unknown => ({
      model: "m",
      messages: [{ role: "assistant", ...(content as object) }],
    });
    const bodies: readonly unknown[] = [
      said({ tool_calls: [{ id: "1", function: call }] }),
      said({ toolCalls: [{ id: "1", function: call }] }),
      said({ function_call: call }),
      said({ content: [{ functionCall: { name: "fetch", args: { url: "http://10.0.0.1" } } }] }),
      said({ content: [{ toolUse: { name: "fetch", input: { url: "http://10.0.0.1" } } }] }),
      ...["tool_use", "server_tool_use", "mcp_call", "function_call", "custom_tool_call"].map((type) =>
        said({ content: [{ type, name: "fetch", input: { url: "http://10.0.0.1" } }] }),
      ),
      { jsonrpc: "2.0", id: 1, method: "tools/call", params: call },
      [{ jsonrpc: "2.0", id: 1, method: "resources/read", params: { uri: "http://10.0.0.1" } }],
    ];
    for (const body of bodies) {
      const headers = [["content-type", "application/json"]] as const;
      const facts = factsOf(
        questionWith({ host: "api.openai.com", path: "/v1/chat/completions", headers, body: JSON.stringify(body) }),
      );
      const llm = facts.llm();
      expect(llm.known && llm.value !== null ? llm.value.toolCalls.length : 0).toBe(1);
      expect(held(encode(JSON.stringify(body)))).toBe(true);
    }
  });
});
