import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import { ErrorCode, H2Server } from "../wire/h2.ts";
import { H2_AT_ONCE, H2Pump, type Pumped } from "../wire/h2-pump.ts";
import type { Arrival, Door, Served, TunnelInside } from "./door.ts";
import { H2Streams } from "./h2-streams.ts";
import type { HeldShare, Standing } from "./held.ts";
import type { Redirected } from "./redirected.ts";

/** How long a client may take to read what ends its connection before it is cut. */
const LINGER_MS = 300;
/**
 * Times `maxUnsent`, bodies that wait for a client: more comes together only where each of very many streams has had its first
 * read, which nobody could stop.
 */
const MOST_QUEUED = 8;
/** Bytes of bodies that wait on a connection, below which it does not stand in the way of others of its address. */
const MOST_BESIDE = 256 * 1024;

/**
 * One client connection speaking HTTP/2 inside a tunnel, or redirected here: its streams are decided and answered each by itself, as many at
 * once as the client opens.
 */
export class H2Conn implements ConnHandler, Deadlined, Pumped, Served, Standing {
  readonly atOnce = H2_AT_ONCE;
  deadline: number;
  readonly conn: Conn;
  readonly door: Door;
  readonly inside: TunnelInside | null;
  readonly redirected: Redirected | null;
  readonly share: HeldShare;
  readonly engine: H2Server;
  readonly #streams: H2Streams;
  readonly #done: () => void;
  readonly #pump: H2Pump;
  /** Bytes that wait for the client and are counted as held. */
  #charged = 0;
  #givenUp = false;
  #peerEnded = false;
  #state: "open" | "closing" | "closed" = "open";

  constructor(conn: Conn, door: Door, { inside, redirected, done }: Arrival) {
    this.conn = conn;
    this.door = door;
    this.inside = inside ?? null;
    this.redirected = redirected ?? null;
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
    this.#streams.read();
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
    this.share.standing.delete(this);
    this.#charge(0);
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
    this.#weigh();
    const { fault } = this.engine;
    // Whoever asks for more than it takes is not waited for.
    if (fault?.code === ErrorCode.ENHANCE_YOUR_CALM && this.#pump.stuck) this.conn.reset();
    else if (fault !== null) this.#close();
    else if (this.#state === "open" && this.#streams.size === 0) this.#rest();
  }

  /** Counts what waits for the client, and ends the connection when that is too much. */
  #weigh(): void {
    const { engine, share, door } = this;
    const { unsent, queued } = engine;
    if (this.#givenUp) return;
    this.#charge(unsent + queued);
    if (queued > MOST_BESIDE) share.standing.add(this);
    else share.standing.delete(this);
    share.relieve();
    const { maxUnsent } = door.h2Limits;
    const most = share.full ? maxUnsent : maxUnsent * MOST_QUEUED;
    if (unsent > maxUnsent || queued > most) this.giveWay();
  }

  giveWay(): void {
    if (this.#givenUp) return;
    this.#givenUp = true;
    this.share.standing.delete(this);
    this.#charge(0);
    // Not from inside of whoever wrote the last of it.
    this.afterTurn(() => {
      this.engine.giveUp();
      this.flush();
    });
  }

  #charge(bytes: number): void {
    const more = bytes - this.#charged;
    this.#charged = bytes;
    if (more > 0) this.share.take(more);
    else this.share.give(-more);
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
