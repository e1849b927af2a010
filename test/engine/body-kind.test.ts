import { describe, expect, test } from "bun:test";
import { mayCallTools } from "../../src/engine/body-kind.ts";

function asks(text: string): boolean {
  const steps = mayCallTools(new TextEncoder().encode(text));
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

describe("mayCallTools", () => {
  test("is told by a word that every dialect's calls have, in any case, wherever it stands", () => {
    for (const word of ["tool", "TOOLS", "tool_calls", "function_call", "functionCall", "FunctionCall", "JsonRpc"]) {
      for (const text of [word, `{"${word}":[]}`, `${"x".repeat(65_530)}${word}`, `${"l".repeat(131_070)}${word}`]) {
        expect([word, text.length, asks(text)]).toEqual([word, text.length, true]);
      }
    }
  });

  test("is not told by parts of one, nor by one that is cut", () => {
    for (const text of ["", "l", "ool", "too l", "call", "function call", "function__call", "unction_call", "jsonrp", "json rpc"]) {
      expect([text, asks(text)]).toEqual([text, false]);
    }
    expect(asks("t\x0f\x0fl tOo\x4d")).toBe(false);
  });
});
