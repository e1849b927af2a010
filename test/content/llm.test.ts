import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readRecorded, WIRE_CORPUS, wireRows } from "../../scripts/eval/wire.ts";
import { factsOf } from "../../src/content/facts.ts";
import type { Llm } from "../../src/content/llm.ts";
import type { Field } from "../../src/model/question.ts";
import { testUnless } from "../_skip.ts";
import { questionOf } from "./_question.ts";

const decoder = new TextDecoder();

function llmOf(body: unknown, path: string, headers: readonly Field[] = []): Llm | null {
  const fact = factsOf(questionOf(body, { path, headers })).llm();
  if (!fact.known) throw new Error(fact.reason);
  return fact.value;
}

/** Roles and texts, as one reads them. */
function said(body: unknown, llm: Llm): string[] {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return llm.messages.map(
    ({ role, texts }) =>
      `${role}: ${texts.map(({ start, end }) => decoder.decode(bytes.subarray(start, end))).join("|")}`,
  );
}

const CHAT = { model: "m-1", messages: [{ role: "user", content: "hi" }] };

describe("a call is of the dialect its body and path speak, whatever the host", () => {
  const CASES: [
    path: string,
    body: unknown,
    dialect: string,
    operation: string,
    model: string | null,
    headers?: Field[],
  ][] = [
    ["/v1/chat/completions", CHAT, "openai-chat", "chat", "m-1"],
    ["/proxy/llm", { ...CHAT, temperature: 0 }, "openai-chat", "chat", "m-1"],
    ["/openai/deployments/my-gpt/chat/completions", { messages: CHAT.messages }, "openai-chat", "chat", "my-gpt"],
    ["/openai/deployments/my-gpt/chat/completions", CHAT, "openai-chat", "chat", "my-gpt"],
    ["/v1/engines/gpt-4o/chat/completions", { messages: CHAT.messages }, "openai-chat", "chat", "gpt-4o"],
    ["/v1/models/g-1%3AgenerateContent", { contents: [{ parts: [{ text: "hi" }] }] }, "gemini", "chat", "g-1"],
    ["/v1/responses", { model: "m-1", input: "hi" }, "openai-responses", "chat", "m-1"],
    ["/v1/completions", { model: "m-1", prompt: "hi" }, "openai-completions", "completion", "m-1"],
    ["/completion", { prompt: "hi", n_predict: 5 }, "openai-completions", "completion", null],
    ["/v1/embeddings", { model: "m-1", input: ["a", "b"] }, "openai-embeddings", "embedding", "m-1"],
    ["/v1/moderations", { model: "m-1", input: "a" }, "openai-moderations", "moderation", "m-1"],
    ["/v1/images/generations", { model: "m-1", prompt: "a cat" }, "openai-images", "image", "m-1"],
    ["/v1/audio/speech", { model: "m-1", input: "a", voice: "v" }, "openai-audio", "audio", "m-1"],
    ["/v1/messages", { ...CHAT, max_tokens: 5 }, "anthropic-messages", "chat", "m-1"],
    ["/v1/messages/count_tokens", CHAT, "anthropic-messages", "count", "m-1"],
    ["/relay", CHAT, "anthropic-messages", "chat", "m-1", [["Anthropic-Version", "2023-06-01"]]],
    [
      "/v1/complete",
      { model: "m-1", prompt: "hi", max_tokens_to_sample: 9 },
      "anthropic-complete",
      "completion",
      "m-1",
    ],
    ["/v1beta/models/g-1:generateContent", { contents: [{ parts: [{ text: "hi" }] }] }, "gemini", "chat", "g-1"],
    [
      "/v1/projects/p/locations/l/publishers/google/models/g-1:streamGenerateContent",
      { contents: [{ role: "user", parts: [{ text: "hi" }] }] },
      "vertex",
      "chat",
      "g-1",
    ],
    [
      "/v1/projects/p/locations/l/publishers/anthropic/models/c@2:rawPredict",
      { anthropic_version: "vertex-1", messages: CHAT.messages, max_tokens: 5 },
      "vertex",
      "chat",
      "c@2",
    ],
    [
      "/model/a.b-v1%3A0/converse",
      { messages: [{ role: "user", content: [{ text: "hi" }] }] },
      "bedrock-converse",
      "chat",
      "a.b-v1:0",
    ],
    [
      "/model/titan-v1/invoke",
      { inputText: "hi", textGenerationConfig: {} },
      "bedrock-invoke",
      "completion",
      "titan-v1",
    ],
    ["/model/titan-embed/invoke", { inputText: "hi" }, "bedrock-invoke", "embedding", "titan-embed"],
    [
      "/model/llama/invoke-with-response-stream",
      { prompt: "hi", max_gen_len: 5 },
      "bedrock-invoke",
      "completion",
      "llama",
    ],
    ["/endpoints/e-1/invocations", { inputs: "hi", parameters: {} }, "sagemaker", "completion", "e-1"],
    ["/api/chat", CHAT, "ollama", "chat", "m-1"],
    ["/api/generate", { model: "m-1", prompt: "hi", stream: false }, "ollama", "completion", "m-1"],
    ["/v1/chat", { model: "m-1", message: "hi", chat_history: [] }, "cohere", "chat", "m-1"],
    ["/v2/chat", CHAT, "cohere", "chat", "m-1"],
    ["/v1/rerank", { model: "m-1", query: "q", documents: ["a"] }, "cohere", "rerank", "m-1"],
    ["/v1/embed", { model: "m-1", texts: ["a"], input_type: "search_query" }, "cohere", "embedding", "m-1"],
    ["/models/org/name", { inputs: "hi" }, "huggingface", "completion", "org/name"],
    ["/v1/predictions", { version: "v-1", input: { prompt: "hi" } }, "replicate", "completion", "v-1"],
    ["/v1/models/org/name/predictions", { input: { prompt: "hi" } }, "replicate", "completion", "org/name"],
    ["/ml/v1/text/generation", { model_id: "m-1", input: "hi", project_id: "p" }, "watsonx", "completion", "m-1"],
  ];
  for (const [path, body, dialect, operation, model, headers] of CASES) {
    test(`${dialect} at ${path}`, () => {
      const llm = llmOf(body, path, headers);
      expect([llm?.dialect, llm?.operation, llm?.model]).toEqual([dialect, operation, model] as never);
      expect(llm?.messages.some(({ texts }) => texts.length > 0)).toBe(true);
    });
  }
});

