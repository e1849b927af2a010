import type { Paying } from "./payment.ts";

/** What a request asks a model for. */
export interface ModelCall {
  /** "" when the request names none; null when it cannot be read in one way. */
  readonly model: string | null;
  /** An estimate. */
  readonly inputTokens: number;
  /** The most that may be answered; null when the request does not bound it. */
  readonly maxOutput: number | null;
}

/** One egress as limits look at it. */
export interface LimitSubject {
  /** Whose counters: those of another realm are others, whatever their limits are called. Absent: everybody's who shares a store. */
  readonly realm?: string;
  readonly tenant: string;
  /** Stated, not proven; null when nobody is named. */
  readonly agent: string | null;
  readonly parent: string | null;
  readonly host: string;
  readonly port: number;
  readonly literal: boolean;
  readonly method: string;
  /** A field or parameter asks the server to take the method for another one. */
  readonly overridden: boolean;
  /** Raw, without query; "" for a tunnel. */
  readonly path: string;
  readonly tunnel: boolean;
  /** It came through a tunnel that has been decided. */
  readonly inside: boolean;
  /** Of the body, as it is sent. */
  readonly bytes: number;
  /** Null when no model is asked. */
  readonly call: ModelCall | null;
  readonly paying: Paying;
}
