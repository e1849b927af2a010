/**
 * Connections, listeners and dials over node:net and node:tls, the same source on both runtimes. This is the hot path:
 * one object a connection, listeners shared by all of them (they find their connection through a symbol on the
 * socket), and one buffer a write.
 */
import { Buffer } from "node:buffer";
import { chmodSync, unlinkSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { Fault, messageOf } from "../errors.ts";
import { trust } from "./_trust.ts";
import type { Conn, ConnHandler, Dialing, DialTarget, Listener, ListenOptions, TlsClientOptions } from "./contract.ts";

/** Writes `text`, one byte a char, at the start of `into`, which has room for it. */
export type Latin1Write = (into: Buffer, text: string) => void;

/** Up to here head and body are copied into one buffer; beyond it the copy costs more than a vectored write. */
const JOIN_LIMIT = 32 * 1024;
const KEEPALIVE_DELAY_MS = 30_000;
const BACKLOG = 4096;

const owner = Symbol("conn");
type OwnedSocket = net.Socket & { [owner]?: SocketConn };

const deaf: ConnHandler = { data() {}, end() {}, drain() {}, close() {} };

let latin1Write: Latin1Write = (into, text) => {
  into.write(text, 0, "latin1");
};
/** The fastest spelling differs a lot between the runtimes, so each hands in its own. */
export function setLatin1Write(write: Latin1Write): void {
  latin1Write = write;
}

let repairTls: (socket: tls.TLSSocket) => void = () => {};
/** Called for every dialled TLS socket once it is secure. */
export function setTlsRepair(repair: (socket: tls.TLSSocket) => void): void {
  repairTls = repair;
}

function canonicalAddress(address: string | undefined): string {
  if (address === undefined) return "";
  if (address.startsWith("::ffff:") && address.includes(".")) return address.slice(7);
  const zone = address.indexOf("%");
  return zone < 0 ? address : address.slice(0, zone);
}

function onData(this: OwnedSocket, bytes: Buffer): void {
  this[owner]?.received(bytes);
}
function onEnd(this: OwnedSocket): void {
  this[owner]?.ended();
}
function onDrain(this: OwnedSocket): void {
  this[owner]?.drained();
}
function onError(this: OwnedSocket, error: Error): void {
  this[owner]?.failed(error);
}
function onClose(this: OwnedSocket): void {
  this[owner]?.gone();
}

class SocketConn implements Conn {
  handler: ConnHandler;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly alpn: string | null;
  readonly #socket: OwnedSocket;
  #ending = false;
  #ours = false;
  #waiting = false;
  #told = false;
  #error: Error | null = null;

  constructor(socket: OwnedSocket, handler: ConnHandler, alpn: string | null) {
    this.#socket = socket;
    this.handler = handler;
    this.alpn = alpn;
    this.remoteAddress = canonicalAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = canonicalAddress(socket.localAddress);
    this.localPort = socket.localPort ?? 0;
    socket[owner] = this;
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.on("drain", onDrain);
    socket.on("end", onEnd);
    socket.on("data", onData);
  }

  received(bytes: Buffer): void {
    if (this.#socket.destroyed) return;
    // A plain Uint8Array: Buffer's slice() is a view, and the core is written for one that copies.
    this.handler.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  ended(): void {
    if (!this.#socket.destroyed) this.handler.end();
  }

  drained(): void {
    if (this.#socket.destroyed || !this.#waiting) return;
    this.#waiting = false;
    this.handler.drain();
  }

  failed(error: Error): void {
    // After our own reset or destroy an error says nothing: it is what we asked for.
    if (!this.#ours) this.#error ??= error;
    if (!this.#socket.destroyed) this.#socket.destroy();
  }

  gone(): void {
    if (this.#told) return;
    this.#told = true;
    this.handler.close(this.#error);
  }

  get closed(): boolean {
    return this.#told || this.#socket.destroyed;
  }

  write(head: string | Uint8Array, body?: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#ending || socket.destroyed) return true;
    const bodyLength = body === undefined ? 0 : body.length;
    const total = head.length + bodyLength;
    if (total === 0) return true;
    let accepted: boolean;
    if (typeof head === "string") {
      if (total <= JOIN_LIMIT || bodyLength === 0) {
        const out = Buffer.allocUnsafe(total);
        latin1Write(out, head);
        if (body !== undefined) out.set(body, head.length);
        accepted = socket.write(out);
      } else {
        const out = Buffer.allocUnsafe(head.length);
        latin1Write(out, head);
        accepted = this.#writeTwo(out, body as Uint8Array);
      }
    } else if (bodyLength === 0) {
      accepted = socket.write(head);
    } else if (total <= JOIN_LIMIT) {
      const out = Buffer.allocUnsafe(total);
      out.set(head, 0);
      out.set(body as Uint8Array, head.length);
      accepted = socket.write(out);
    } else {
      accepted = this.#writeTwo(head, body as Uint8Array);
    }
    // The stream answers false for any write over its mark, even when the kernel took it at once.
    if (accepted || socket.writableLength === 0) return true;
    this.#waiting = true;
    return false;
  }

  #writeTwo(head: Uint8Array, body: Uint8Array): boolean {
    const socket = this.#socket;
    socket.cork();
    socket.write(head);
    const accepted = socket.write(body);
    socket.uncork();
    return accepted;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#ending || this.#socket.destroyed) return;
    this.#ending = true;
    this.#socket.end();
  }

  reset(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    this.#ending = true;
    this.#ours = true;
    resetSocket(socket);
  }

  destroy(): void {
    if (this.#socket.destroyed) return;
    this.#ending = true;
    this.#ours = true;
    this.#socket.destroy();
  }
}

function resetSocket(socket: net.Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    // Only TCP can be reset: not a Unix socket. Deno cannot reset below TLS either, where this is a close without RST.
  }
  if (!socket.destroyed) socket.destroy();
}

function adopt(server: net.Server, accept: (conn: Conn) => void): void {
  server.on("connection", (socket: OwnedSocket) => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_DELAY_MS);
    const conn = new SocketConn(socket, deaf, null);
    try {
      accept(conn);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  });
}

function listening(server: net.Server, start: () => void, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new Fault("listen_failed", `cannot listen on ${what}: ${error.code ?? messageOf(error)}`, { cause: error }),
      );
    });
    server.once("listening", () => {
      server.removeAllListeners("error");
      // An accept that fails later (EMFILE) must not end the process; the connection is simply not there.
      server.on("error", () => {});
      resolve();
    });
    start();
  });
}

function closing(server: net.Server): () => Promise<void> {
  let closed: Promise<void> | null = null;
  return () => {
    // `server.close` calls back only when the last connection has gone; not accepting any more is at once.
    closed ??= new Promise((resolve) => {
      server.close();
      resolve();
    });
    return closed;
  };
}

export async function listen(options: ListenOptions, accept: (conn: Conn) => void): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true });
  adopt(server, accept);
  const what = `${options.host.includes(":") ? `[${options.host}]` : options.host}:${options.port}`;
  const request: net.ListenOptions = { host: options.host, port: options.port, backlog: BACKLOG };
  if (options.reusePort === true) request.reusePort = true;
  else request.exclusive = true;
  await listening(server, () => server.listen(request), what);
  const bound = server.address() as net.AddressInfo;
  return { address: canonicalAddress(bound.address), port: bound.port, close: closing(server) };
}