describe("a path that servers read in two ways, or a model that is two, is not known", () => {
  const GEMINI = { contents: [{ parts: [{ text: "hi" }] }] };
  const MESSAGES = { messages: CHAT.messages, temperature: 0 };
  const CASES: [path: string, body: unknown][] = [
    ["/v1/Models/g-1:GenerateContent", GEMINI],
    ["/openai/Deployments/gpt-4o/chat/completions", MESSAGES],
    ["/openai/deployments/cheap/../gpt-4o/chat/completions", MESSAGES],
    ["/openai/deployments/cheap%2f..%2fgpt-4o/chat/completions", MESSAGES],
    ["/v1/deployments/small/../../chat/completions", CHAT],
    ["/v1/deployments/my-gpt/chat/completions", CHAT],
    ["/v1/deployments/my-gpt/chat/completions", { ...CHAT, model: ["my-gpt"] }],
    ["/model/arn%3Aaws%2Fmodel%2Fgpt-4o/invoke", { prompt: "hi", max_gen_len: 5 }],
    ["/engines/gpt-4o/chat/completions", { ...CHAT, model: "cheap" }],
    ["/model/m-2/converse", CHAT],
    ["/v1/chat/completions%00", CHAT],
  ];
  for (const [path, body] of CASES) {
    test(path, () => {
      expect(factsOf(questionOf(body, { path })).llm()).toMatchObject({ known: false, reason: "ambiguous" });
    });
  }
  test.each([
    ["/v1/mod%65ls/g-1:generateContent", GEMINI, "g-1"],
    ["/model/gpt-4o/inv%6fke", { prompt: "hi", max_gen_len: 5 }, "gpt-4o"],
  ])("escapes that all undo: %s", (path, body, model) => expect(llmOf(body, path)?.model).toBe(model));
});

