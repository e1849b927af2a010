/** Answers as providers stream them, each with something in it that is split over its messages. */
import { KEY, ORDER, SSE } from "./_answers.ts";

export interface Fixture {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array;
  /** Null: it passes. */
  readonly veto: string | null;
  /** No byte from here on may leave. */
  readonly most: number;
}

type Event = (part: string, n: number) => string;

const data = (value: unknown, name: string | null = null): string =>
  `${name === null ? "" : `event: ${name}\n`}data: ${JSON.stringify(value)}\n\n`;

const DIALECTS: readonly (readonly [name: string, type: string, event: Event, last: string])[] = [
  ["OpenAI chat", SSE, (content) => data({ choices: [{ index: 0, delta: { content } }] }), "data: [DONE]\n\n"],
  [
    "OpenAI chat, arguments of a tool",
    SSE,
    (part) => data({ choices: [{ index: 0, delta: { tool_calls: [{ index: 1, function: { arguments: part } }] } }] }),
    data({ choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] }),
  ],
  [
    "OpenAI responses",
    SSE,
    (delta, n) =>
      data({ type: "response.output_text.delta", sequence_number: n, output_index: 0, content_index: 0, delta }),
    data({ type: "response.completed", response: {} }),
  ],
  [
    "Anthropic",
    SSE,
    (text) =>
      data({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }, "content_block_delta"),
    data({ type: "message_stop" }, "message_stop"),
  ],
  [
    "Anthropic, what it thinks",
    SSE,
    (thinking) => data({ type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking } }),
    data({ type: "content_block_stop", index: 0 }),
  ],
  [
    "Anthropic, arguments of a tool",
    SSE,
    (partial_json) =>
      data({ type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json } }),
    data({ type: "message_stop" }),
  ],
  ["Gemini", SSE, (text) => data({ candidates: [{ content: { parts: [{ text }], role: "model" } }] }), ""],
  [
    "Ollama",
    "application/x-ndjson",
    (content) => `${JSON.stringify({ model: "llama", message: { role: "assistant", content }, done: false })}\n`,
    `${JSON.stringify({ done: true })}\n`,
  ],
  [
    "Bedrock",
    "application/vnd.amazon.eventstream",
    (part) => frame({ bytes: btoa(JSON.stringify({ completion: part })) }),
    "",
  ],
  ["events with CR line ends", SSE, (text) => `data: ${JSON.stringify({ text })}\r\r`, ""],
  [
    "events with CRLF, in two lines",
    SSE,
    (text) => `: c\r\ndata: {"text":\r\ndata: ${JSON.stringify(text)}}\r\n\r\n`,
    "",
  ],
  ["events of plain words", SSE, (text) => `data:${text}\n\n`, ""],
];

/** As latin1: a character a byte. */
function frame(value: unknown): string {
  const payload = JSON.stringify(value);
  const total = payload.length + 16;
  const number = (n: number): string =>
    String.fromCharCode((n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  return `${number(total)}${number(0)}${number(7)}${payload}${number(9)}`;
}

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

const BEFORE = "It says: ";
const AFTER = " ok.";

function parts(text: string, size: number): string[] {
  const found: string[] = [];
  for (let at = 0; at < text.length; at += size) found.push(text.slice(at, at + size));
  return found;
}

/** `from`: of the text, where nothing may leave from on; `whole`: nor may what stands in one message with that. */
function streamed(
  [name, type, event, last]: (typeof DIALECTS)[number],
  text: string,
  { veto, from, whole, size }: { veto: string | null; from: number; whole: boolean; size: number },
): Fixture {
  let stream = "";
  let most = Number.POSITIVE_INFINITY;
  let at = 0;
  parts(text, size).forEach((part, n) => {
    const before = stream.length;
    stream += event(part, n);
    at += part.length;
    if (at > from && most === Number.POSITIVE_INFINITY) most = whole ? before : stream.length;
  });
  stream += last;
  return { name, type, bytes: latin1(stream), veto, most };
}

const FAR = { veto: null, from: Number.POSITIVE_INFINITY, whole: false } as const;

export const STREAMS: readonly Fixture[] = DIALECTS.flatMap((dialect) => {
  const secret = `${BEFORE}${KEY}${AFTER}`;
  const order = `${BEFORE}${ORDER}${AFTER}`;
  // Words apart: lines of plain events are joined by line ends, which no key survives.
  const joined = dialect[0] === "events of plain words" ? 100 : 11;
  const named = (what: string, fixture: Fixture): Fixture => ({ ...fixture, name: `${fixture.name}: ${what}` });
  return [
    named("a key", streamed(dialect, secret, { veto: "dlp_secret", from: BEFORE.length, whole: true, size: joined })),
    named("an order", streamed(dialect, order, { veto: "701", from: BEFORE.length + 32, whole: false, size: 14 })),
    named("a key that is one letter too long", streamed(dialect, `${BEFORE}${KEY}x${AFTER}`, { ...FAR, size: 11 })),
    named("nothing", streamed(dialect, `${BEFORE}nothing of any note.${AFTER}`, { ...FAR, size: 6 })),
  ];
});

const FILLER = "Ordinary words stand here, and more of them behind. ";

function raw(name: string, type: string, text: string, veto: string | null, most = Number.POSITIVE_INFINITY): Fixture {
  return { name, type, bytes: latin1(text), veto, most };
}

export const RAW: readonly Fixture[] = [
  raw("text with a key", "text/plain", `${FILLER.repeat(12)}${KEY} ${FILLER}`, "dlp_secret", 12 * FILLER.length),
  raw("text with an order", "text/html", `${FILLER.repeat(12)}${ORDER} ${FILLER}`, "701", 12 * FILLER.length + 40),
  raw("a key at the very end", "text/plain", `${FILLER}${KEY}`, "dlp_secret", FILLER.length),
  raw(
    "JSON with a key",
    "application/json",
    JSON.stringify({ a: FILLER, b: `x ${KEY}` }),
    "dlp_secret",
    FILLER.length + 16,
  ),
  raw("text without", "text/plain", FILLER.repeat(24), null),
  raw("no type at all", "", `${FILLER}${ORDER} ${FILLER}`, "701", FILLER.length + 40),
  raw(
    "what is said to be a picture and is text",
    "image/png",
    `${FILLER.repeat(12)}${ORDER}`,
    "701",
    12 * FILLER.length + 40,
  ),
  raw("a picture", "image/png", `\u0089PNG\r\n\u001a\n\u0000\u0000${KEY} ${ORDER}`, null),
];
