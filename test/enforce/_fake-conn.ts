import type { Conn, ConnHandler } from "../../src/model/conn.ts";

/** A connection that goes nowhere and remembers what it was told. */
export class FakeConn implements Conn {
  handler: ConnHandler;
  readonly remoteAddress = "192.0.2.1";
  readonly remotePort = 80;
  readonly localAddress = "192.0.2.2";
  readonly localPort = 1;
  readonly alpn = null;
  closed = false;
  paused = false;

  constructor(handler: ConnHandler) {
    this.handler = handler;
  }

  write(): boolean {
    return true;
  }
  send(): boolean {
    return true;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  end(): void {}
  reset(): void {
    this.destroy();
  }
  destroy(): void {
    this.closed = true;
  }
}