describe("what is no call is none", () => {
  const CASES: [path: string, body: unknown][] = [
    ["/search", { query: "q", max_results: 3 }],
    ["/v1/indexes", { model: "m-1" }],
    ["/items", { messages: [] }],
    ["/chat", { messages: ["a", "b"] }],
    ["/mail", { messages: [{ to: "a", content: "b" }] }],
    ["/rpc", { jsonrpc: "2.0", id: 1, method: "eth_call", params: [] }],
    ["/form", { input: "x", name: "y" }],
    ["/v1/graphql", { query: "{ a }" }],
    ["/x", [1, 2]],
    ["/x", '"hello"'],
    ["/v1/chat/completions", {}],
  ];
  for (const [path, body] of CASES)
    test(`${JSON.stringify(body)} at ${path}`, () => expect(llmOf(body, path)).toBeNull());

  test("and what has two readings is not known", () => {
    const twice = factsOf(
      questionOf('{"model":"a","model":"b","messages":[]}', { path: "/v1/chat/completions" }),
    ).llm();
    expect(twice).toMatchObject({ known: false, reason: "ambiguous" });
    // Readers in Go take either, the last of them.
    const folded = factsOf(questionOf('{"model":"a","Model":"b","messages":[]}', { path: "/api/chat" })).llm();
    expect(folded).toMatchObject({ known: false, reason: "ambiguous" });
    expect(factsOf(questionOf('{"model":"a"', { path: "/api/chat" })).llm()).toMatchObject({
      known: false,
      reason: "invalid",
    });
  });
  test("a name in other letters is the same name", () => {
    expect(llmOf({ Model: "m", Messages: [{ Role: "user", Content: "hi" }] }, "/api/chat")).toMatchObject({
      model: "m",
    });
  });
});

