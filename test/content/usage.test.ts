import { describe, expect, test } from "bun:test";
import { readUsage, UsageReader } from "../../src/content/usage.ts";

const encoder = new TextEncoder();

/** `input/output/cached model`, the same for every way to cut the answer. */
function used(type: string | null, answer: string | Uint8Array): string {
  const bytes = typeof answer === "string" ? encoder.encode(answer) : answer;
  const all = [1, 2, 3, 7, 64, bytes.length].map((size) => {
    const reader = new UsageReader(type);
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    return reader.end();
  });
  const [first] = all;
  for (const each of all) expect(each).toEqual(first as never);
  return first ? `${first.inputTokens}/${first.outputTokens}/${first.cachedTokens} ${first.model}` : "none";
}

const sse = (...events: unknown[]) =>
  events.map((event) => `event: e\r\ndata: ${JSON.stringify(event)}\r\n\r\n`).join("");
const SSE = "text/event-stream; charset=utf-8";
const JSON_TYPE = "application/json";

describe("UsageReader gives nothing for", () => {
  const CASES: [string, string | null, string][] = [
    ["an empty answer", JSON_TYPE, ""],
    ["no JSON", JSON_TYPE, "<html>usage: 5</html>"],
    ["JSON without counts", JSON_TYPE, '{"model":"m"}'],
    ["counts that are none", JSON_TYPE, '{"usage":{"prompt_tokens":-1,"completion_tokens":"7"}}'],
    ["counts out of this world", JSON_TYPE, '{"usage":{"prompt_tokens":1e300}}'],
    ["a stream that was not asked to tell", SSE, sse({ model: "m", choices: [], usage: null })],
    ["text about usage", JSON_TYPE, '{"choices":[{"message":{"content":"{\\"usage\\":{\\"prompt_tokens\\":5}}"}}]}'],
  ];
  for (const [name, type, answer] of CASES) test(name, () => expect(used(type, answer)).toBe("none"));
});

