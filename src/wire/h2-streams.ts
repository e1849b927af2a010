/** The streams of a connection: what is open, and what is known of those that were. */
import type { HeaderList } from "../model/headers.ts";
import { Pieces } from "./pieces.ts";

export class Stream {
  readonly id: number;
  /** Bytes the peer lets us send. May be negative after its settings changed. */
  sendWindow: number;
  /** Bytes the peer may still send. */
  receiveWindow: number;
  /** Consumed, not yet given back by WINDOW_UPDATE. */
  owed = 0;
  /** Told to the owner, not yet consumed. */
  unconsumed = 0;
  /** Data that waits for a window. */
  readonly queue = new Pieces();
  /** The end follows the queue. */
  ending = false;
  /** They follow the queue and are the end. */
  trailers: HeaderList | null = null;
  /** `data` answered false. */
  stalled = false;
  /** In the sender's ring. */
  waiting = false;
  /** We sent the head that data may follow: the request's, or the final one of the answer. */
  headSent = false;
  /** The peer did. */
  headSeen = false;
  localEnded = false;
  remoteEnded = false;
  /** Over both ways or reset; what it still has is unconsumed bytes. */
  closed = false;
  /** Content-Length of what comes in; -1: none, or it does not bind. */
  expected = -1;
  received = 0;
  /** Nothing but an empty body may come. */
  bodyless = false;
  /** Of the request. */
  method = "";
  interim = 0;

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  /** Bytes that wait. */
  get queued(): number {
    return this.queue.length;
  }

  dropQueue(): void {
    this.queue.clear();
    this.ending = false;
    this.trailers = null;
    this.stalled = false;
  }
}

/** How a stream ended. */
export const FORGOTTEN = 0;
export const ENDED = 1;
export const RESET_BY_US = 2;
export const RESET_BY_PEER = 3;

/** A power of two. Of more streams than this the ends are forgotten, which refuses what could have been passed over. */
const REMEMBERED = 2048;

/** How the last streams ended: frames that cross our RST_STREAM on the way are no error (RFC 9113 section 5.1). */
export class Endings {
  readonly #ids = new Uint32Array(REMEMBERED);
  readonly #how = new Uint8Array(REMEMBERED);

  note(id: number, how: number): void {
    const place = (id >>> 1) & (REMEMBERED - 1);
    this.#ids[place] = id;
    this.#how[place] = how;
  }

  of(id: number): number {
    const place = (id >>> 1) & (REMEMBERED - 1);
    return this.#ids[place] === id ? (this.#how[place] as number) : FORGOTTEN;
  }
}
