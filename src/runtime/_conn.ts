/**
 * A connection over node:net or node:tls, the same source on both runtimes. This is the hot path: one object a
 * connection, listeners shared by all of them (they find their connection through a symbol on the socket), and one
 * buffer a write.
 */
import { Buffer } from "node:buffer";
import type net from "node:net";
import type { Conn, ConnHandler } from "./contract.ts";

/** Writes `text`, one byte a char, at the start of `into`, which has room for it. */
export type Latin1Write = (into: Buffer, text: string) => void;

export const KEEPALIVE_DELAY_MS = 30_000;

const owner = Symbol("conn");
export type OwnedSocket = net.Socket & { [owner]?: SocketConn };

export const deaf: ConnHandler = { data() {}, end() {}, drain() {}, close() {} };

let latin1Write: Latin1Write = (into, text) => {
  into.write(text, 0, "latin1");
};
/** The fastest spelling differs a lot between the runtimes, so each hands in its own. */
export function setLatin1Write(write: Latin1Write): void {
  latin1Write = write;
}

export function canonicalAddress(address: string | undefined): string {
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

export class SocketConn implements Conn {
  handler: ConnHandler;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly alpn: string | null;
  readonly #socket: OwnedSocket;
  #ending = false;
  #ours = false;
  #peerEnded = false;
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
    if (this.#ours || this.#socket.destroyed) return;
    // A plain Uint8Array: Buffer's slice() is a view, and the core is written for one that copies.
    this.handler.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  ended(): void {
    if (this.#ours || this.#socket.destroyed || this.#peerEnded) return;
    this.#peerEnded = true;
    this.handler.end();
  }

  drained(): void {
    if (this.#ours || this.#socket.destroyed || !this.#waiting) return;
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
    // Bun now and then closes without "end" when the peer's FIN answers ours; a reset always comes with an error.
    if (this.#ending && !this.#ours && !this.#peerEnded && this.#error === null) {
      this.#peerEnded = true;
      this.handler.end();
    }
    this.#told = true;
    this.handler.close(this.#error);
  }

  get closed(): boolean {
    return this.#told || this.#socket.destroyed;
  }

  write(bytes: string | Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#ending || socket.destroyed || bytes.length === 0) return true;
    let out = bytes;
    if (typeof out === "string") {
      const text = out;
      const buffer = Buffer.allocUnsafe(text.length);
      latin1Write(buffer, text);
      out = buffer;
    }
    const accepted = socket.write(out);
    // The stream answers false for any write over its mark, even when the kernel took it at once.
    if (accepted || socket.writableLength === 0) return true;
    this.#waiting = true;
    return false;
  }

  send(bytes: Uint8Array, length: number): boolean {
    const out = Buffer.allocUnsafe(length);
    out.set(bytes.subarray(0, length), 0);
    return this.write(out);
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
    if (this.#ours || this.#socket.destroyed) return;
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
