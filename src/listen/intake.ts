import type { RequestHead, RequestSink } from "../wire/http1.ts";
import { BodyHolder } from "./body.ts";
import type { Door } from "./door.ts";
import type { HeldShare } from "./held.ts";

/** What the parser has read of the current request. A class of its own: its methods would clash with the socket's. */
export class Intake implements RequestSink {
  request: RequestHead | null = null;
  holder: BodyHolder | null = null;
  readonly #door: Door;
  readonly #share: HeldShare;

  constructor(door: Door, share: HeldShare) {
    this.#door = door;
    this.#share = share;
  }

  head(head: RequestHead): void {
    this.request = head;
    if (head.chunked || head.contentLength > 0) this.holder = new BodyHolder(this.#door, this.#share);
  }

  body(bytes: Uint8Array): void {
    this.holder?.add(bytes);
  }

  end(trailers: readonly string[] | null): void {
    this.holder?.end(trailers);
  }
}
