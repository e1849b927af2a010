import type { Lent } from "./decide/decider.ts";
import type { Tap } from "./enforce/ended.ts";
import type { Fault } from "./errors.ts";
import type { Committed, Waiting } from "./evidence/evidence.ts";
import type { LimitProgram } from "./limits/compile.ts";
import type { Carried } from "./limits/settlement.ts";
import type { CertificateDraft } from "./model/certificate.ts";
import type { Decision } from "./model/decision.ts";
import type { HeldBody } from "./model/egress.ts";
import type { Exchange } from "./model/exchange.ts";
import type { HeaderList } from "./model/headers.ts";

/** What the vetted way out is; `fault` when there is none although it was allowed. */
export interface Way {
  /** Vetted, in the order to try them; none where an upstream proxy resolves the name. */
  readonly addresses: readonly string[];
  /** Everything goes to the upstream proxy, also to an address that was asked for by itself. */
  readonly viaProxy: boolean;
  readonly fault: Fault | null;
}

/** Who carries on when evidence has answered. */
interface Proving {
  proven(passage: Passage, committed: Committed): void;
  unproven(passage: Passage, fault: Fault): void;
}

/** The plane's and this gateway's. */
export class Both implements Lent {
  readonly tap: Tap | null;
  readonly #all: readonly Lent[];

  constructor(...all: readonly Lent[]) {
    this.#all = all;
    const taps = all.flatMap(({ tap }) => (tap === null ? [] : [tap]));
    const [only = null] = taps;
    this.tap = taps.length < 2 ? only : new Taps(taps);
  }

  release(): void {
    for (const each of this.#all) each.release();
  }

  settle(carried: Carried): void {
    for (const each of this.#all) each.settle(carried);
  }
}

class Taps implements Tap {
  readonly #taps: readonly Tap[];

  constructor(taps: readonly Tap[]) {
    this.#taps = taps;
  }

  head(fields: HeaderList): void {
    for (const tap of this.#taps) tap.head(fields);
  }

  body(bytes: Uint8Array): void {
    for (const tap of this.#taps) tap.body(bytes);
  }
}

/** One egress on its way through the steps, with what they have found so far. */
export class Passage implements Waiting {
  readonly exchange: Exchange;
  body: HeldBody | null = null;
  way: Way | null = null;
  decision: Decision | null = null;
  /** What the decider said, whatever was made of it afterwards; null when it was not asked. */
  ruled: Decision | null = null;
  /** The limits that were in force when the decider was asked. */
  limits: LimitProgram | null = null;
  /** What it has taken from limits, the plane's and this gateway's; settled or released at every end. */
  reservation: Lent | null = null;
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
