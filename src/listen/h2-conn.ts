import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import { ErrorCode, H2Server } from "../wire/h2.ts";
import { OutBuffer } from "../wire/out-buffer.ts";
import type { Door, Served, TunnelInside } from "./door.ts";
import { H2Streams } from "./h2-streams.ts";
import type { HeldShare } from "./held.ts";

/** How long a client may take to read what ends its connection before it is cut. */
const LINGER_MS = 300;

/** Filled and sent at once, so all connections share it. */
const outgoing = new OutBuffer();
/** It is being filled: whoever is told in there that a stream drained may write, and that leaves in the next turn. */
let filling = false;

/**
 * One client connection speaking HTTP/2 inside a tunnel: its streams are decided and answered each by itself, as many at
 * once as the client opens.
 */
export class H2Conn implements ConnHandler, Deadlined, Served {
  deadline: number;
  readonly conn: Conn;
  readonly door: Door;
  readonly inside: TunnelInside;
  readonly share: HeldShare;
  readonly engine: H2Server;
  readonly #streams: H2Streams;
  readonly #done: () => void;
  /** The client has not yet taken what was written. */
  #stuck = false;
  /** Its bytes are being read: what they lead to is sent when all of them have been. */
  #reading = false;
  #soon = false;
  #peerEnded = false;
  #state: "open" | "closing" | "closed" = "open";

  /** `done` is called once, when the socket is gone. */
  constructor(conn: Conn, door: Door, inside: TunnelInside, done: () => void) {
    this.conn = conn;
    this.door = door;
    this.inside = inside;
    this.#done = done;
    this.share = door.budget.open(conn.remoteAddress);
    this.#streams = new H2Streams(this);
    this.engine = new H2Server({ ...door.h2Limits, ...door.wireLimits }, this.#streams);
    this.deadline = door.deadlines.now + door.config.headerTimeoutMs;
    conn.handler = this;
    door.deadlines.add(this);
    door.connections.add(this);
    this.soon();
  }

  get busy(): boolean {
    return this.#streams.size > 0;
  }

  // ── the socket ──

  data(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#reading = true;
    this.engine.push(bytes, this.door.deadlines.now);
    this.#reading = false;
    this.flush();
  }

  /** Unlike in HTTP/1.1 nobody waits for answers behind a FIN: it could not open windows nor answer a ping any more. */
  end(): void {
    this.#peerEnded = true;
    this.#streams.leave();
    this.#rest();
  }

  drain(): void {
    this.#stuck = false;
    this.#rest();
    this.flush();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.door.deadlines.remove(this);
    this.door.connections.delete(this);
    this.#streams.leave();
    this.share.close();
    this.#done();
  }

  expired(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#state === "closing") this.conn.destroy();
    // It does not take what was written for it.
    else if (this.#stuck) this.conn.reset();
    else {
      this.drainDown();
      if (this.#streams.size === 0) this.#close();
    }
  }

  /** Takes up no more streams, and closes when those under way are through. */
  drainDown(): void {
    this.engine.goaway();
    this.flush();
    this.#rest();
  }

  // ── what streams ask ──

  /** A stream is under way, or one has ended. */
  moved(): void {
    if (this.#streams.size > 0) this.deadline = this.#stuck ? this.#stall : Number.POSITIVE_INFINITY;
    else this.#rest();
  }

  /** Something was put into the engine, not from inside an event of it: it leaves in the next turn. */
  soon(): void {
    if (this.#soon || this.#reading) return;
    this.#soon = true;
    this.door.runtime.afterTurn(() => {
      this.#soon = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#reading || this.#state === "closed") return;
    if (filling) {
      this.soon();
      return;
    }
    while (!this.#stuck) {
      const more = this.#fill();
      if (outgoing.length > 0 && !this.conn.send(outgoing.bytes, outgoing.length)) {
        this.#stuck = true;
        this.deadline = this.#stall;
      }
      if (!more) break;
    }
    if (this.engine.fault !== null) this.#close();
    else if (this.#state === "open" && this.#streams.size === 0) this.#rest();
  }

  #fill(): boolean {
    filling = true;
    try {
      return this.engine.fill(outgoing.clear());
    } finally {
      filling = false;
    }
  }

  /** Cuts a stream in the middle, so that nobody takes the part for the whole. */
  cut(stream: number, code: number = ErrorCode.INTERNAL_ERROR): void {
    this.engine.reset(stream, code);
    this.#streams.forget(stream);
    this.soon();
  }

  /** A stream was refused: by the setting the connection ends with it, and whatever else is under way on it. */
  sever(): void {
    if (this.door.config.h2Sever === "stream") return;
    // Behind everything that is being read and written in this turn, the answer for one.
    this.door.runtime.afterTurn(() => {
      this.engine.goaway();
      this.flush();
      this.#close();
    });
  }

  /** A client that stands still is given as long as any stream that does. */
  get #stall(): number {
    return this.door.deadlines.now + this.door.config.idleTimeoutMs;
  }

  /** Nothing may be under way: the connection waits, or ends. */
  #rest(): void {
    if (this.#state !== "open" || this.#streams.size > 0) return;
    if (this.#peerEnded || (this.door.draining && this.engine.drained)) this.#close();
    else if (this.#stuck) this.deadline = this.#stall;
    else this.deadline = this.door.deadlines.now + this.door.config.keepAliveTimeoutMs;
  }

  #close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.conn.end();
    this.conn.resume();
    this.deadline = this.#stuck ? this.#stall : this.door.deadlines.now + LINGER_MS;
  }
}