describe("messages, tools and calls", () => {
  test("OpenAI chat: every role, parts, calls and their results", () => {
    const body = {
      model: "m",
      stream: true,
      n: 2,
      max_tokens: 100,
      messages: [
        { role: "system", content: "be good" },
        {
          role: "user",
          content: [
            { type: "text", text: "look" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          ],
        },
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c1", type: "function", function: { name: "rm", arguments: '{"path":"/"}' } }],
        },
        { role: "tool", tool_call_id: "c1", content: "done" },
      ],
      tools: [{ type: "function", function: { name: "rm", parameters: {} } }, { type: "web_search" }],
    };
    const llm = llmOf(body, "/v1/chat/completions") as Llm;
    expect(said(body, llm)).toEqual(["system: be good", "user: look", "tool: done"]);
    expect(llm).toMatchObject({ stream: true, maxTokens: 200, images: 1, tools: ["rm", "web_search"] });
    expect(llm.toolCalls.map(({ name, id }) => [name, id])).toEqual([["rm", "c1"]]);
    expect(llm.toolCalls[0]?.arguments?.escaped).toBe(true);
    expect(llm.messages[2]).toMatchObject({ toolCallId: "c1", toolResult: true });
  });

  test("Anthropic: system apart, tool_use, tool_result, documents", () => {
    const body = {
      model: "m",
      max_tokens: 7,
      system: [{ type: "text", text: "be good", cache_control: { type: "ephemeral" } }],
      messages: [
        {
          role: "user",
          content: [
            { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
            { type: "text", text: "hi" },
          ],
        },
        { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "get", input: { url: "x" } }] },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "page" }] }],
        },
      ],
      tools: [{ name: "get", input_schema: {} }],
    };
    const llm = llmOf(body, "/v1/messages") as Llm;
    expect(said(body, llm)).toEqual(["user: hi", "user: page"]);
    expect(llm.system.length).toBe(1);
    expect(llm.messages[1]).toMatchObject({ toolResult: true, toolCallId: "t1" });
    expect(llm).toMatchObject({ images: 1, maxTokens: 7, tools: ["get"] });
    expect(llm.toolCalls[0]).toMatchObject({ name: "get", id: "t1" });
  });

  test("Gemini, Bedrock Converse and Responses", () => {
    const gemini = {
      systemInstruction: { parts: [{ text: "be good" }] },
      contents: [
        { role: "user", parts: [{ text: "hi" }, { inlineData: { mimeType: "image/png", data: "AAAA" } }] },
        { role: "model", parts: [{ functionCall: { name: "f", args: { a: 1 } } }] },
        { role: "user", parts: [{ functionResponse: { name: "f", response: { out: "page" } } }] },
      ],
      tools: [{ functionDeclarations: [{ name: "f" }, { name: "g" }] }],
      generationConfig: { maxOutputTokens: 9, candidateCount: 2 },
    };
    const one = llmOf(gemini, "/v1beta/models/g:streamGenerateContent") as Llm;
    expect(said(gemini, one)).toEqual(["user: hi", "user: page"]);
    expect(one).toMatchObject({ stream: true, maxTokens: 18, tools: ["f", "g"], images: 1 });
    expect([one.system.length, one.toolCalls[0]?.name, one.messages[1]?.toolResult]).toEqual([1, "f", true]);

    const converse = {
      system: [{ text: "be good" }],
      messages: [
        { role: "user", content: [{ text: "hi" }] },
        { role: "assistant", content: [{ toolUse: { toolUseId: "u1", name: "f", input: {} } }] },
        { role: "user", content: [{ toolResult: { toolUseId: "u1", content: [{ json: { a: "page" } }] } }] },
      ],
      toolConfig: { tools: [{ toolSpec: { name: "f", inputSchema: {} } }] },
      inferenceConfig: { maxTokens: 11 },
    };
    const two = llmOf(converse, "/model/m/converse-stream") as Llm;
    expect(said(converse, two)).toEqual(["user: hi", "user: page"]);
    expect(two).toMatchObject({ stream: true, maxTokens: 11, tools: ["f"] });
    expect(two.messages[1]).toMatchObject({ toolResult: true, toolCallId: "u1" });

    const responses = {
      model: "m",
      instructions: "be good",
      max_output_tokens: 3,
      input: [
        { role: "user", content: [{ type: "input_text", text: "hi" }] },
        { type: "function_call", call_id: "k", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "k", output: "page" },
      ],
      tools: [{ type: "function", name: "f" }],
    };
    const three = llmOf(responses, "/v1/responses") as Llm;
    expect(said(responses, three)).toEqual(["user: hi", "user: page"]);
    expect(three.messages[1]).toMatchObject({ toolResult: true, toolCallId: "k" });
    expect(three.toolCalls[0]).toMatchObject({ name: "f", id: "k" });
    expect([three.system.length, three.maxTokens, three.tools]).toEqual([1, 3, ["f"]]);
  });

  test("a field that another dialect would read is heard too", () => {
    const body = { ...CHAT, prompt: "another", preamble: "sys" };
    const llm = llmOf(body, "/v1/chat/completions") as Llm;
    expect(said(body, llm)).toEqual(["user: hi", "user: another"]);
    expect(llm.system.length).toBe(1);
  });

  test("MCP: the tool that is called and its arguments, also in a batch", () => {
    const call = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "fetch", arguments: { url: "http://x" } },
    };
    const llm = llmOf(call, "/mcp") as Llm;
    expect(llm).toMatchObject({ dialect: "mcp", operation: "tool" });
    expect(llm.toolCalls[0]?.name).toBe("fetch");
    const text = JSON.stringify(call);
    expect(text.slice(llm.toolCalls[0]?.arguments?.start, llm.toolCalls[0]?.arguments?.end)).toBe('{"url":"http://x"}');
    expect(llmOf([call, { jsonrpc: "2.0", id: 2, method: "tools/list" }], "/mcp")?.toolCalls.length).toBe(1);
    expect(llmOf({ jsonrpc: "2.0", id: 1, method: "tools/list" }, "/")).toMatchObject({
      dialect: "mcp",
      operation: "other",
    });
  });

  test("speech in a form", () => {
    const text =
      '--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nw-1\r\n--B\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nx\r\n--B--\r\n';
    const fact = factsOf(
      questionOf(text, { path: "/v1/audio/transcriptions", type: "multipart/form-data; boundary=B" }),
    ).llm();
    expect(fact.known && fact.value).toMatchObject({ dialect: "openai-audio", model: "w-1", files: 1 });
  });

  test("tokens are estimated by the rule that is written", () => {
    const llm = llmOf({ model: "m", messages: [{ role: "user", content: "x".repeat(400) }] }, "/v1/chat/completions");
    expect(llm?.inputTokens).toBe(104);
    const chinese = llmOf(
      { model: "m", messages: [{ role: "user", content: "中".repeat(100) }] },
      "/v1/chat/completions",
    );
    expect(chinese?.inputTokens).toBe(154);
  });

  test("tokens sent as numbers are counted, a million of them too", () => {
    expect(llmOf({ model: "m", input: [[1, 2], [3]] }, "/v1/embeddings")?.inputTokens).toBe(3);
    expect(llmOf({ model: "m", input: new Array(500_000).fill(7) }, "/v1/embeddings")?.inputTokens).toBe(500_000);
  });

  test("a message of more values than can be read at once is not known", () => {
    const content = new Array(70_000).fill("x");
    const fact = factsOf(
      questionOf({ model: "m", messages: [{ role: "user", content }] }, { path: "/v1/chat/completions" }),
    ).llm();
    expect(fact).toMatchObject({ known: false, reason: "too_many" });
  });

  test("a large call is read in many steps, to the same answer", () => {
    const messages = Array.from({ length: 30_000 }, (_, i) => ({ role: "user", content: `message ${i}` }));
    const question = questionOf({ model: "m", messages }, { path: "/v1/chat/completions" });
    const facts = factsOf(question);
    const steps = [...facts.prepare()].length;
    expect([...facts.prepare("llm")].length).toBeGreaterThan(10);
    expect(steps).toBeGreaterThan(10);
    expect(JSON.stringify(facts.llm())).toBe(JSON.stringify(factsOf(question).llm()));
  });

  test("ten thousand messages", () => {
    const messages = Array.from({ length: 10_000 }, (_, i) => ({
      role: i % 2 ? "tool" : "user",
      tool_call_id: "x",
      content: "hi",
    }));
    expect(llmOf({ model: "m", messages }, "/v1/chat/completions")?.messages.length).toBe(10_000);
  });
});

