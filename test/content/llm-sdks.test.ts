/** What the SDKs really send, taken on a socket: recorded anew by every run, so a new version that writes it otherwise is seen. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { factsOf } from "../../src/content/facts.ts";
import type { Llm } from "../../src/content/llm.ts";
import type { Question } from "../../src/model/question.ts";
import { questionWith } from "../_question.ts";

let server: Server;
let base = "";
let taken: Question | null = null;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://localhost");
      const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
      taken = questionWith({ path: url.pathname, headers, body: new Uint8Array(Buffer.concat(chunks)) });
      response.writeHead(400, { "content-type": "application/json" });
      response.end('{"error":{"message":"enough"}}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

async function sent(
  call: () => PromiseLike<unknown>,
): Promise<{ llm: Llm; text: (range: Llm["system"][number]) => string }> {
  taken = null;
  await Promise.resolve(call()).catch(() => null);
  const question = taken as Question | null;
  if (question === null) throw new Error("nothing was sent");
  const fact = factsOf(question).llm();
  if (!fact.known || fact.value === null) throw new Error("no call of a model");
  return { llm: fact.value, text: ({ start, end }) => new TextDecoder().decode(question.body?.subarray(start, end)) };
}

const schema = { type: "object", properties: { city: { type: "string" } } } as const;

describe("openai sends", () => {
  const client = () => new OpenAI({ apiKey: "none", baseURL: `${base}/v1`, maxRetries: 0 });

  test("a chat with tools, calls and a stream", async () => {
    const { llm, text } = await sent(() =>
      client().chat.completions.create({
        model: "gpt-4o",
        stream: true,
        max_completion_tokens: 64,
        tools: [{ type: "function", function: { name: "weather", parameters: schema } }],
        messages: [
          { role: "system", content: "Be brief." },
          {
            role: "user",
            content: [
              { type: "text", text: "Weather?" },
              { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
            ],
          },
          {
            role: "assistant",
            tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } }],
          },
          { role: "tool", tool_call_id: "c1", content: "rain" },
        ],
      }),
    );
    expect(llm).toMatchObject({
      dialect: "openai-chat",
      operation: "chat",
      model: "gpt-4o",
      stream: true,
      maxTokens: 64,
      tools: ["weather"],
      images: 1,
    });
    expect(llm.messages.map(({ role, toolResult, texts }) => [role, toolResult, texts.map(text).join("|")])).toEqual([
      ["system", false, "Be brief."],
      ["user", false, "Weather?"],
      ["tool", true, "rain"],
    ]);
    expect(llm.toolCalls.map(({ name, id }) => [name, id])).toEqual([["weather", "c1"]]);
  });

  test("responses with instructions, a file, and the result of a call", async () => {
    const { llm, text } = await sent(() =>
      client().responses.create({
        model: "gpt-4o",
        instructions: "Be brief.",
        max_output_tokens: 32,
        tools: [{ type: "function", name: "weather", parameters: schema, strict: false }],
        input: [
          {
            role: "user",
            content: [
              { type: "input_text", text: "Read it." },
              { type: "input_file", filename: "a.txt", file_data: "data:text/plain;base64,aGk=" },
            ],
          },
          { type: "function_call", call_id: "c1", name: "weather", arguments: '{"city":"Oslo"}' },
          { type: "function_call_output", call_id: "c1", output: "rain" },
        ],
      }),
    );
    expect(llm).toMatchObject({
      dialect: "openai-responses",
      model: "gpt-4o",
      stream: false,
      maxTokens: 32,
      tools: ["weather"],
    });
    expect(llm.files).toBeGreaterThan(0);
    expect(llm.system.map(text)).toEqual(["Be brief."]);
    expect(llm.messages.find(({ toolResult }) => toolResult)?.texts.map(text)).toEqual(["rain"]);
    expect(llm.messages.find(({ role }) => role === "user")?.texts.map(text)).toContain("Read it.");
    expect(llm.toolCalls.map(({ name }) => name)).toEqual(["weather"]);
  });

  test("embeddings, and sound in a form", async () => {
    const embedded = await sent(() => client().embeddings.create({ model: "e-1", input: ["a", "b"] }));
    expect(embedded.llm).toMatchObject({ dialect: "openai-embeddings", operation: "embedding", model: "e-1" });
    const heard = await sent(async () =>
      client().audio.transcriptions.create({
        model: "whisper-1",
        file: await toFile(new Uint8Array([1, 2, 3]), "a.wav"),
      }),
    );
    expect(heard.llm).toMatchObject({ dialect: "openai-audio", operation: "audio", model: "whisper-1", files: 1 });
  });
});

describe("@anthropic-ai/sdk sends", () => {
  const client = () => new Anthropic({ apiKey: "none", baseURL: base, maxRetries: 0 });

  test("messages with a system prompt, tools, a document and a result", async () => {
    const { llm, text } = await sent(() =>
      client().messages.create({
        model: "claude-x",
        max_tokens: 100,
        stream: true,
        system: [{ type: "text", text: "Be brief." }],
        tools: [{ name: "weather", input_schema: schema }],
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "Read it." },
              { type: "document", source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" } },
            ],
          },
          { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "weather", input: { city: "Oslo" } }] },
          { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: "rain" }] },
        ],
      }),
    );
    expect(llm).toMatchObject({
      dialect: "anthropic-messages",
      operation: "chat",
      model: "claude-x",
      stream: true,
      maxTokens: 100,
      tools: ["weather"],
      files: 1,
    });
    expect(llm.system.map(text)).toEqual(["Be brief."]);
    expect(llm.toolCalls.map(({ name, id }) => [name, id])).toEqual([["weather", "t1"]]);
    const result = llm.messages.find(({ toolResult }) => toolResult);
    expect(result).toMatchObject({ role: "user", toolCallId: "t1" });
    expect(result?.texts.map(text)).toEqual(["rain"]);
  });

  test("a count of tokens", async () => {
    const { llm } = await sent(() =>
      client().messages.countTokens({ model: "claude-x", messages: [{ role: "user", content: "hi" }] }),
    );
    expect(llm).toMatchObject({ dialect: "anthropic-messages", operation: "count", model: "claude-x" });
  });
});
