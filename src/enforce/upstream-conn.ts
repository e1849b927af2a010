/** An upstream that speaks HTTP/1.1. */
import type { FaultCode } from "../errors.ts";
import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined, Deadlines } from "../model/deadlines.ts";
import { type ResponseHead, ResponseParser, type ResponseSink, type WireLimits } from "../wire/http1.ts";
import { JOIN_LIMIT, OutBuffer } from "../wire/out-buffer.ts";
import { framingOf, linesOf, mayHaveBody } from "./_http1-request.ts";
import type { Dialled } from "./dial.ts";
import type { Pool } from "./pool.ts";
import type { Sent, Upstream, UpstreamUse } from "./upstream.ts";

/** Bytes of a body handed over at a time. */
const PIECE = 256 * 1024;

export interface UpstreamEnv {
  readonly pool: Pool;
  /** As in the Runtime contract. */
  afterTurn(run: () => void): void;
  readonly deadlines: Deadlines;
  readonly limits: WireLimits;
}

/** Filled and sent within one `begin`, so all connections can share it. */
const outgoing = new OutBuffer();

/** One connection to an upstream that speaks HTTP/1.1: one exchange at a time, never two. */
export class UpstreamConn implements Upstream, ConnHandler, Deadlined {
  deadline = Number.POSITIVE_INFINITY;
  readonly protocol = "http";
  readonly whole = false;
  readonly conn: Conn;
  readonly address: string;
  readonly key: string;
  readonly #delivery = new Delivery();
  #writing = false;
  /** What of a body has not been handed over yet. */
  #rest: Uint8Array | null = null;
  #unsent = 0;
  #closed = false;
  /** The request has a body that its server may ignore, and take for the next request. */
  #mute = false;
  readonly #parser: ResponseParser;
  readonly #env: UpstreamEnv;
  /** Set by the pool while the connection idles in it. */
  onIdleEnd: ((upstream: UpstreamConn) => void) | null = null;

  constructor(dialled: Dialled, key: string, env: UpstreamEnv) {
    this.conn = dialled.conn;
    this.address = dialled.address;
    this.key = key;
    this.#env = env;
    this.#parser = new ResponseParser(env.limits, this.#delivery);
    env.deadlines.add(this);
    dialled.parked.handOver(dialled.conn, this);
  }

  /** The last response said (or implied) that another request may follow. */
  get reusable(): boolean {
    return this.#delivery.reusable;
  }

  get alive(): boolean {
    return !this.#closed && !this.conn.closed;
  }

  /** True once a byte of the current response has arrived. */
  get answered(): boolean {
    return this.#parser.started && this.#parser.fault?.code !== "no_answer";
  }

  get unsent(): number {
    return this.#rest?.length ?? this.#unsent;
  }

  begin(use: UpstreamUse, sent: Sent, firstByteMs: number): boolean {
    if (!this.alive) return false;
    this.#delivery.use = use;
    this.#unsent = 0;
    const { egress, fields, body } = sent;
    this.#mute = body !== null && !mayHaveBody(egress.method);
    this.#parser.start(egress.method);
    this.deadline = this.#env.deadlines.now + firstByteMs;
    outgoing.clear().text(linesOf(sent)).fields(fields).text(framingOf(sent)).text("\r\n");
    if (body !== null && body.length <= JOIN_LIMIT) outgoing.append(body);
    else this.#rest = body;
    this.#writing = !this.conn.send(outgoing.bytes, outgoing.length);
    if (this.#rest !== null && !this.#writing) this.#more();
    return true;
  }

  /** A large body goes out piece by piece, so that it never holds the event loop. */
  #more(): void {
    const rest = this.#rest;
    if (rest === null || this.#closed) return;
    const last = rest.length <= PIECE;
    this.#rest = last ? null : rest.subarray(PIECE);
    this.#writing = !this.conn.write(last ? rest : rest.subarray(0, PIECE));
    this.#delivery.use?.uploaded();
    if (!last && !this.#writing) this.#env.afterTurn(this.#goOn);
  }

  readonly #goOn = (): void => {
    if (!this.#writing) this.#more();
  };

  hold(): void {
    this.conn.pause();
  }

  goOn(): void {
    this.conn.resume();
  }

  release(spoilt: boolean): void {
    if (spoilt || this.#mute) this.conn.destroy();
    else this.#env.pool.give(this);
  }

  abandon(): void {
    this.#delivery.use = null;
    this.#drop();
    this.conn.destroy();
  }

  /** What of a body was not handed over never will be. */
  #drop(): void {
    if (this.#rest !== null) this.#unsent = this.#rest.length;
    this.#rest = null;
  }

  detach(): Conn {
    this.#delivery.use = null;
    this.#rest = null;
    this.#env.deadlines.remove(this);
    this.#closed = true;
    return this.conn;
  }

  data(bytes: Uint8Array): void {
    const use = this.#delivery.use;
    if (use === null) {
      // An upstream that talks out of turn has lost count of our requests: nothing it says may reach the next one.
      this.conn.destroy();
      return;
    }
    const used = this.#parser.push(bytes, 0);
    if (this.#parser.fault !== null) {
      this.#fail("upstream_malformed", `malformed answer (${this.#parser.fault.code})`);
      return;
    }
    // The sink may have abandoned us.
    if (this.#delivery.use !== use) return;
    if (this.#parser.complete) this.#complete(use, used < bytes.length ? bytes.subarray(used) : null);
    else use.turn();
  }

  end(): void {
    const use = this.#delivery.use;
    if (use === null) this.conn.destroy();
    else if (this.#parser.eof()) this.#complete(use, null);
    else this.#fail("upstream_closed", "connection closed before the answer was complete");
  }

  drain(): void {
    this.#writing = false;
    if (this.#rest !== null) this.#more();
    else this.#delivery.use?.uploaded();
  }

  close(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#env.deadlines.remove(this);
    this.onIdleEnd?.(this);
    if (this.#delivery.use !== null)
      this.#fail("upstream_closed", error === null ? "connection closed" : "connection reset");
  }

  expired(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#delivery.use === null) this.conn.destroy();
    else this.#fail("upstream_timeout", this.answered ? "answer stalled" : "no answer in time");
  }

  #complete(use: UpstreamUse, leftover: Uint8Array | null): void {
    this.#delivery.use = null;
    this.deadline = Number.POSITIVE_INFINITY;
    // Still writing: it answered before it had the whole request. More bytes: out of turn. Neither is used again.
    if (leftover !== null || this.#writing || this.#rest !== null || this.#closed) this.#delivery.reusable = false;
    this.#drop();
    use.completed(leftover);
  }

  #fail(code: FaultCode, detail: string): void {
    const use = this.#delivery.use;
    this.#delivery.use = null;
    this.#drop();
    this.conn.destroy();
    use?.failed(code, detail, false);
  }
}

/** Passes what the parser reads to the exchange in use. A class, not closures: it is called for every answer. */
class Delivery implements ResponseSink {
  use: UpstreamUse | null = null;
  reusable = true;

  informational(head: ResponseHead): void {
    this.use?.informational(head);
  }

  head(head: ResponseHead): void {
    this.reusable = head.keepAlive && !head.closeDelimited;
    this.use?.head(head);
  }

  body(bytes: Uint8Array): void {
    this.use?.body(bytes);
  }

  end(trailers: readonly string[] | null): void {
    this.use?.end(trailers);
  }
}