export async function listenUnix(path: string, accept: (conn: Conn) => void): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true });
  adopt(server, accept);
  // bind(2) happens inside listen(), so the file is 0600 from its first moment and never open to others.
  const mask = process.umask(0o177);
  const bound = listening(
    server,
    () => {
      try {
        server.listen(path);
      } finally {
        process.umask(mask);
      }
    },
    path,
  );
  await bound;
  chmodSync(path, 0o600);
  const close = closing(server);
  return {
    address: "",
    port: 0,
    async close() {
      await close();
      try {
        unlinkSync(path);
      } catch {
        // The runtime has removed it.
      }
    },
  };
}

function tlsSocket(address: string, port: number, options: TlsClientOptions): tls.TLSSocket {
  const request: tls.ConnectionOptions & { allowHalfOpen?: boolean } = {
    ...trust(options.extraRoots ?? ""),
    host: address,
    port,
    allowHalfOpen: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    // SNI carries names only; an IP literal is checked against the certificate all the same.
    servername: net.isIP(options.serverName) === 0 ? options.serverName : "",
    checkServerIdentity: (_host, certificate) => {
      if (!certificate.subjectaltname) return new Error("the certificate names no subject alternative name");
      return tls.checkServerIdentity(options.serverName, certificate);
    },
  };
  if (options.alpn !== undefined) request.ALPNProtocols = [...options.alpn];
  return tls.connect(request);
}

