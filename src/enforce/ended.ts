import type { CertificateDraft } from "../model/certificate.ts";
import type { Exchange } from "../model/exchange.ts";

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
  /** Stable code, or null when it ended well. */
  readonly error: string | null;
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
export const CRASHED = "enforce_crashed";

/** What was carried out, for whoever is told how it ended. */
export interface Settled {
  readonly exchange: Exchange;
  readonly certificateId: string;
  /** What was certified. */
  readonly draft: CertificateDraft;
}

/** Told once how each permit's carrying out ended. */
export type Settle = (settled: Settled, ended: Ended) => void;
