// Node clients, direct or behind a proxy: node through.mjs undici|undici-h2|openai|anthropic|ws, a job as JSON on standard input.
// A job: {proxy, base, ca, requests}. Prints a JSON line for every request or event.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { Agent, fetch, ProxyAgent } from "undici";
import WebSocket from "ws";
import { HttpsProxyAgent } from "./connect-agent.mjs";

const kind = process.argv[2];
const { proxy, base, ca: caFile, requests } = JSON.parse(readFileSync(0, "utf8"));
const ca = readFileSync(caFile);
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const allowH2 = kind === "undici-h2";
const dispatcher =
  proxy === ""
    ? new Agent({ allowH2, connect: { ca } })
    : new ProxyAgent({ uri: proxy, allowH2, requestTls: { ca, allowH2 } });

async function undici() {
  for (const { method, path, headers, file } of requests) {
    try {
      const body = file === undefined ? undefined : readFileSync(file);
      const answer = await fetch(`${base}${path}`, { method, headers, body, dispatcher, redirect: "manual" });
      const bytes = Buffer.from(await answer.arrayBuffer());
      tell({ status: answer.status, headers: [...answer.headers], ...read(bytes) });
    } catch (error) {
      tell({ error: String(error.cause ?? error) });
    }
  }
}

function read(bytes) {
  return {
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    text: bytes.length < 8192 ? bytes.toString("utf8") : "",
  };
}

const options = { apiKey: "none", maxRetries: 0, fetch: (url, init = {}) => fetch(url, { ...init, dispatcher }) };
const SDKS = {
  openai: {
    client: () => new OpenAI({ ...options, baseURL: `${base}/v1` }),
    call: (client, { model, content, stream }) =>
      client.chat.completions.create({ model, messages: [{ role: "user", content }], stream }),
    whole: (answer) => answer.choices[0].message.content,
    text: (event) => event.choices[0]?.delta?.content ?? "",
  },
  anthropic: {
    client: () => new Anthropic({ ...options, baseURL: base }),
    call: (client, { model, content, stream }) =>
      client.messages.create({ model, max_tokens: 99, messages: [{ role: "user", content }], stream }),
    whole: (answer) => answer.content[0].text,
    text: (event) => (event.type === "content_block_delta" ? event.delta.text : ""),
  },
};

async function sdk({ client, call, whole, text }) {
  const made = client();
  for (const request of requests) {
    try {
      const answer = await call(made, request);
      if (!request.stream) {
        tell({ whole: whole(answer) });
        continue;
      }
      for await (const event of answer) if (text(event) !== "") tell({ text: text(event) });
      tell({ ended: true });
    } catch (error) {
      const { status = null, message, error: body = null } = error;
      tell({ error: error.constructor.name, status, message, body: JSON.stringify(body) });
    }
  }
}

/** Says each of the messages after the echo of the one before. */
async function ws() {
  const agent = proxy === "" ? undefined : new HttpsProxyAgent(proxy);
  const socket = new WebSocket(`${base.replace("https", "wss")}/socket`, { ca, agent });
  const rest = [...requests];
  await new Promise((resolve) => {
    const next = () => (rest.length > 0 ? socket.send(rest.shift()) : socket.close(1000, "done"));
    socket.on("upgrade", ({ rawHeaders }) => tell({ headers: rawHeaders }));
    socket.on("unexpected-response", (_, answer) => tell({ status: answer.statusCode }));
    socket.on("open", next);
    socket.on("message", (data) => {
      tell({ message: data.toString() });
      next();
    });
    socket.on("error", (error) => tell({ error: error.message }));
    socket.on("close", (code, reason) => {
      tell({ closed: code, reason: reason.toString() });
      resolve();
    });
  });
}

if (kind === "ws") await ws();
else if (kind in SDKS) await sdk(SDKS[kind]);
else await undici();
await dispatcher.destroy();