describe("UsageReader reads", () => {
  const CASES: [string, string | null, string, string][] = [
    [
      "OpenAI",
      JSON_TYPE,
      '{"model":"m","usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}}',
      "10/5/4 m",
    ],
    [
      "OpenAI, streamed",
      SSE,
      `${sse({ model: "m", usage: null }, { model: "m", usage: { prompt_tokens: 3, completion_tokens: 2 } })}data: [DONE]\n\n`,
      "3/2/0 m",
    ],
    [
      "Responses",
      SSE,
      sse({
        type: "response.completed",
        response: {
          model: "m",
          usage: { input_tokens: 3, output_tokens: 2, input_tokens_details: { cached_tokens: 1 } },
        },
      }),
      "3/2/1 m",
    ],
    [
      "Anthropic, streamed",
      SSE,
      sse(
        {
          type: "message_start",
          message: { model: "m", usage: { input_tokens: 10, cache_read_input_tokens: 90, output_tokens: 1 } },
        },
        { type: "message_delta", usage: { output_tokens: 55 } },
      ),
      "100/55/90 m",
    ],
    [
      "Anthropic with a written cache",
      JSON_TYPE,
      '{"model":"m","usage":{"input_tokens":1,"cache_creation_input_tokens":20,"output_tokens":2}}',
      "21/2/0 m",
    ],
    [
      "Gemini",
      JSON_TYPE,
      '{"modelVersion":"g","usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":9}}',
      "7/12/0 g",
    ],
    [
      "Gemini, an array of pieces",
      JSON_TYPE,
      '[{"usageMetadata":{"promptTokenCount":7}},\n{"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3}}]',
      "7/3/0 null",
    ],
    ["Bedrock Converse", JSON_TYPE, '{"usage":{"inputTokens":4,"outputTokens":6,"totalTokens":10}}', "4/6/0 null"],
    ["Titan", JSON_TYPE, '{"inputTextTokenCount":4,"results":[{"tokenCount":6},{"tokenCount":2}]}', "4/8/0 null"],
    ["Llama", JSON_TYPE, '{"generation":"x","prompt_token_count":4,"generation_token_count":6}', "4/6/0 null"],
    [
      "AI21",
      JSON_TYPE,
      '{"prompt":{"tokens":[{},{}]},"completions":[{"data":{"tokens":[{}]}},{"data":{"tokens":[{},{}]}}]}',
      "2/3/0 null",
    ],
    [
      "Ollama, streamed",
      "application/x-ndjson",
      '{"model":"l","done":false}\n{"model":"l","done":true,"prompt_eval_count":8,"eval_count":9}\n',
      "8/9/0 l",
    ],
    ["lines that say they are JSON", JSON_TYPE, '{"model":"l"}\n{"prompt_eval_count":8,"eval_count":9}', "8/9/0 l"],
    ["Cohere", JSON_TYPE, '{"meta":{"billed_units":{"input_tokens":5,"output_tokens":6}}}', "5/6/0 null"],
    [
      "Cohere, streamed",
      SSE,
      sse({ type: "message-end", delta: { usage: { tokens: { input_tokens: 5, output_tokens: 6 } } } }),
      "5/6/0 null",
    ],
    ["Watsonx", JSON_TYPE, '{"model_id":"w","results":[{"input_token_count":5,"generated_token_count":6}]}', "5/6/0 w"],
    ["embeddings that tell the sum alone", JSON_TYPE, '{"model":"v","usage":{"total_tokens":12}}', "12/0/0 v"],
    [
      "an event of several lines",
      SSE,
      'data: {"usage":\ndata: {"prompt_tokens":1,"completion_tokens":2}}\n\n',
      "1/2/0 null",
    ],
    ["no content type", null, 'data: {"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n', "1/2/0 null"],
  ];
  for (const [name, type, answer, found] of CASES) test(name, () => expect(used(type, answer)).toBe(found));

  test("thinking is part of the output, and told apart", () => {
    const thought = (type: string, answer: string) => {
      const found = readUsage(type, encoder.encode(answer));
      return `${found?.outputTokens} ${found?.reasoningTokens}`;
    };
    const chat = {
      usage: { prompt_tokens: 1, completion_tokens: 9, completion_tokens_details: { reasoning_tokens: 6 } },
    };
    expect(thought(JSON_TYPE, JSON.stringify(chat))).toBe("9 6");
    const usage = { input_tokens: 1, output_tokens: 9, output_tokens_details: { reasoning_tokens: 6 } };
    expect(thought(SSE, sse({ type: "response.completed", response: { usage } }))).toBe("9 6");
    const gemini = { usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 3, thoughtsTokenCount: 6 } };
    expect(thought(SSE, sse(gemini))).toBe("9 6");
    expect(thought(JSON_TYPE, '{"usage":{"prompt_tokens":1,"completion_tokens":9}}')).toBe("9 0");
  });

  test("Amazon's event stream, the model's own answer inside it", () => {
    const event = (payload: unknown): Uint8Array => {
      const text = encoder.encode(JSON.stringify(payload));
      const bytes = new Uint8Array(16 + 5 + text.length);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, bytes.length);
      view.setUint32(4, 5);
      bytes.set(text, 17);
      return bytes;
    };
    const inner = btoa(
      JSON.stringify({ "amazon-bedrock-invocationMetrics": { inputTokenCount: 3, outputTokenCount: 4 } }),
    );
    const type = "application/vnd.amazon.eventstream";
    expect(
      used(type, Uint8Array.from([...event({ p: "a" }), ...event({ usage: { inputTokens: 1, outputTokens: 2 } })])),
    ).toBe("1/2/0 null");
    expect(used(type, Uint8Array.from([...event({ bytes: btoa("{}") }), ...event({ bytes: inner })]))).toBe(
      "3/4/0 null",
    );
    expect(used(type, Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3))).toBe("none");
  });

  test("counts in the head", () => {
    const reader = new UsageReader(JSON_TYPE);
    reader.header("X-Amzn-Bedrock-Input-Token-Count", "5");
    reader.header("x-amzn-bedrock-output-token-count", "6");
    expect(reader.end()).toMatchObject({ inputTokens: 5, outputTokens: 6 });
  });

  test("holds a bound of an answer and no more", () => {
    const reader = new UsageReader(SSE);
    for (let i = 0; i < 40; i++) reader.push(new Uint8Array(100_000).fill(0x61));
    reader.push(encoder.encode('\n\ndata: {"usage":{"prompt_tokens":1}}\n\n'));
    expect(reader.end()?.inputTokens).toBe(1);
    expect(readUsage(JSON_TYPE, new Uint8Array(17 * 1024 * 1024).fill(0x20))).toBeNull();
  });
});
