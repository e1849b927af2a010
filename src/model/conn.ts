/** What a connection tells its owner. Calls never overlap and none comes after `close`. */
export interface ConnHandler {
  /** Bytes it is told of at a time, at most, where each of them may be dear to read; as many as come when not given. */
  readonly atOnce?: number;
  /** Bytes from the peer. The array belongs to the receiver: the runtime never writes to it again. */
  data(bytes: Uint8Array): void;
  /** The peer sent FIN; writing still works (half-close). At most once. */
  end(): void;
  /** After a `write` that answered false: the kernel has taken everything. */
  drain(): void;
  /** The socket is gone. Exactly once, last, on every path; `error` says why when it was not orderly. */
  close(error: Error | null): void;
}

/** A connected stream socket, plain or TLS. Half-open is kept: `end` of the peer does not end us. */
export interface Conn {
  /** May be replaced at any time, also from inside a handler call; no byte is lost or delivered twice. */
  handler: ConnHandler;
  /** Canonical text of the peer's address (`::ffff:a.b.c.d` given as `a.b.c.d`); "" on a Unix socket. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** True once `close` was or is about to be delivered: nothing written now can reach the peer. */
  readonly closed: boolean;
  /** Negotiated ALPN protocol of a TLS connection, else null. */
  readonly alpn: string | null;
  /**
   * A string is one byte a char (latin1). An array must not change any more. False asks the caller to stop until `drain`.
   * Writing to a closed connection is ignored.
   */
  write(bytes: string | Uint8Array): boolean;
  /** As `write` of the first `length` bytes; the array is the caller's again when this returns. */
  send(bytes: Uint8Array, length: number): boolean;
  pause(): void;
  /** What was kept back comes in a later turn, never from inside this call. */
  resume(): void;
  /** FIN after everything written. */
  end(): void;
  /** RST now; pending bytes are lost. */
  reset(): void;
  /** Close now, without a RST where possible. */
  destroy(): void;
}

/** Where a redirected connection was going before the kernel sent it here: canonical text of an address, and a port. */
export interface Original {
  readonly address: string;
  readonly port: number;
}
