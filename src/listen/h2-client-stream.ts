import type { Certified } from "../model/certificate.ts";
import type { ClientStream, ClientStreamSink } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import { Pieces } from "../wire/pieces.ts";
import type { H2Conn } from "./h2-conn.ts";
import type { H2Responder } from "./h2-responder.ts";

/**
 * The body of a request that is heard as it comes. Until somebody hears it, it waits within its window and counts as held; from
 * then on the window opens again for what was read.
 */
export class H2ClientStream implements ClientStream {
  ended = false;
  readonly #owner: H2Conn;
  readonly #id: number;
  readonly #responder: H2Responder;
  #sink: ClientStreamSink | null = null;
  readonly #waiting = new Pieces();
  #trailers: HeaderList | null = null;
  /** Told to the sink, and no window opened for it yet. */
  #unread = 0;
  #over = false;

  constructor(owner: H2Conn, id: number, responder: H2Responder) {
    this.#owner = owner;
    this.#id = id;
    this.#responder = responder;
  }

  start(sink: ClientStreamSink): void {
    this.#sink = sink;
    const waiting = this.#waiting;
    for (let bytes = waiting.first; bytes !== undefined; bytes = waiting.first) {
      waiting.skip(bytes.length);
      this.#owner.share.give(bytes.length);
      sink.data(bytes);
    }
    if (this.ended) sink.end(this.#trailers);
  }

  read(bytes: number): void {
    const count = Math.min(bytes, this.#unread);
    if (count === 0) return;
    this.#unread -= count;
    this.#owner.engine.consumed(this.#id, count);
    this.#owner.soon();
  }

  headOnly(status: number, fields: HeaderList, certificate: Certified | null, sever = false): void {
    this.#responder.headOnly(status, fields, certificate, sever);
    this.#responder.flush();
  }

  reset(code: number): void {
    this.#responder.feeder = null;
    this.#owner.cut(this.#id, code);
  }

  // ── the exchange ──

  data(bytes: Uint8Array): void {
    this.#unread += bytes.length;
    // Nobody wants it any more.
    if (this.#over || this.#responder.abandoned || (this.#sink === null && this.#responder.started)) {
      this.read(bytes.length);
    } else if (this.#sink === null) {
      this.#waiting.push(bytes);
      this.#waiting.stay();
      this.#owner.share.take(bytes.length);
    } else this.#sink.data(bytes);
  }

  end(trailers: HeaderList | null): void {
    this.ended = true;
    this.#trailers = trailers;
    if (!this.#over) this.#sink?.end(trailers);
  }

  /** The stream is gone, or what it still says is nobody's: what comes is read and dropped. */
  over(): void {
    this.#over = true;
    this.#sink = null;
    const held = this.#waiting.length;
    this.#waiting.clear();
    this.#owner.share.give(held);
    this.read(this.#unread);
  }
}
