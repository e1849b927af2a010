import type { Certified } from "./certificate.ts";
import type { Conn } from "./conn.ts";
import type { Egress, HeldBody } from "./egress.ts";
import type { FieldBlock, Fields, HeaderList } from "./headers.ts";

/**
 * What became of waiting for a request body. `gone`: the door already answered (malformed, too slow) or the client left;
 * nothing is to be decided any more.
 */
export type Held =
  | { readonly kind: "body"; readonly body: HeldBody }
  | { readonly kind: "none" }
  | { readonly kind: "too_large" }
  | { readonly kind: "exhausted" }
  | { readonly kind: "gone" };

/** A client socket that left HTTP. */
export interface Taken {
  readonly conn: Conn;
  /** Bytes that had already arrived behind the request, or null. They come before anything `conn` delivers. */
  readonly leftover: Uint8Array | null;
  /** The client's FIN has come already, behind `leftover`; `conn` will not tell it again. */
  readonly ended: boolean;
  done(): void;
}

/** Whoever writes an answer. A class with these methods, not closures: they are called for every exchange. */
export interface Feeder {
  /** `flush` had answered false and the kernel has caught up. */
  clientDrained(): void;
  /** The client is gone, nothing can be delivered any more. */
  clientGone(): void;
}

/** The client's half of an exchange, as the side that carries a permit out sees it. */
export interface Responder {
  /** The client can be given 1xx and chunked answers. */
  readonly modern: boolean;
  /** Takes fields as whole lines; else as a list only. */
  readonly lines: boolean;
  /** True once `head` was called: from then on a failure can only be shown by severing. */
  readonly started: boolean;
  /** The client left while nobody fed this responder: whatever is done now is done for nobody. */
  readonly abandoned: boolean;
  /** Who writes the answer and wants to hear of the client; let go of when the answer is complete. */
  feeder: Feeder | null;
  interim(status: number, reason: string, fields: Fields): void;
  /**
   * Starts the final answer. `fields` are end-to-end fields without framing; `length` is the body's, or -1 when it is
   * not known; `certificate` is carried in it, or null.
   */
  head(status: number, reason: string, fields: Fields, length: number, certificate: Certified | null): void;
  body(bytes: Uint8Array): void;
  /** `sever`: the connection (of HTTP/2 the stream) ends behind it. */
  end(trailers: HeaderList | null, sever?: boolean): void;
  /** Hands everything gathered to the kernel; false asks to wait for `clientDrained`. */
  flush(): boolean;
  /** A whole answer made here; the connection is severed behind it when `sever`, else kept if the client wants. */
  answer(status: number, reason: string, headers: HeaderList, body: string, sever: boolean): void;
  /**
   * Ends HTTP on this connection with the given final or 101 head and hands the socket over. The taker sets
   * `conn.handler` before it returns to the event loop and calls `done` exactly once, when the socket is gone. `framing`
   * is ready lines ("Name: value\r\n") put behind the fields.
   */
  takeover(status: number, reason: string, fields: Fields, framing: string, certificate: FieldBlock): Taken;
  /** Cuts the connection in the middle of an answer, so that nobody takes the part for the whole. */
  sever(): void;
}

/** Hears what a client streams. Whoever gets bytes may keep them. */
export interface ClientStreamSink {
  data(bytes: Uint8Array): void;
  /** The client has said all; `trailers` are end-to-end fields. */
  end(trailers: HeaderList | null): void;
}

/**
 * A request that is decided by its head and goes on message by message, as gRPC does: its body is not held but heard, and its
 * answer may be its head alone.
 */
export interface ClientStream {
  /** What has come and everything that comes. Called at most once; `gone` is told to the responder's feeder. */
  start(sink: ClientStreamSink): void;
  /** So many bytes were read: the client may send as many again. */
  read(bytes: number): void;
  /** Starts and ends the answer. `sever` as of `Responder.end`. */
  headOnly(status: number, fields: HeaderList, certificate: Certified | null, sever?: boolean): void;
  /** Ends the stream with this error code of HTTP/2. */
  reset(code: number): void;
}

/** What a door has against a connection besides where it goes. */
export interface Objection {
  /** All but `loop` are no objection where policy calls the place opaque. */
  readonly vector: "loop" | "tunnel_protocol" | "tunnel_silent";
  readonly reason: string;
}

/** One request at a door, with the means to read the rest of it and to answer. */
export interface Exchange {
  readonly egress: Egress;
  /** What the client speaks; the upstream is spoken to alike where it can be. */
  readonly protocol: "http/1.1" | "h2";
  /** Content-Length, or -1 when there is none. */
  readonly declaredLength: number;
  /** Monotonic ms when the head was complete. */
  readonly startedAt: number;
  /** Milliseconds spent waiting for the client's bytes since then. */
  readonly waitedMs: number;
  readonly responder: Responder;
  /** Not null for a request of gRPC: then `hold` is not called. */
  readonly stream: ClientStream | null;
  readonly objection?: Objection | null;
  /** Reads the whole body, sending 100 Continue first when it was asked for. Called at most once. */
  hold(maxBytes: number): Held | Promise<Held>;
  /** Ends this exchange's claim on held memory. Idempotent. */
  release(): void;
}
