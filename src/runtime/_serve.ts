/**
 * The HTTP server of the gateway's own surfaces, over node:http on both runtimes: Deno.serve has neither an idle timeout
 * nor a body limit, and both serve() functions answer a CONNECT as if there could be a tunnel. Strangers' traffic never
 * comes here; the doors have a codec of their own.
 */
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { canonicalAddress } from "./_conn.ts";
import { closing, listening } from "./_listen.ts";
import type { Listener, ServeHandler, ServeOptions } from "./contract.ts";

const MAX_BODY = 64 * 1024;
const MAX_CONNECTIONS = 256;
const TIMEOUTS = {
  keepAliveTimeout: 5_000,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
};

export async function serve(options: ServeOptions, handler: ServeHandler): Promise<Listener> {
  const { host, port } = options;
  /** Connections whose whole request is here and not yet answered. */
  const serving = new Set<Socket>();
  const server = http.createServer({ ...TIMEOUTS, maxHeaderSize: 16 * 1024 }, (incoming, outgoing) => {
    answer(incoming, outgoing, handler, serving).catch(() => outgoing.destroy());
  });
  server.setTimeout(TIMEOUTS.requestTimeout);
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    if (open.size <= MAX_CONNECTIONS) return;
    // The longest open makes room, not the newest: whoever merely holds connections must not keep the operator out.
    for (const one of open) {
      if (serving.has(one)) continue;
      open.delete(one);
      one.destroy();
      return;
    }
    socket.destroy();
  });
  const what = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  await listening(server, () => server.listen({ host, port, exclusive: true }), what);
  const bound = server.address() as AddressInfo;
  return { address: canonicalAddress(bound.address), port: bound.port, close: closing(server) };
}

async function answer(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  handler: ServeHandler,
  serving: Set<Socket>,
): Promise<void> {
  const body = await bodyOf(incoming);
  if (body === null) {
    outgoing.writeHead(413, { connection: "close", "content-length": 0 }).end();
    return;
  }
  const { socket } = incoming;
  serving.add(socket);
  try {
    const response = await respond(incoming, body, handler);
    const bytes = new Uint8Array(await response.arrayBuffer());
    outgoing.writeHead(response.status, { ...Object.fromEntries(response.headers), "content-length": bytes.length });
    outgoing.end(incoming.method === "HEAD" ? undefined : bytes);
  } finally {
    serving.delete(socket);
  }
}

/** Null: too long. Rejects when the peer leaves in the middle of it. */
async function bodyOf(incoming: http.IncomingMessage): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(incoming.headers["content-length"] ?? 0) > MAX_BODY) return null;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_BODY) return null;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

async function respond(
  incoming: http.IncomingMessage,
  body: Uint8Array<ArrayBuffer>,
  handler: ServeHandler,
): Promise<Response> {
  const { method = "GET", url = "/" } = incoming;
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
    }
    const bodyless = method === "GET" || method === "HEAD" || body.length === 0;
    // The authority is nobody's claim: only path and query come from the peer.
    const request = new Request(`http://localhost${url.startsWith("/") ? url : "/"}`, {
      method,
      headers,
      body: bodyless ? null : body,
    });
    return await handler(request, canonicalAddress(incoming.socket.remoteAddress ?? ""));
  } catch {
    // What was thrown may hold anything; the handler reports what it foresaw itself.
    return new Response("internal error\n", { status: 500 });
  }
}