function causeOf(error: NodeJS.ErrnoException): string {
  return error.code === undefined ? error.message : `${error.code} ${error.message.replace(`${error.code}: `, "")}`;
}

export function dial(target: DialTarget, handler: ConnHandler): Dialing {
  const secure = "path" in target ? undefined : target.tls;
  const where =
    "path" in target
      ? target.path
      : net.isIPv6(target.address)
        ? `[${target.address}]:${target.port}`
        : `${target.address}:${target.port}`;
  let cancelled = false;
  let settled = false;
  let socket: OwnedSocket | null = null;
  const conn = new Promise<Conn>((resolve, reject) => {
    let reached = false;
    const fail = (error: NodeJS.ErrnoException): void => {
      if (settled) return;
      settled = true;
      socket?.destroy();
      if (reached && secure !== undefined && !cancelled) {
        reject(
          new Fault("tls_failed", `TLS with "${secure.serverName}" at ${where} failed: ${causeOf(error)}`, {
            cause: error,
          }),
        );
      } else {
        reject(new Fault("dial_failed", `dial ${where} failed: ${causeOf(error)}`, { cause: error }));
      }
    };
    try {
      if ("path" in target) socket = net.connect({ path: target.path, allowHalfOpen: true });
      else if (secure !== undefined) socket = tlsSocket(target.address, target.port, secure);
      else socket = net.connect({ host: target.address, port: target.port, allowHalfOpen: true });
    } catch (error) {
      fail(error as NodeJS.ErrnoException);
      return;
    }
    const opened = socket;
    const onFail = (error: NodeJS.ErrnoException): void => fail(error);
    const onGone = (): void => fail(new Error(cancelled ? "cancelled" : "closed before it was established"));
    opened.on("error", onFail);
    opened.on("close", onGone);
    opened.once("connect", () => {
      reached = true;
      opened.setNoDelay(true);
      opened.setKeepAlive(true, KEEPALIVE_DELAY_MS);
      if (secure === undefined) ready();
    });
    if (secure !== undefined) {
      opened.once("secureConnect", () => {
        if ((opened as tls.TLSSocket).authorized) {
          repairTls(opened as tls.TLSSocket);
          ready();
        } else fail(new Error("the certificate is not authorised"));
      });
    }
    const ready = (): void => {
      if (settled) {
        opened.destroy();
        return;
      }
      settled = true;
      opened.off("error", onFail);
      opened.off("close", onGone);
      const alpn = secure === undefined ? null : (opened as tls.TLSSocket).alpnProtocol;
      resolve(new SocketConn(opened, handler, typeof alpn === "string" ? alpn : null));
    };
  });
  return {
    conn,
    cancel() {
      if (settled) return;
      cancelled = true;
      if (socket !== null) socket.destroy(new Error("cancelled"));
    },
  };
}
