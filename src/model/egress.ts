import type { FieldBlock, HeaderList } from "./headers.ts";

/** Bytes. Less than the `shortest` of any inspector, so what is no longer is passed over; most field values are not. */
export const SHORT_VALUE = 15;

/** The way traffic came in. */
export type Door = "forward" | "connect" | "tunnel" | "transparent" | "library";

/** `tcp` is an opaque tunnel: a CONNECT or a redirected connection whose inside is not (yet) known. */
export type Scheme = "http" | "https" | "tcp";

/**
 * Where an egress wants to go, normalised: the only form any verdict or dial is computed from. Immutable, and equal
 * requests at one door share one object as long as the door remembers the line: what a place was last found to be is kept
 * under its identity (whoever has a `WeakMap<Destination, …>`), so another place is always another object.
 */
export interface Destination {
  readonly scheme: Scheme;
  /** Lower-case A-label name without a trailing dot, or a canonical IP literal without brackets. */
  readonly host: string;
  readonly port: number;
  /** True when `host` is an IP literal. */
  readonly literal: boolean;
}

/** Who asks, as far as the socket tells. */
export interface Principal {
  readonly address: string;
  readonly port: number;
  /**
   * Free-form agent identity the caller states, or null. Nobody checks it: rules (`agents`) and limits (`per: [agent]`) tell agents
   * apart by it, so it holds only among those who say the truth.
   */
  readonly agent: string | null;
  /** The agent it acts for, as it states, or null. */
  readonly parentAgent: string | null;
}

/** What a certificate is about (`phase` in docs/certificate.md). Reserved, made by nobody yet: approval. */
export type Phase = "request" | "tunnel" | "message" | "response" | "approval" | "recovery";

/**
 * One outbound intention, before anything has left. Not a web `Request`: CONNECT, raw targets and header order
 * do not survive that type.
 */
export interface Egress {
  readonly door: Door;
  /** `message`: one of a stream. */
  readonly phase: "request" | "tunnel" | "message";
  readonly caller: string;
  readonly method: string;
  readonly destination: Destination;
  /** The request target exactly as received. */
  readonly target: string;
  /** Origin-form to send upstream: raw path and query. Empty for a tunnel. */
  readonly path: string;
  /** End-to-end header fields only; hop-by-hop and `X-EVE-*` fields are already gone. */
  readonly headers: HeaderList;
  /** The same as whole lines; null when they have to be written anew. What is sent is one or the other. */
  readonly block: FieldBlock | null;
  /** False when the fields say nothing of how the body is to be read: no coding, and no type but application/json. */
  readonly coded: boolean;
  /** False when no value of theirs is longer than SHORT_VALUE. */
  readonly wordy: boolean;
  /** The only upgrade that is ever forwarded, or null. */
  readonly upgrade: "websocket" | null;
  /** The authority the request names when it is not the one its connection leads to; always a veto. */
  readonly conflict: string | null;
  readonly principal: Principal;
  /** `certificate_id` of the tunnel this request came through, or null. */
  readonly parent: string | null;
}

/** A request body, held whole: de-chunked, still content-encoded. */
export interface HeldBody {
  readonly bytes: Uint8Array;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  /** Request trailers: decided on like headers, never forwarded. */
  readonly trailers: HeaderList | null;
}
