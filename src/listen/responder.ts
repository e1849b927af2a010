import type { Feeder, Responder, Taken } from "../model/exchange.ts";
import type { FieldBlock, Fields, HeaderList } from "../model/headers.ts";
import { type RequestHead, statusLine, writeFields } from "../wire/http1.ts";
import type { Outbox } from "./_outbox.ts";
import type { BodyHolder } from "./body.ts";
import type { ServerConn } from "./server-conn.ts";

const encoder = new TextEncoder();

/** Writes the answer to one request, framed for what the client understands. */
export class Http1Responder implements Responder {
  readonly modern: boolean;
  readonly lines = true;
  started = false;
  abandoned = false;
  feeder: Feeder | null = null;
  readonly #owner: ServerConn;
  readonly #request: RequestHead;
  readonly #requestBody: BodyHolder | null;
  readonly #out: Outbox;
  #keep: boolean;
  #chunked = false;
  #bodyless = false;
  #ended = false;
  #sever = false;
  #blocked = false;

  constructor(owner: ServerConn, request: RequestHead, requestBody: BodyHolder | null) {
    this.#owner = owner;
    this.#out = owner.out;
    this.#request = request;
    this.#requestBody = requestBody;
    this.modern = request.version === 11;
    this.#keep = request.keepAlive;
  }

  interim(status: number, reason: string, fields: Fields): void {
    if (!this.modern || this.started) return;
    this.#out.head({ line: statusLine(status, reason), fields, framing: "", certificate: null });
  }

  head(status: number, reason: string, fields: Fields, length: number, certificate: FieldBlock | null): void {
    this.started = true;
    this.#bodyless = this.#request.method === "HEAD" || status === 204 || status === 304;
    // What was not read cannot be told from the next request: such a connection ends with this answer.
    if (this.#owner.door.draining || (this.#requestBody !== null && !this.#requestBody.complete)) this.#keep = false;
    let framing = "";
    if (length >= 0 && status !== 204) framing = `Content-Length: ${length}\r\n`;
    else if (!this.#bodyless) {
      this.#chunked = this.modern;
      if (this.modern) framing = "Transfer-Encoding: chunked\r\n";
      else this.#keep = false;
    }
    if (!this.#keep) framing += "Connection: close\r\n";
    else if (!this.modern) framing += "Connection: keep-alive\r\n";
    this.#out.head({ line: statusLine(status, reason), fields, framing, certificate });
  }

  body(bytes: Uint8Array): void {
    if (this.#bodyless || bytes.length === 0) return;
    if (this.#chunked) {
      this.#out.add(`${bytes.length.toString(16)}\r\n`);
      this.#out.add(bytes);
      this.#out.add("\r\n");
    } else this.#out.add(bytes);
  }

  end(trailers: HeaderList | null, sever = false): void {
    this.#ended = true;
    if (sever) this.#sever = true;
    if (this.#chunked) this.#out.add(trailers === null ? "0\r\n\r\n" : `0\r\n${writeFields(trailers)}\r\n`);
  }

  flush(): boolean {
    const open = this.#out.flush(this.#owner.conn);
    if (!open) {
      this.#blocked = true;
      this.#owner.blocked();
    }
    if (this.#ended) {
      this.feeder = null;
      if (this.#sever) this.#owner.severed();
      else this.#owner.finished(this.#keep);
      return true;
    }
    return open;
  }

  answer(status: number, reason: string, headers: HeaderList, body: string, sever: boolean): void {
    const bytes = encoder.encode(body);
    if (sever) this.#keep = false;
    this.#sever = sever;
    this.head(status, reason, headers, bytes.length, null);
    this.body(bytes);
    this.end(null);
    this.flush();
  }

  takeover(status: number, reason: string, fields: Fields, framing: string, certificate: FieldBlock): Taken {
    this.started = true;
    this.feeder = null;
    this.#out.head({ line: statusLine(status, reason), fields, framing, certificate });
    this.#out.flush(this.#owner.conn);
    return this.#owner.taken();
  }

  sever(): void {
    this.feeder = null;
    this.#out.flush(this.#owner.conn);
    this.#owner.conn.reset();
  }

  /** Called by the connection. */
  drained(): void {
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
