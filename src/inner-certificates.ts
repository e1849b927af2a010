/** Certificates of what is decided inside an exchange that has its own: each names it as its parent. */
import type { Drafts } from "./drafts.ts";
import type { Committed, Evidence } from "./evidence/evidence.ts";
import type { CertificateDraft } from "./model/certificate.ts";
import type { Decision } from "./model/decision.ts";
import type { HeldBody, Phase } from "./model/egress.ts";
import type { Exchange } from "./model/exchange.ts";
import type { Finding } from "./model/finding.ts";
import type { Observer } from "./observe/observer.ts";
import type { Runtime } from "./runtime/contract.ts";

export interface InnerCertificatesParts {
  readonly runtime: Pick<Runtime, "monotonic">;
  readonly evidence: Evidence;
  readonly observer: Observer;
  /** Told what a decision found, by its certificate, which is written. Must not wait. */
  readonly found: (certificateId: string, findings: readonly Finding[]) => void;
}

/** An exchange with its certificate. */
export interface Outer {
  readonly exchange: Exchange;
  /** certificate_id of the exchange. */
  readonly parent: string;
}

export interface DecidedInside {
  readonly decision: Decision;
  readonly phase: Phase;
  /** Null: there is none, or it is not kept. */
  readonly body: HeldBody | null;
  /** Monotonic ms at which the deciding began. */
  readonly from: number;
}

export class InnerCertificates {
  readonly #parts: InnerCertificatesParts;
  readonly #drafts: Drafts;

  constructor(parts: InnerCertificatesParts, drafts: Drafts) {
    this.#parts = parts;
    this.#drafts = drafts;
  }

  /** Never rejects: a veto stands without its line, and the certificate is kept until it can be written. */
  async certify({ exchange, parent }: Outer, { decision, phase, body, from }: DecidedInside): Promise<Committed> {
    const { runtime, evidence, observer, found } = this.#parts;
    const drafted = this.#drafts.draft(exchange, decision, { body, way: null, forwarded: null });
    const latency_ms = runtime.monotonic() - from;
    const draft: CertificateDraft = { ...drafted, phase, parent, latency_ms };
    let committed: Committed;
    try {
      committed = await evidence.commit(draft);
      found(committed.id, decision.findings);
    } catch {
      committed = await evidence.unwritten(draft);
    }
    observer.decidedInside(draft, committed.id, exchange.egress.principal.address);
    return committed;
  }
}
