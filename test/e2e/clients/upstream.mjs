// An HTTPS upstream by Node that tells everything that reaches it: node upstream.mjs CERT KEY [CLIENT_CA].
// Standard output: JSON lines {port}, {seen}, {message}, {held}. Standard input: {"words"}, what models answer from now on; an
// empty object lets the held answers go on.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";
import { WebSocketServer } from "ws";

const [certFile, keyFile, clientCa] = process.argv.slice(2);
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const asked = clientCa === undefined ? {} : { ca: readFileSync(clientCa), requestCert: true, rejectUnauthorized: true };
const server = createSecureServer({
  ...{ cert: readFileSync(certFile), key: readFileSync(keyFile) },
  ...{ allowHTTP1: true, maxHeaderSize: 65536, ...asked },
});

const waiting = [];
let words = [];
createInterface({ input: process.stdin }).on("line", (line) => {
  const told = JSON.parse(line);
  if (told.words !== undefined) {
    words = told.words;
    return tell({ ready: true });
  }
  for (const go of waiting.splice(0)) go();
});
/** The rest of an answer, not before the test says so. */
const held = () =>
  new Promise((resolve) => {
    waiting.push(resolve);
    tell({ held: true });
  });

const DATE = "Fri, 01 Jan 2027 00:00:00 GMT";
const fill = (n) => Buffer.alloc(n, "0123456789abcdef\n");

function answer(request, body, response) {
  response.sendDate = false;
  const { pathname, searchParams } = new URL(request.url, "https://upstream");
  const send = (status, headers, bytes) => {
    response.writeHead(status, { date: DATE, ...headers });
    response.end(request.method === "HEAD" ? undefined : bytes);
  };
  const given = ROUTES[pathname];
  if (given !== undefined) return given({ request, response, send, body, searchParams });
  if (pathname.startsWith("/repo.git/")) return git(request, body, send);
  const said = `{"served":"${pathname}"}`;
  send(200, { "Content-Type": "application/json", "Content-Length": said.length }, said);
}

const ROUTES = {
  "/fields": ({ send }) =>
    send(
      200,
      {
        "X-Second-Name": "kept as it is",
        "x-first": "1",
        "Set-Cookie": ["a=1; Path=/; HttpOnly", "b=2; Path=/"],
        "Content-Type": "application/json; charset=utf-8",
        ETag: '"one"',
        Vary: "Accept-Encoding, Origin",
        "Cache-Control": "no-store",
      },
      '{"said":"Grüße"}',
    ),
  "/nothing": ({ send }) => send(204, { "X-Why": "nothing" }),
  "/same": ({ send }) => send(304, { ETag: '"one"' }),
  "/missing": ({ send }) => send(404, { "Content-Type": "text/plain" }, "no such thing"),
  "/gzip": ({ send }) =>
    send(200, { "Content-Type": "text/plain", "Content-Encoding": "gzip" }, gzipSync(fill(100_000))),
  "/bytes": ({ send, searchParams }) => {
    const n = Number(searchParams.get("n"));
    send(200, { "Content-Type": "application/octet-stream", "Content-Length": n }, fill(n));
  },
  "/bomb": ({ send }) =>
    send(200, { "Content-Type": "text/plain", "Content-Encoding": "gzip" }, gzipSync(Buffer.alloc(64 << 20, 97))),
  "/pieces": async ({ response }) => {
    response.writeHead(200, { date: DATE, "Content-Type": "text/plain", Trailer: "X-Sum" });
    for (let i = 0; i < 20; i++) {
      response.write(`piece ${i}\n`.repeat(1 + i * 50));
      await new Promise(setImmediate);
    }
    response.addTrailers({ "X-Sum": "20" });
    response.end();
  },
  "/v1/chat/completions": ({ body, response }) => {
    const { model, stream } = JSON.parse(body);
    const base = { id: "chatcmpl-1", created: 1, model };
    if (stream !== true) {
      const message = { role: "assistant", content: "The gate is guarded." };
      response.writeHead(200, { date: DATE, "Content-Type": "application/json" });
      const choices = [{ index: 0, message, finish_reason: "stop" }];
      response.end(JSON.stringify({ ...base, object: "chat.completion", choices }));
      return;
    }
    const event = (delta, finish_reason = null) =>
      `data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
    const events = words.map((content) => event({ content }));
    return streamed(response, [...events, `${event({}, "stop")}data: [DONE]\n\n`]);
  },
  "/v1/messages": ({ body, response }) => {
    const { model, stream } = JSON.parse(body);
    const usage = { input_tokens: 1, output_tokens: 4 };
    const base = { id: "msg_1", type: "message", role: "assistant", model, stop_sequence: null, usage };
    if (stream !== true) {
      const content = [{ type: "text", text: "The gate is guarded." }];
      response.writeHead(200, { date: DATE, "Content-Type": "application/json" });
      response.end(JSON.stringify({ ...base, content, stop_reason: "end_turn" }));
      return;
    }
    const event = (type, data) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
    const text = (text) => event("content_block_delta", { index: 0, delta: { type: "text_delta", text } });
    const [first, ...rest] = words.map(text);
    const begin =
      event("message_start", { message: { ...base, content: [], stop_reason: null } }) +
      event("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
    const end =
      event("content_block_stop", { index: 0 }) +
      event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 4 } }) +
      event("message_stop", {});
    return streamed(response, [begin + first, ...rest, end]);
  },
  "/-/ping": ({ send }) => send(200, { "Content-Type": "application/json" }, "{}"),
  "/parcel": ({ request, send }) => {
    if (request.method === "PUT") return send(201, { "Content-Type": "application/json" }, '{"ok":true}');
    const tarball = readFileSync(process.env.TARBALL);
    const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
    const dist = { tarball: `https://${request.headers.host ?? request.headers[":authority"]}/parcel.tgz`, integrity };
    const versions = { "1.0.0": { name: "parcel", version: "1.0.0", dist } };
    const said = JSON.stringify({ name: "parcel", "dist-tags": { latest: "1.0.0" }, versions });
    send(200, { "Content-Type": "application/json" }, said);
  },
  "/parcel.tgz": ({ send }) =>
    send(200, { "Content-Type": "application/octet-stream" }, readFileSync(process.env.TARBALL)),
};