testUnless(
  existsSync(WIRE_CORPUS) ? null : `no ${WIRE_CORPUS}`,
  "recorded traffic: 99 % of the calls are recognised, nothing else is",
  () => {
    const total = { calls: 0, recognised: 0, model: 0, texts: 0, counted: 0, usage: 0, wrong: 0 };
    for (const row of wireRows(readRecorded(WIRE_CORPUS))) {
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += row[key];
    }
    expect(total.calls).toBeGreaterThan(1000);
    for (const part of [total.recognised, total.model, total.texts])
      expect(part / total.calls).toBeGreaterThanOrEqual(0.99);
    expect(total.usage / total.counted).toBeGreaterThanOrEqual(0.99);
    expect(total.wrong).toBe(0);
  },
);

describe("what bounds an answer is what its server goes by", () => {
  test.each([
    ["/v1/chat/completions", { ...CHAT, max_output_tokens: 1 }],
    ["/v1/chat/completions", { ...CHAT, options: { max_tokens: 1 } }],
    ["/v1/responses", { model: "m-1", input: "hi", max_tokens: 1 }],
    ["/v1/messages", { ...CHAT, anthropic_version: "x", max_tokens_to_sample: 1 }],
    ["/api/chat", { ...CHAT, max_tokens: 1 }],
    ["/api/chat", { ...CHAT, num_predict: 1 }],
  ])("%s %j is not bounded", (path, body) => expect(llmOf(body, path)?.maxTokens).toBeNull());

  test("and the right one counts", () => {
    expect(llmOf({ ...CHAT, options: { num_predict: 7 } }, "/api/chat")?.maxTokens).toBe(7);
    expect(llmOf({ ...CHAT, max_completion_tokens: 7, max_output_tokens: 1 }, "/v1/chat/completions")?.maxTokens).toBe(
      7,
    );
  });
});

test("a call of a model that says it is a call of a tool is neither", () => {
  const body = { ...CHAT, jsonrpc: "2.0", method: "tools/call", params: { name: "x" } };
  expect(factsOf(questionOf(body, { path: "/v1/chat/completions" })).llm()).toMatchObject({ reason: "ambiguous" });
});
