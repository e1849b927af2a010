import type { HeaderList } from "../model/headers.ts";
import type { H2Fault, H2RequestHead, H2ServerSink } from "../wire/h2.ts";
import type { WireFault } from "../wire/http1.ts";
import type { H2Conn } from "./h2-conn.ts";
import { H2Exchange } from "./h2-exchange.ts";

const encoder = new TextEncoder();
/** Requests of one connection handed on at once: a read may bring hundreds, and each is decided. */
const AT_ONCE = 16;

/** The streams of a connection, as they are read. A class of its own: its methods would clash with the socket's. */
export class H2Streams implements H2ServerSink {
  readonly #owner: H2Conn;
  readonly #exchanges = new Map<number, H2Exchange>();
  /** To be handed on in later turns, in their order. */
  #later: H2Exchange[] = [];
  #handed = 0;

  constructor(owner: H2Conn) {
    this.#owner = owner;
  }

  get size(): number {
    return this.#exchanges.size;
  }

  request(stream: number, head: H2RequestHead, ended: boolean): void {
    const { door, conn } = this.#owner;
    const exchange = new H2Exchange(this.#owner, stream, head, ended);
    this.#exchanges.set(stream, exchange);
    this.#owner.moved();
    if (head.form === "authority" || head.path === "*")
      exchange.refuse(400, "target_form", "request target form not served here");
    else if (door.mayUse(conn.remoteAddress)) this.#hand(exchange);
    else exchange.refuse(403, "client_not_allowed", "this client may not use the gateway");
  }

  /** A read begins. */
  read(): void {
    this.#handed = 0;
  }

  #hand(exchange: H2Exchange): void {
    if (this.#later.length > 0) this.#later.push(exchange);
    else if (this.#handed < AT_ONCE) {
      this.#handed++;
      this.#owner.door.handle(exchange);
    } else {
      this.#later.push(exchange);
      this.#owner.afterTurn(this.#goOn);
    }
  }

  readonly #goOn = (): void => {
    const due = this.#later;
    let at = 0;
    for (let handed = 0; at < due.length && handed < AT_ONCE; at++) {
      const exchange = due[at] as H2Exchange;
      // Its client may have left it meanwhile.
      if (this.#exchanges.get(exchange.id) !== exchange) continue;
      handed++;
      this.#owner.door.handle(exchange);
    }
    this.#later = due.slice(at);
    if (this.#later.length > 0) this.#owner.afterTurn(this.#goOn);
  };

  malformed(stream: number, { status, code, detail }: WireFault): void {
    const { engine, door, conn } = this.#owner;
    door.notice({ status, code, peer: conn.remoteAddress });
    if (engine.respond(stream, status, ["content-type", "text/plain; charset=utf-8"], false))
      engine.data(stream, encoder.encode(`${detail}\n`), true);
  }

  data(stream: number, bytes: Uint8Array): void {
    const exchange = this.#exchanges.get(stream);
    if (exchange === undefined) this.#owner.engine.consumed(stream, bytes.length);
    else exchange.data(bytes);
  }

  end(stream: number, trailers: HeaderList | null): void {
    this.#exchanges.get(stream)?.end(trailers);
  }

  writable(stream: number): void {
    this.#exchanges.get(stream)?.responder.drained();
  }

  closed(stream: number): void {
    this.forget(stream);
  }

  reset(stream: number, _code: number, fault: WireFault | null): void {
    const { door, conn } = this.#owner;
    const code = fault === null ? "client_gone" : fault.code;
    const exchange = this.#exchanges.get(stream);
    if (fault !== null || exchange?.waiting === true) door.notice({ status: 0, code, peer: conn.remoteAddress });
    this.#drop(stream);
  }

  goaway(): void {}

  failed({ reason }: H2Fault): void {
    const { door, conn } = this.#owner;
    door.notice({ status: 0, code: `h2_${reason}`, peer: conn.remoteAddress });
    this.leave();
  }

  ready(): void {}

  /** The exchange has been answered or cut. */
  forget(stream: number): void {
    const exchange = this.#exchanges.get(stream);
    if (exchange === undefined) return;
    this.#exchanges.delete(stream);
    exchange.over();
    this.#owner.moved();
  }

  /** Nobody is left to be answered. */
  leave(): void {
    for (const stream of [...this.#exchanges.keys()]) this.#drop(stream);
  }

  #drop(stream: number): void {
    const exchange = this.#exchanges.get(stream);
    if (exchange === undefined) return;
    this.#exchanges.delete(stream);
    exchange.gone();
    this.#owner.moved();
  }
}
