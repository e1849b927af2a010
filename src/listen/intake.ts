import type { RequestHead, RequestSink } from "../wire/http1.ts";
import { BodyHolder } from "./body.ts";
import type { Door } from "./door.ts";

/** What the parser has read of the current request. A class of its own: its methods would clash with the socket's. */
export class Intake implements RequestSink {
  request: RequestHead | null = null;
  holder: BodyHolder | null = null;
  readonly #door: Door;

  constructor(door: Door) {
    this.#door = door;
  }

  head(head: RequestHead): void {
    this.request = head;
    if (head.chunked || head.contentLength > 0) this.holder = new BodyHolder(this.#door.runtime, this.#door.budget);
  }

  body(bytes: Uint8Array): void {
    this.holder?.add(bytes);
  }

  end(trailers: readonly string[] | null): void {
    this.holder?.end(trailers);
  }
}
