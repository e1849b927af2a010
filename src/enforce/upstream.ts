/** What carries one request to an upstream and its answer back, whichever version of HTTP that speaks. */
import type { FaultCode } from "../errors.ts";
import type { Conn } from "../model/conn.ts";
import type { Egress } from "../model/egress.ts";
import type { FieldBlock, Fields, HeaderList } from "../model/headers.ts";

/** A request as it goes out. */
export interface Sent {
  readonly egress: Egress;
  /** End-to-end fields that go with the body. */
  readonly fields: Fields;
  /** Exactly what was decided on (or what replaces it), or null. */
  readonly body: Uint8Array | null;
  /** The client said that its body has no bytes. */
  readonly empty: boolean;
  /** The body follows by `H2Upstream.write`, and its length is not known. Absent: false. */
  readonly streamed?: boolean;
  /** For an enterprise's proxy, which reads it: lines for its head; null when it goes straight. */
  readonly proxied: string | null;
}

/** The head of an answer. */
export interface AnswerHead {
  /** 100 to 999. */
  readonly status: number;
  /** One char a byte; "" where the protocol has none. */
  readonly reason: string;
  /** The end-to-end fields; `block` is null when they have to be written anew. */
  readonly fields: { readonly block: FieldBlock | null; readonly list: HeaderList };
  /** Everything received. */
  readonly headers: HeaderList;
  /** -1 when none was sent. */
  readonly contentLength: number;
  /** By status or method there is no body. */
  readonly bodyless: boolean;
  /** Content-Type says text/event-stream. */
  readonly eventStream: boolean;
  /** As a ScreenedHead says it. Absent: false. */
  readonly plainJson?: boolean;
  readonly upgrade: string | null;
}

/** The exchange that an upstream is in use by. Called in the order informational*, head, body*, end, completed. */
export interface UpstreamUse {
  /** A 1xx other than 101. */
  informational(head: AnswerHead): void;
  head(head: AnswerHead): void;
  body(bytes: Uint8Array): void;
  end(trailers: HeaderList | null): void;
  /** Everything the last bytes held has been delivered: the moment to flush. */
  turn(): void;
  /** The answer is complete; `leftover` is only ever given behind a 101. */
  completed(leftover: Uint8Array | null): void;
  /** It will not complete. `code` is a stable fault code. `untouched`: the upstream says that it did nothing about it. */
  failed(code: FaultCode, detail: string, untouched: boolean): void;
  /** More of a large body has gone out. */
  uploaded(): void;
}

/** Carries one exchange at a time. */
export interface Upstream {
  readonly address: string;
  /** What is spoken, as outcomes call it. */
  readonly protocol: "http" | "h2";
  /** Monotonic ms at which the exchange fails with `upstream_timeout`. */
  deadline: number;
  /** The answer has come to its end, which is told after `goOn` only. */
  readonly whole: boolean;
  /** Bytes of the current request's body, or of the last one's, that were not handed on to be sent. */
  readonly unsent: number;
  /** A byte of the current answer has arrived. */
  readonly answered: boolean;
  /**
   * Sends a request and takes its answer to `use`; the first byte of it is due within `firstByteMs`. False: it cannot be
   * sent any more here (the connection was closed while it waited, say), nothing was written and `use` will be told nothing.
   */
  begin(use: UpstreamUse, sent: Sent, firstByteMs: number): boolean;
  /** No more of the answer for now. */
  hold(): void;
  goOn(): void;
  /** The current exchange no longer wants it: nothing more is told. */
  abandon(): void;
  /** The exchange is complete; `spoilt`: nobody may follow on this connection. */
  release(spoilt: boolean): void;
  /** Leaves HTTP behind a 101: the socket is the caller's, who sets the handler. */
  detach(): Conn;
}
