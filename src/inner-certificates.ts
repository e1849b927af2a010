/** Certificates of what is decided inside an exchange that has its own: each names it as its parent. */
import type { Drafts } from "./drafts.ts";
import { Fault, messageOf } from "./errors.ts";
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
  /** Sha-256 in hex of what is sent on instead. Absent: nothing is. */
  readonly forwarded?: string | null;
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
  async certify(outer: Outer, decided: DecidedInside): Promise<Committed> {
    const { evidence } = this.#parts;
    const draft = this.#draft(outer, decided);
    const committed = await evidence.commit(draft).catch(() => null);
    if (committed === null) return this.#told(outer, draft, await evidence.unwritten(draft));
    this.#parts.found(committed.id, decided.decision.findings);
    return this.#told(outer, draft, committed);
  }

  /** Of what leaves once this has resolved with null; with a Fault nothing was certified, and nothing may leave. Never rejects. */
  async prove(outer: Outer, decided: DecidedInside): Promise<Fault | null> {
    const draft = this.#draft(outer, decided);
    try {
      const committed = await this.#parts.evidence.commit(draft);
      this.#parts.found(committed.id, decided.decision.findings);
      this.#told(outer, draft, committed);
      return null;
    } catch (thrown) {
      return thrown instanceof Fault ? thrown : new Fault("evidence_unwritable", messageOf(thrown));
    }
  }

  #draft({ exchange, parent }: Outer, { decision, phase, body, forwarded = null, from }: DecidedInside) {
    const drafted = this.#drafts.draft(exchange, decision, { body, way: null, forwarded });
    const latency_ms = this.#parts.runtime.monotonic() - from;
    return { ...drafted, phase, parent, latency_ms } satisfies CertificateDraft;
  }

  #told({ exchange }: Outer, draft: CertificateDraft, committed: Committed): Committed {
    const { observer } = this.#parts;
    observer.decidedInside(draft, committed.id, exchange.egress.principal.address);
    return committed;
  }
}
