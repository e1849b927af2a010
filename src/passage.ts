import type { Reservation } from "./decide/limits-reservation.ts";
import type { Fault } from "./errors.ts";
import type { Committed, Waiting } from "./evidence/evidence.ts";
import type { CertificateDraft } from "./model/certificate.ts";
import type { Decision } from "./model/decision.ts";
import type { HeldBody } from "./model/egress.ts";
import type { Exchange } from "./model/exchange.ts";

/** What the vetted way out is; `fault` when there is none although it was allowed. */
export interface Way {
  readonly addresses: readonly string[];
  readonly fault: Fault | null;
}

/** Who carries on when evidence has answered. */
interface Proving {
  proven(passage: Passage, committed: Committed): void;
  unproven(passage: Passage, fault: Fault): void;
}

/** One egress on its way through the steps, with what they have found so far. */
export class Passage implements Waiting {
  readonly exchange: Exchange;
  body: HeldBody | null = null;
  way: Way | null = null;
  decision: Decision | null = null;
  /** What the decider said, whatever was made of it afterwards; null when it was not asked. */
  ruled: Decision | null = null;
  /** What it has taken from the limits; settled or released at every end. */
  reservation: Reservation | null = null;
  draft: CertificateDraft | null = null;
  /** sha256 hex of what replaces the body; null when nothing does. */
  forwarded: string | null = null;
  /** Policy lets this tunnel carry anything. */
  opaque = false;
  #ended = false;
  readonly #pipeline: Proving;

  constructor(exchange: Exchange, pipeline: Proving) {
    this.exchange = exchange;
    this.#pipeline = pipeline;
  }

  /** True the first time: a passage is carried on once, whoever calls. */
  end(): boolean {
    const first = !this.#ended;
    this.#ended = true;
    return first;
  }

  written(committed: Committed): void {
    if (this.end()) this.#pipeline.proven(this, committed);
  }

  unwritable(fault: Fault): void {
    if (this.end()) this.#pipeline.unproven(this, fault);
  }
}
