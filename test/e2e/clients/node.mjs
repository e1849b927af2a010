// Node clients behind a proxy, one case a run: node node.mjs CASE PROXY BASE. Prints one JSON line.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { fetch, ProxyAgent, WebSocket } from "undici";

const [kind, proxy, base] = process.argv.slice(2);
const dispatcher = new ProxyAgent(proxy);
const through = (url, init = {}) => fetch(url, { ...init, dispatcher });
const options = { apiKey: "sk-e2e", maxRetries: 0, fetch: through };

const cases = {
  async fetch() {
    const answer = await through(`${base}/fetched`, { method: "POST", body: "from undici" });
    return { status: answer.status, body: await answer.json() };
  },
  async openai() {
    const client = new OpenAI({ ...options, baseURL: `${base}/v1` });
    const messages = [{ role: "user", content: "hello" }];
    const whole = await client.chat.completions.create({ model: "m", messages });
    const stream = await client.chat.completions.create({ model: "m", messages, stream: true });
    const parts = [];
    for await (const event of stream) parts.push(event.choices[0]?.delta?.content ?? "");
    return { whole: whole.choices[0].message.content, parts: parts.filter((part) => part !== "") };
  },
  async anthropic() {
    const client = new Anthropic({ ...options, baseURL: base });
    const request = { model: "m", max_tokens: 10, messages: [{ role: "user", content: "hello" }] };
    const whole = await client.messages.create(request);
    const parts = [];
    for await (const event of await client.messages.create({ ...request, stream: true })) {
      if (event.type === "content_block_delta") parts.push(event.delta.text);
    }
    return { whole: whole.content[0].text, parts };
  },
  async websocket() {
    const socket = new WebSocket(`${base.replace("http", "ws")}/socket`, { dispatcher });
    const heard = [];
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", () => socket.send("one"));
      socket.addEventListener("error", (event) => reject(new Error(`websocket: ${event.message ?? event.error}`)));
      socket.addEventListener("message", ({ data }) => {
        heard.push(data);
        if (heard.length === 1) socket.send("x".repeat(100_000));
        else socket.close(1000, "done");
      });
      socket.addEventListener("close", resolve);
    });
    return { first: heard[0], second: heard[1]?.length };
  },
};

try {
  console.log(JSON.stringify(await cases[kind]()));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
await dispatcher.destroy();
