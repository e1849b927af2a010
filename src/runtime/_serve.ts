/**
 * The HTTP server of the gateway's own surfaces, over node:http on both runtimes: Deno.serve has neither an idle timeout
 * nor a body limit, and both serve() functions answer a CONNECT as if there could be a tunnel. Strangers' traffic never
 * comes here; the doors have a codec of their own.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import tls from "node:tls";
import { Fault, messageOf } from "../errors.ts";
import { canonicalAddress } from "./_conn.ts";
import { joined } from "./_decode.ts";
import { closing, listening } from "./_listen.ts";
import type { Served, ServeHandler, ServeOptions } from "./contract.ts";

const SMALL_BODY = 64 * 1024;
const MAX_CONNECTIONS = 256;
const IDLE_MS = 5_000;
const REQUEST_MS = 10_000;
const TIMEOUTS = { headersTimeout: 5_000, requestTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 };

/** What the answering of one listener's requests shares. */
interface Desk {
  readonly handler: ServeHandler;
  readonly maxBody: number;
  readonly maxBodies: number;
  readonly known: NonNullable<ServeOptions["known"]>;
  /** Connections whose whole request is here and not yet answered. */
  readonly serving: Set<Socket>;
  /** By connection, what its certificate says; empty without TLS. */
  readonly names: WeakMap<Socket, string>;
  /** Bytes of bodies that are here or on their way. */
  held: number;
}

export async function serve(options: ServeOptions, handler: ServeHandler): Promise<Served> {
  const { host, port } = options;
  const { maxBody = SMALL_BODY, maxBodies = Number.POSITIVE_INFINITY, maxConnections = MAX_CONNECTIONS } = options;
  const keepAliveTimeout = options.idleMs ?? IDLE_MS;
  const { known = () => true } = options;
  const desk: Desk = { handler, maxBody, maxBodies, known, serving: new Set(), names: new WeakMap(), held: 0 };
  const server = http.createServer(
    { ...TIMEOUTS, keepAliveTimeout, maxHeaderSize: 16 * 1024 },
    (incoming, outgoing) => void answer(incoming, outgoing, desk).catch(() => outgoing.destroy()),
  );
  server.setTimeout(Math.max(REQUEST_MS, keepAliveTimeout));
  const front = options.tls === undefined ? server : secured(server, options.tls, desk);
  const open = new Set<Socket>();
  front.on(options.tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    if (open.size <= maxConnections) return;
    // The longest open makes room, not the newest: whoever merely holds connections must not keep the operator out.
    for (const one of open) {
      if (desk.serving.has(one)) continue;
      open.delete(one);
      one.destroy();
      return;
    }
    socket.destroy();
  });
  const what = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  await listening(front, () => front.listen({ host, port, exclusive: true }), what);
  const bound = front.address() as AddressInfo;
  const secure: Served["secure"] = (identity) => {
    if (options.tls === undefined || !(front instanceof tls.Server)) {
      throw new Fault("listen_failed", "cannot serve TLS: this surface is served without it");
    }
    front.setSecureContext(contextOf({ ...options.tls, ...identity }));
  };
  return { address: canonicalAddress(bound.address), port: bound.port, close: closing(front), secure };
}

/** Throws Fault `listen_failed`. */
function contextOf({ cert, key, clientCa }: NonNullable<ServeOptions["tls"]>) {
  try {
    // One of the runtimes begins to listen whatever it was given.
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) throw new TypeError("the key is another's");
    if (clientCa !== undefined) new X509Certificate(clientCa);
  } catch (cause) {
    throw new Fault("listen_failed", `cannot serve TLS: ${messageOf(cause)}`, { cause });
  }
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }), minVersion: "TLSv1.2" } as const;
}

/** node:https says nothing of a client's certificate on Bun; a TLS server in front of a plain one does on both. */
function secured(server: http.Server, given: NonNullable<ServeOptions["tls"]>, desk: Desk): tls.Server {
  const { clientCa } = given;
  const asked = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
  const secure = { ...contextOf(given), ...asked, handshakeTimeout: 5_000 } as const;
  const front = tls.createServer(secure, (socket) => {
    const name = clientCa === undefined ? undefined : socket.getPeerCertificate()?.subject?.CN;
    if (typeof name === "string") desk.names.set(socket, name);
    socket.on("error", () => socket.destroy());
    server.emit("connection", socket);
  });
  front.on("tlsClientError", (_error, socket) => socket.destroy());
  return front;
}

