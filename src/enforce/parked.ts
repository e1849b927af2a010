import type { Conn, ConnHandler } from "../model/conn.ts";

/**
 * Holds what a connection says while nobody owns it yet, and plays it to the owner in order. Reading stops at the first
 * bytes, so what can gather is one socket buffer.
 */
export class Parked implements ConnHandler {
  protected conn: Conn | null = null;
  protected chunks: Uint8Array[] = [];
  #ended = false;
  #closed = false;
  #error: Error | null = null;

  attach(conn: Conn): void {
    this.conn = conn;
    conn.handler = this;
  }

  data(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.conn?.pause();
  }

  end(): void {
    this.#ended = true;
  }

  drain(): void {}

  close(error: Error | null): void {
    this.#closed = true;
    this.#error = error;
  }

  get gone(): boolean {
    return this.#closed;
  }

  /** Gives the connection to `owner`, with everything that happened in between. */
  handOver(conn: Conn, owner: ConnHandler): void {
    conn.handler = owner;
    const chunks = this.chunks;
    this.chunks = [];
    // Before the owner hears anything: what it says about reading from then on must stand.
    if (!this.#closed) conn.resume();
    for (const chunk of chunks) conn.handler.data(chunk);
    if (this.#ended) conn.handler.end();
    if (this.#closed) conn.handler.close(this.#error);
  }
}
