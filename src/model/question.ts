/** A credential as anyone but the relay sees it. The fingerprint is keyed: it can be compared, not reversed or looked up. */
export interface Credential {
  /** How it was given: bearer, basic, aws4, cookie, api_key, jwt, token. */
  readonly kind: string;
  /** Who issued it, by its looks, or null. */
  readonly issuer: string | null;
  /** "hmac-" + 32 hex; equal for equal values under one relay's key. */
  readonly fingerprint: string;
}

export type Field = readonly [name: string, value: string | Credential];

/**
 * One egress as an engine is asked about it: the same whether the engine stands in the relay's own process or behind the
 * decision API, so both give the same ruling. No credential of head or URL is in it.
 */
export interface Question {
  readonly org: string;
  readonly caller: string;
  /** Who says they ask, and on whose behalf. Stated, not proven. */
  readonly agent: string | null;
  readonly parentAgent: string | null;
  /** `message`: one that goes up in a stream. */
  readonly phase: "request" | "tunnel" | "message";
  readonly door: string;
  readonly method: string;
  readonly scheme: "http" | "https" | "tcp";
  /** Lower-case A-label name without a trailing dot, or a canonical IP literal without brackets. */
  readonly host: string;
  readonly port: number;
  /** True when `host` is an IP literal. */
  readonly literal: boolean;
  /** Raw path without query; segments that look like credentials are `[redacted]`. "" for a tunnel. */
  readonly path: string;
  /** Parameters in their order, names and values as sent (still percent-encoded). */
  readonly query: readonly Field[];
  readonly headers: readonly Field[];
  readonly trailers: readonly Field[];
  readonly upgrade: "websocket" | null;
  /** Codings undone; null for a tunnel, empty when there is none. */
  readonly body: Uint8Array | null;
  /** Milliseconds since the epoch, of whoever rules. */
  readonly at: number;
}
