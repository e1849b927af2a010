import type { EndCode } from "../errors.ts";
import type { CertificateDraft } from "../model/certificate.ts";
import type { Decision, Verdict } from "../model/decision.ts";
import type { Exchange } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";

declare const vetoed: unique symbol;
/** The vector of the veto that ended what was under way. */
export type VetoVector = string & { readonly [vetoed]: true };

/** What ended by a veto is told by its vector. */
export function endedBy(vector: Decision["vector"]): VetoVector {
  return (vector ?? "policy_deny") as VetoVector;
}

/** How the carrying out of a permit ended. */
export interface Ended {
  /** The upstream's. */
  readonly status: number | null;
  /** What the client was answered; null when it was not answered any more. */
  readonly answered: number | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly address: string | null;
  readonly severed: boolean;
  readonly protocol: string | null;
  /** Null when it ended well. */
  readonly error: EndCode | VetoVector | null;
  /** What was decided of the answer; null, or absent: nobody looked, or it did not come to that. */
  readonly answer?: Verdict | null;
  /** sha256 hex over the messages that passed; null, or absent: none did. */
  readonly transcript?: string | null;
}

/** Nothing was reached and nobody answered: what every end that came too early says, but for its own fields. */
export const NOTHING: Ended = {
  status: null,
  answered: null,
  bytesUp: 0,
  bytesDown: 0,
  address: null,
  severed: false,
  protocol: null,
  error: null,
};

/** Error of an egress that a defect of the gateway cut. */
export const CRASHED = "enforce_crashed" satisfies EndCode;

/** Hears an answer go by; of the bytes it is given it keeps copies only. */
export interface Tap {
  head(fields: HeaderList): void;
  body(bytes: Uint8Array): void;
}

/** What an egress has taken from the limits, for whoever is told how it ended. */
export interface Reserved {
  readonly tap: Tap | null;
  settle(end: Ended & { readonly sent: boolean }): void;
}

/** What was carried out, for whoever is told how it ended. */
export interface Settled {
  readonly exchange: Exchange;
  readonly certificateId: string;
  /** What was certified. */
  readonly draft: CertificateDraft;
  readonly reservation: Reserved | null;
}

/** Told once how each permit's carrying out ended. */
export type Settle = (settled: Settled, ended: Ended) => void;