async function streamed(response, [first, ...rest]) {
  response.writeHead(200, { date: DATE, "Content-Type": "text/event-stream" });
  response.write(first);
  await held();
  for (const event of rest) response.write(event);
  response.end();
}

/** As much CGI (RFC 3875) as git http-backend needs. */
function git(request, body, send) {
  const { pathname, search } = new URL(request.url, "https://upstream");
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: process.env.GIT_PROJECT_ROOT,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_PROTOCOL: request.headers["git-protocol"] ?? "",
      REQUEST_METHOD: request.method,
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      CONTENT_LENGTH: String(body.length),
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      REMOTE_ADDR: "127.0.0.1",
      REMOTE_USER: "e2e",
    },
  });
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(body);
  child.on("close", () => {
    const out = Buffer.concat(chunks);
    const end = out.indexOf("\r\n\r\n");
    const headers = Object.fromEntries(
      out
        .subarray(0, end)
        .toString("latin1")
        .split("\r\n")
        .map((line) => line.split(/: (.*)/s).slice(0, 2)),
    );
    const { Status = "200", ...rest } = headers;
    send(Number.parseInt(Status, 10), rest, out.subarray(end + 4));
  });
}

server.on("request", (request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("error", () => {});
  response.on("error", () => {});
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    const { method, url, httpVersion: version, rawHeaders: headers, rawTrailers: trailers } = request;
    const sha256 = createHash("sha256").update(body).digest("hex");
    const { servername } = request.socket;
    tell({ seen: { method, url, version, servername, headers, trailers, bytes: body.length, sha256 } });
    answer(request, body, response);
  });
});
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true });
server.on("upgrade", (request, socket, head) => {
  const { method, url, httpVersion: version, rawHeaders: headers } = request;
  tell({ seen: { method, url, version, servername: socket.servername, headers, trailers: [], bytes: 0, sha256: "" } });
  sockets.handleUpgrade(request, socket, head, (ws) => {
    ws.on("message", (data, binary) => {
      tell({ message: data.toString("utf8") });
      ws.send(data, { binary });
    });
    ws.on("error", () => {});
    ws.on("close", (code) => tell({ closed: code }));
  });
});
server.on("sessionError", () => {});
server.on("tlsClientError", () => {});
server.on("clientError", (_, socket) => socket.destroy());
server.listen(0, "127.0.0.1", () => tell({ port: server.address().port }));
