import type { Egress } from "../model/egress.ts";
import type { Exchange, Held } from "../model/exchange.ts";
import type { RequestHead } from "../wire/http1.ts";
import type { BodyHolder } from "./body.ts";
import { HttpEgress } from "./egress-of.ts";
import { Http1Responder } from "./responder.ts";
import type { ServerConn } from "./server-conn.ts";

/** One request of a connection, as the pipeline sees it. */
export class ServerExchange implements Exchange {
  readonly egress: Egress;
  readonly protocol = "http/1.1";
  readonly declaredLength: number;
  readonly startedAt: number;
  readonly responder: Http1Responder;
  readonly stream = null;
  waitedMs = 0;
  readonly #owner: ServerConn;
  /** Its own, whatever the connection holds by the time it is released. */
  readonly #body: BodyHolder | null;

  constructor(owner: ServerConn, head: RequestHead, body: BodyHolder | null) {
    this.#owner = owner;
    this.#body = body;
    this.startedAt = owner.door.runtime.monotonic();
    this.declaredLength = head.contentLength;
    this.egress = new HttpEgress(head, owner.conn, owner.inside);
    this.responder = new Http1Responder(owner, head, body);
  }

  hold(maxBytes: number): Held | Promise<Held> {
    const held = this.#owner.hold(maxBytes);
    return held instanceof Promise ? this.#timed(held) : held;
  }

  async #timed(waiting: Promise<Held>): Promise<Held> {
    const from = this.#owner.door.runtime.monotonic();
    const held = await waiting;
    // Not when the door has answered meanwhile: then the deadline is that of the severing.
    if (this.#owner.busy) this.#owner.deadline = Number.POSITIVE_INFINITY;
    this.waitedMs = this.#owner.door.runtime.monotonic() - from;
    return held;
  }

  release(): void {
    this.#body?.release();
  }
}
