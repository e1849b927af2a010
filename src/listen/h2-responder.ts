import { Fault } from "../errors.ts";
import type { Certified } from "../model/certificate.ts";
import type { Deadlined } from "../model/deadlines.ts";
import type { Feeder, Responder, Taken } from "../model/exchange.ts";
import type { Fields, HeaderList } from "../model/headers.ts";
import type { H2Conn } from "./h2-conn.ts";

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
/** How long an upload may go on behind its answer. */
const UPLOAD_MS = 300;

/** Writes the answer of one stream. */
export class H2Responder implements Responder, Deadlined {
  readonly modern = true;
  readonly lines = false;
  started = false;
  abandoned = false;
  feeder: Feeder | null = null;
  deadline = Number.POSITIVE_INFINITY;
  readonly #owner: H2Conn;
  readonly #stream: number;
  readonly #method: string;
  #bodyless = false;
  #ended = false;
  /** Enough is queued: `flush` answers false until the stream drains. */
  #full = false;
  #blocked = false;
  /** Bytes of a whole answer that waited for the client when they were last looked at. */
  #left = 0;
  #done = false;
  /** The client has said all of its request. */
  #heard: boolean;
  /** A whole answer of ours waits for the rest of the request before it ends; true: with the connection. */
  #pending: { readonly sever: boolean } | null = null;

  constructor(owner: H2Conn, stream: number, method: string, heard: boolean) {
    this.#owner = owner;
    this.#heard = heard;
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

  /** Starts and ends the answer: END_STREAM is on its head. */
  headOnly(status: number, fields: HeaderList, certificate: Certified | null, sever: boolean): void {
    const list = certificate === null ? fields : [...fields, "x-eve-decision-cert", certificate.header];
    this.started = true;
    this.#ended = true;
    this.#done = true;
    this.#owner.engine.respond(this.#stream, status, list, true);
    if (sever) this.#owner.sever();
  }

  body(bytes: Uint8Array): void {
    if (this.#ended || bytes.length === 0) return;
    if (!this.#owner.engine.data(this.#stream, bytes, false)) this.#full = true;
  }

  end(trailers: HeaderList | null, sever = false): void {
    if (!this.#ended) {
      if (trailers === null) this.#owner.engine.data(this.#stream, NOTHING, true);
      else this.#owner.engine.trailers(this.#stream, trailers);
    }
    this.#ended = true;
    this.#done = true;
    if (sever) this.#owner.sever();
  }

  flush(): boolean {
    this.#owner.flush();
    if (this.#done) {
      this.feeder = null;
      if (this.#left === 0) this.#watch();
      return true;
    }
    if (this.#full) this.#blocked = true;
    return !this.#full;
  }

  /**
   * Before the request is whole, END_STREAM waits for the rest of it: behind an end the stream is reset, and clients that are
   * still writing then show the reset and not the answer (curl 7.88: error 92).
   */
  answer(status: number, reason: string, headers: HeaderList, body: string, sever: boolean): void {
    const bytes = encoder.encode(body);
    this.head(status, reason, headers, bytes.length, null);
    this.body(bytes);
    if (this.#heard || this.#ended) this.end(null, sever);
    else {
      const { deadlines } = this.#owner.door;
      this.#pending = { sever };
      this.deadline = deadlines.now + UPLOAD_MS;
      deadlines.add(this);
    }
    this.flush();
  }

  /** Called by the exchange: the request is whole. */
  heardAll(): void {
    this.#heard = true;
    this.#conclude();
  }

  /** The answer is whole here and may wait for a client that opens no window: it is kept as long as any stream that stands still. */
  #watch(): void {
    const { door, engine } = this.#owner;
    this.#left = engine.queuedOf(this.#stream);
    if (this.#left === 0) return;
    this.deadline = door.deadlines.now + door.config.idleTimeoutMs;
    door.deadlines.add(this);
  }

  expired(): void {
    if (this.#pending !== null) {
      this.#conclude();
      return;
    }
    const left = this.#owner.engine.queuedOf(this.#stream);
    if (left > 0 && left === this.#left) this.#owner.cut(this.#stream);
    else this.#watch();
  }

  #conclude(): void {
    const pending = this.#pending;
    if (pending === null) return;
    this.over();
    this.end(null, pending.sever);
    this.#owner.soon();
  }

  /** Called by the exchange: the stream is. */
  over(): void {
    if (this.#pending === null && this.#left === 0) return;
    this.#pending = null;
    this.#left = 0;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#owner.door.deadlines.remove(this);
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
