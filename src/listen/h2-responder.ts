import { Fault } from "../errors.ts";
import type { Certified } from "../model/certificate.ts";
import type { Feeder, Responder, Taken } from "../model/exchange.ts";
import type { Fields, HeaderList } from "../model/headers.ts";
import type { H2Conn } from "./h2-conn.ts";

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);

/** Writes the answer of one stream. */
export class H2Responder implements Responder {
  readonly modern = true;
  readonly lines = false;
  started = false;
  abandoned = false;
  feeder: Feeder | null = null;
  readonly #owner: H2Conn;
  readonly #stream: number;
  readonly #method: string;
  #bodyless = false;
  #ended = false;
  /** Enough is queued: `flush` answers false until the stream drains. */
  #full = false;
  #blocked = false;

  constructor(owner: H2Conn, stream: number, method: string) {
    this.#owner = owner;
    this.#stream = stream;
    this.#method = method;
  }

  interim(status: number, _reason: string, fields: Fields): void {
    if (!this.started) this.#owner.engine.inform(this.#stream, status, listOf(fields));
  }

  head(status: number, _reason: string, fields: Fields, length: number, certificate: Certified | null): void {
    this.started = true;
    this.#bodyless = this.#method === "HEAD" || status === 204 || status === 304;
    const list = [...listOf(fields)];
    if (length >= 0 && status !== 204) list.push("content-length", String(length));
    if (certificate !== null) list.push("x-eve-decision-cert", certificate.header);
    this.#ended = this.#bodyless;
    this.#owner.engine.respond(this.#stream, status, list, this.#bodyless);
  }

  body(bytes: Uint8Array): void {
    if (this.#ended || bytes.length === 0) return;
    if (!this.#owner.engine.data(this.#stream, bytes, false)) this.#full = true;
  }

  end(trailers: HeaderList | null): void {
    if (!this.#ended) {
      if (trailers === null) this.#owner.engine.data(this.#stream, NOTHING, true);
      else this.#owner.engine.trailers(this.#stream, trailers);
    }
    this.#ended = true;
    this.#done = true;
  }

  #done = false;

  flush(): boolean {
    this.#owner.flush();
    if (this.#done) {
      this.feeder = null;
      return true;
    }
    if (this.#full) this.#blocked = true;
    return !this.#full;
  }

  answer(status: number, reason: string, headers: HeaderList, body: string, _sever: boolean): void {
    const bytes = encoder.encode(body);
    this.head(status, reason, headers, bytes.length, null);
    this.body(bytes);
    this.end(null);
    this.flush();
  }

  /** A socket cannot be had of a stream. */
  takeover(): Taken {
    throw new Fault("unsupported", "a stream of HTTP/2 cannot leave HTTP");
  }

  sever(): void {
    this.feeder = null;
    this.#owner.cut(this.#stream);
  }

  /** Called by the door: it answers, whoever else was about to. */
  supersede(status: number, text: string): void {
    this.gone();
    this.answer(status, "", ["content-type", "text/plain; charset=utf-8"], text, true);
  }

  /** Called by the connection. */
  drained(): void {
    this.#full = false;
    if (!this.#blocked) return;
    this.#blocked = false;
    this.feeder?.clientDrained();
  }

  gone(): void {
    const feeder = this.feeder;
    this.abandoned = true;
    this.feeder = null;
    feeder?.clientGone();
  }
}

function listOf(fields: Fields): HeaderList {
  if (Array.isArray(fields)) return fields;
  throw new Fault("unsupported", "fields as lines cannot go into HTTP/2");
}
