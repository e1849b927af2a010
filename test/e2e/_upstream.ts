/** Upstreams that remember everything that reached them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { sha256 } from "./_gateway.ts";

export interface Seen {
  readonly method: string;
  readonly url: string;
  /** Name, value, name, value, … as received. */
  readonly headers: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
  readonly text: string;
}

export interface Authority {
  readonly folder: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
  remove(): void;
}

/** A throw-away CA and a leaf for localhost and 127.0.0.1, by openssl. */
export function throwAwayAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-ca-"));
  const openssl = (...args: string[]) => {
    const done = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`openssl ${args[0]}: ${done.stderr}`);
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...ec, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=e2e root");
  const san = "subjectAltName=DNS:localhost,DNS:other.localhost,IP:127.0.0.1";
  openssl("req", ...ec, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost", "-addext", san);
  openssl(
    ...["x509", "-req", "-in", "leaf.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"],
    ...["-out", "leaf.crt", "-days", "2", "-copy_extensions", "copy"],
  );
  const at = (name: string) => join(folder, name);
  return {
    folder,
    caFile: at("ca.crt"),
    certFile: at("leaf.crt"),
    keyFile: at("leaf.key"),
    cert: readFileSync(at("leaf.crt"), "utf8"),
    key: readFileSync(at("leaf.key"), "utf8"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export class Upstream {
  readonly seen: Seen[] = [];
  /** TCP connections accepted, with or without a request on them. */
  connections = 0;
  /** Set by a test that wants to decide when the second event of `/sse` leaves. */
  readonly releases: (() => void)[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #tls: boolean;
  port = 0;

  private constructor(tls: Authority | null) {
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#take(request, response);
    this.#tls = tls !== null;
    this.#server =
      tls === null ? createHttpServer(answer) : createHttpsServer({ cert: tls.cert, key: tls.key }, answer);
    this.#server.on("connection", (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    });
  }

  static async start(tls: Authority | null = null): Promise<Upstream> {
    const upstream = new Upstream(tls);
    upstream.port = await listen(upstream.#server);
    return upstream;
  }

  /** By name for TLS, so that a client sends SNI. */
  get url(): string {
    return this.#tls ? `https://localhost:${this.port}` : `http://127.0.0.1:${this.port}`;
  }

  get last(): Seen {
    const last = this.seen.at(-1);
    if (last === undefined) throw new Error("nothing reached the upstream");
    return last;
  }

  forget(): void {
    this.seen.length = 0;
    this.connections = 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const { method = "", url = "", rawHeaders: headers } = request;
      const text = body.length < 65_536 ? body.toString("utf8") : "";
      this.seen.push({ method, url, headers, bytes: body.length, sha256: sha256(body), text });
      this.#answer(url, method, body, response);
    });
  }

  #answer(url: string, method: string, body: Buffer, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(url, "http://upstream");
    if (pathname === "/gzip") {
      response.writeHead(200, { "Content-Type": "text/plain", "Content-Encoding": "gzip" });
      response.end(gzipSync("squeezed ".repeat(500)));
    } else if (pathname === "/bytes") {
      const bytes = Buffer.alloc(Number(searchParams.get("n")), "0123456789abcdef");
      response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": bytes.length });
      response.end(method === "HEAD" ? undefined : bytes);
    } else if (pathname === "/sse") {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("data: first\n\n");
      this.releases.push(() => response.end("data: second\n\n"));
    } else if (pathname === "/v1/chat/completions") {
      openaiAnswer(response, callIn(body));
    } else if (pathname === "/v1/messages") {
      anthropicAnswer(response, callIn(body));
    } else {
      const echo = JSON.stringify({ method, url, bytes: body.length, sha256: sha256(body) });
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(echo) });
      response.end(method === "HEAD" ? undefined : echo);
    }
  }
}

const WORDS = ["The ", "gate ", "is ", "guarded."];

interface Call {
  readonly model: string;
  readonly stream?: boolean;
}

/** What is no call of a model is answered like one all the same. */
function callIn(body: Buffer): Call {
  try {
    return JSON.parse(body.toString());
  } catch {
    return { model: "none" };
  }
}

function openaiAnswer(response: ServerResponse, request: Call): void {
  const base = { id: "chatcmpl-e2e", created: 1, model: request.model };
  if (request.stream !== true) {
    const message = { role: "assistant", content: WORDS.join("") };
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    const usage = { prompt_tokens: 1, completion_tokens: 4, total_tokens: 5 };
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ ...base, object: "chat.completion", choices, usage }));
    return;
  }
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  for (const content of WORDS) {
    const choices = [{ index: 0, delta: { content }, finish_reason: null }];
    response.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices })}\n\n`);
  }
  const choices = [{ index: 0, delta: {}, finish_reason: "stop" }];
  response.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices })}\n\n`);
  response.end("data: [DONE]\n\n");
}

function anthropicAnswer(response: ServerResponse, request: Call): void {
  const usage = { input_tokens: 1, output_tokens: 4 };
  const base = { id: "msg_e2e", type: "message", role: "assistant", model: request.model, stop_sequence: null, usage };
  if (request.stream !== true) {
    const content = [{ type: "text", text: WORDS.join("") }];
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ ...base, content, stop_reason: "end_turn" }));
    return;
  }
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const event = (type: string, data: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  event("message_start", { message: { ...base, content: [], stop_reason: null } });
  event("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
  for (const text of WORDS) event("content_block_delta", { index: 0, delta: { type: "text_delta", text } });
  event("content_block_stop", { index: 0 });
  event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 4 } });
  event("message_stop", {});
  response.end();
}

/** A TCP server that only counts: what a veto must leave at zero. */
export class Counter {
  connections = 0;
  received = "";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  port = 0;

  private constructor(onConnection: (socket: Socket) => void) {
    this.#server = createTcpServer((socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("data", (bytes) => {
        this.received += bytes.toString("latin1");
      });
      socket.on("error", () => socket.destroy());
      onConnection(socket);
    });
  }

  static async start(onConnection: (socket: Socket) => void = () => {}): Promise<Counter> {
    const counter = new Counter(onConnection);
    counter.port = await listen(counter.#server);
    return counter;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}
