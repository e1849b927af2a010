import { describe, expect, test } from "bun:test";
import { kindOf, mayCallTools } from "../../src/engine/body-kind.ts";

const encode = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

function asked(bytes: Uint8Array): boolean {
  const steps = mayCallTools(bytes);
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
