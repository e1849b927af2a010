/** What an HTTP/2 connection may hold, and what it tells its owner. */
import type { HeaderList } from "../model/headers.ts";
import type { H2Fault } from "./h2-wire.ts";
import type { WireFault, WireLimits } from "./http1-head.ts";

export interface H2Limits extends WireLimits {
  /** Streams the peer may have open (server); streams open or not consumed (client). */
  readonly maxStreams: number;
  /** Bytes of one stream that may have arrived and not been consumed; 65,535 or more. */
  readonly streamWindow: number;
  /** The same of all streams together, so it bounds what a connection can make its owner hold; 65,535 or more. */
  readonly connectionWindow: number;
  /** Bytes of one stream that may wait to be sent before `data` answers false. */
  readonly maxQueued: number;
  /** Bytes of all streams together behind which each is stopped at a sixteenth of that; and of heads and control frames. */
  readonly maxUnsent: number;
}

/**
 * A megabyte a stream carries 20 MB/s over 50 ms, which the answers of models and most downloads never reach. Eight of them
 * on a connection: seven readers that stand still leave the eighth its whole window, and a peer has no more than 8 MiB of us.
 */
export const H2_LIMITS: H2Limits = {
  maxHeaderBytes: 65_536,
  maxHeaders: 200,
  maxStreams: 1_024,
  streamWindow: 1024 * 1024,
  connectionWindow: 8 * 1024 * 1024,
  maxQueued: 256 * 1024,
  maxUnsent: 8 * 1024 * 1024,
};

/**
 * What either role tells its owner. Events come from inside `push`, `fill` and the commands, which may be called from
 * inside any event. A stream the owner knows ends with exactly one of `closed`, `reset` and (client) `unprocessed`; with
 * none of them when the owner called `reset` itself, or when the connection failed.
 */
export interface H2Sink {
  /** A piece of a body, never empty: a view of what was pushed. The windows stay closed until `consumed`. */
  data(stream: number, bytes: Uint8Array): void;
  /** The peer's message is whole, and is as long as it said. `trailers`: null when there were none. */
  end(stream: number, trailers: HeaderList | null): void;
  /** After a `data` that answered false: less than half of the bound is waiting now. */
  writable(stream: number): void;
  /** Both messages are whole, or (server) ours is and the rest of the request is not wanted. */
  closed(stream: number): void;
  /**
   * The stream is gone before its messages were whole. `fault`: what the peer did wrong, we reset it; null: the peer
   * reset it, with `code`. A client that has had `end` has the whole answer all the same.
   */
  reset(stream: number, code: number, fault: WireFault | null): void;
  /** The peer opens or (towards a client) takes no streams above `last` any more. */
  goaway(last: number, code: number): void;
  /** The connection is over, and every stream with it; what is left is to send what `fill` gives, and to close. */
  failed(fault: H2Fault): void;
  /** There is something for `fill`. Told once, and again after the next `fill`. */
  ready(): void;
}