async function answer(incoming: http.IncomingMessage, outgoing: http.ServerResponse, desk: Desk): Promise<void> {
  const arriving = new Arriving(incoming, desk);
  const { socket } = incoming;
  try {
    const body = await arriving.whole();
    if (typeof body === "number") {
      outgoing.writeHead(body, { connection: "close", "content-length": 0 }).end();
      return;
    }
    desk.serving.add(socket);
    await send(await respond(incoming, body, desk), incoming, outgoing);
  } finally {
    arriving.done();
    desk.serving.delete(socket);
  }
}

/** A body on its way, and the room it takes until it is answered. */
class Arriving {
  readonly #incoming: http.IncomingMessage;
  readonly #desk: Desk;
  #taken = 0;

  constructor(incoming: http.IncomingMessage, desk: Desk) {
    this.#incoming = incoming;
    this.#desk = desk;
  }

  /** A status when it may not be had. Rejects when the peer leaves in the middle of it. */
  async whole(): Promise<Uint8Array<ArrayBuffer> | 413 | 503> {
    const { headers, socket } = this.#incoming;
    const known = this.#desk.known(headers.authorization, this.#desk.names.get(socket) ?? null);
    const maxBody = known ? this.#desk.maxBody : Math.min(SMALL_BODY, this.#desk.maxBody);
    const stated = Number(headers["content-length"] ?? 0);
    if (stated > maxBody) return 413;
    if (!this.#take(stated)) return 503;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for await (const chunk of this.#incoming as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      length += chunk.length;
      if (length > maxBody) return 413;
      if (length > this.#taken && !this.#take(length - this.#taken)) return 503;
      chunks.push(chunk);
    }
    const [only] = chunks;
    if (chunks.length === 1 && only !== undefined) return only;
    return (await joined(chunks, length)) as Uint8Array<ArrayBuffer>;
  }

  #take(bytes: number): boolean {
    if (this.#desk.held + bytes > this.#desk.maxBodies) return false;
    this.#desk.held += bytes;
    this.#taken += bytes;
    return true;
  }

  done(): void {
    this.#desk.held -= this.#taken;
    this.#taken = 0;
  }
}

async function respond(
  incoming: http.IncomingMessage,
  body: Uint8Array<ArrayBuffer>,
  { handler, names }: Desk,
): Promise<Response> {
  const { method = "GET", url = "/", socket } = incoming;
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
    }
    const bodyless = method === "GET" || method === "HEAD" || body.length === 0 || body.length > SMALL_BODY;
    // The authority is nobody's claim: only path and query come from the peer.
    const request = new Request(`http://localhost${url.startsWith("/") ? url : "/"}`, {
      method,
      headers,
      body: bodyless ? null : body,
    });
    const arrived = { body, clientName: names.get(socket) ?? null };
    return await handler(request, canonicalAddress(socket.remoteAddress ?? ""), arrived);
  } catch {
    // What was thrown may hold anything; the handler reports what it foresaw itself.
    return new Response("internal error\n", { status: 500 });
  }
}

async function send(response: Response, incoming: http.IncomingMessage, outgoing: http.ServerResponse): Promise<void> {
  const headers = Object.fromEntries(response.headers);
  const silent = incoming.method === "HEAD";
  if (response.body === null || headers["content-length"] === undefined) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    outgoing.writeHead(response.status, { ...headers, "content-length": bytes.length });
    outgoing.end(silent ? undefined : bytes);
    return;
  }
  outgoing.writeHead(response.status, headers);
  if (silent) {
    outgoing.end();
    return;
  }
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    if (outgoing.destroyed) return;
    if (!outgoing.write(chunk)) await drained(outgoing);
  }
  outgoing.end();
}

/** Also when nothing can be written any more. */
function drained(outgoing: http.ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      outgoing.off("drain", go);
      outgoing.off("close", go);
      resolve();
    };
    outgoing.on("drain", go);
    outgoing.on("close", go);
  });
}
