import type { Egress } from "../model/egress.ts";
import type { Exchange, Held } from "../model/exchange.ts";
import type { RequestHead } from "../wire/http1.ts";
import type { BodyHolder } from "./body.ts";
import { BodyWait } from "./body-wait.ts";
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
  /** For its body, since that was asked for. */
  wait: BodyWait | null = null;
  readonly #owner: ServerConn;
  /** Its own, whatever the connection holds by the time it is released. */
  readonly #body: BodyHolder | null;

  constructor(owner: ServerConn, head: RequestHead, body: BodyHolder | null) {
    this.#owner = owner;
    this.#body = body;
    this.startedAt = owner.door.runtime.monotonic();
    this.declaredLength = head.contentLength;
    this.egress = new HttpEgress(head, owner);
    this.responder = new Http1Responder(owner, head, body);
  }

  hold(maxBytes: number): Held | Promise<Held> {
    const body = this.#body;
    if (body === null) return { kind: "none" };
    const held = body.hold(maxBytes);
    if (!(held instanceof Promise)) return held;
    const { door, share } = this.#owner;
    const wait = new BodyWait(door, share, body, this.#owner);
    this.wait = wait;
    const timed = this.#timed(wait, held);
    this.#owner.awaits(wait);
    return timed;
  }

  async #timed(wait: BodyWait, waiting: Promise<Held>): Promise<Held> {
    const { held, ms } = await wait.until(waiting);
    this.waitedMs = ms;
    return held;
  }

  release(): void {
    this.#body?.release();
  }
}
