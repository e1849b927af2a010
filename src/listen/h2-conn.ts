import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import { ErrorCode, H2Server } from "../wire/h2.ts";
import { H2Pump, type Pumped } from "../wire/h2-pump.ts";
import type { Door, Served, TunnelInside } from "./door.ts";
import { H2Streams } from "./h2-streams.ts";
import type { HeldShare } from "./held.ts";

/** How long a client may take to read what ends its connection before it is cut. */
const LINGER_MS = 300;

/**
 * One client connection speaking HTTP/2 inside a tunnel: its streams are decided and answered each by itself, as many at
 * once as the client opens.
 */
export class H2Conn implements ConnHandler, Deadlined, Pumped, Served {
  deadline: number;
  readonly conn: Conn;
  readonly door: Door;
  readonly inside: TunnelInside;
  readonly share: HeldShare;
  readonly engine: H2Server;
  readonly #streams: H2Streams;
  readonly #done: () => void;
  readonly #pump: H2Pump;
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
    this.#pump = new H2Pump(this.engine, conn, this);
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
    this.#pump.read(bytes, this.door.deadlines.now);
    this.flush();
  }

  /** Unlike in HTTP/1.1 nobody waits for answers behind a FIN: it could not open windows nor answer a ping any more. */
  end(): void {
    this.#peerEnded = true;
    this.#streams.leave();
    this.#rest();
  }

  drain(): void {
    this.#pump.stuck = false;
    this.#rest();
    this.flush();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#pump.stop();
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
    else if (this.#pump.stuck) this.conn.reset();
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
    if (this.#streams.size > 0) this.deadline = this.#pump.stuck ? this.#stall : Number.POSITIVE_INFINITY;
    else this.#rest();
  }

  /** As `H2Pump.soon`. */
  soon(): void {
    this.#pump.soon();
  }

  flush(): void {
    this.#pump.flush();
  }

  afterTurn(run: () => void): void {
    this.door.runtime.afterTurn(run);
  }

  pumped(blocked: boolean): void {
    if (blocked) this.deadline = this.#stall;
    if (this.engine.fault !== null) this.#close();
    else if (this.#state === "open" && this.#streams.size === 0) this.#rest();
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
    else if (this.#pump.stuck) this.deadline = this.#stall;
    else this.deadline = this.door.deadlines.now + this.door.config.keepAliveTimeoutMs;
  }

  #close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.conn.end();
    this.conn.resume();
    this.deadline = this.#pump.stuck ? this.#stall : this.door.deadlines.now + LINGER_MS;
  }
}
