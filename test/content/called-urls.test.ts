import { describe, expect, test } from "bun:test";
import { calledInternalUrls } from "../../src/content/called-urls.ts";
import { factsOf } from "../../src/content/facts.ts";
import { questionOf } from "./_question.ts";

function findings(body: unknown): string[] {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const facts = factsOf(questionOf(text, { path: "/v1/chat/completions" }));
  const fact = facts.llm();
  const { tape, bytes } = facts.body();
  if (!fact.known || fact.value === null || tape === null) throw new Error("no call");
  return calledInternalUrls(tape, fact.value).map(
    ({ name, view, start, end }) => `${name} ${view} ${new TextDecoder().decode(bytes.subarray(start, end))}`,
  );
}

const mcp = (args: unknown) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "fetch", arguments: args },
});
const openai = (args: string) => ({
  model: "m",
  messages: [
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: args } }],
    },
  ],
});

describe("calledInternalUrls", () => {
  test("one of metadata is told behind any number of others", () => {
    const many = Array.from({ length: 80 }, (_, n) => `http://10.0.0.${n}/`);
    const meta = "http://169.254.169.254/latest/";
    const [inOne] = [findings(mcp({ a: `${many.join(" ")} ${meta}` }))];
    expect(inOne.filter((each) => each.includes("169.254.169.254"))).toHaveLength(1);
    expect(inOne.length).toBeLessThanOrEqual(65);
    const apart = findings(mcp({ a: [...many, meta, ...many] }));
    expect(apart.at(-1)).toContain("169.254.169.254");
    expect(apart.length).toBeLessThanOrEqual(65);
    const inside = openai(
      `{"a":"http://10.0.0.1/","b":"http:\\u002f\\u002f10.0.0.2/","c":"http:\\u002f\\u002f169.254.169.254/"}`,
    );
    expect(findings(inside).join("\n")).toContain("metadata");
  });

  test("in MCP's arguments, however deep, and as a key", () => {
    expect(findings(mcp({ a: [{ b: "é http://10.0.0.1/x" }] }))).toEqual([
      "internal-url-private plain http://10.0.0.1",
    ]);
    expect(findings(mcp({ "http://127.1/": 1 }))).toEqual(["internal-url-loopback plain http://127.1"]);
  });
  test("in arguments that are JSON in a string, covered whole with their escapes", () => {
    expect(findings(openai('{"url":"http://169.254.169.254/"}'))).toEqual([
      "internal-url-metadata plain http://169.254.169.254",
    ]);
    expect(findings(openai('{"url":"http:\\/\\/10.0.0.1/"}'))).toEqual([
      "internal-url-private plain http:\\\\/\\\\/10.0.0.1",
    ]);
  });
  test("behind escapes of the body, and behind escapes inside those", () => {
    const inner = '{"url":"\\u0068ttp://10.0.0.1/"}';
    expect(findings(JSON.stringify(openai("{}")).replace('"{}"', JSON.stringify(inner)))[0]).toStartWith(
      "internal-url-private",
    );
    const coded = JSON.stringify(mcp({ u: "X" })).replace('"X"', '"\\u0068ttp://1\\u0030.0.0.1/"');
    expect(findings(coded)).toEqual(["internal-url-private plain \\u0068ttp://1\\u0030.0.0.1"]);
  });
  test("public addresses, and what is said but not called, are let be", () => {
    expect(findings(mcp({ url: "https://example.com/" }))).toEqual([]);
    expect(
      findings({ model: "m", messages: [{ role: "user", content: "why is http://localhost:3000 slow?" }] }),
    ).toEqual([]);
  });
});
