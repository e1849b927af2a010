/** How an egress ends: refused, cut, without a way, vetoed from inside; and what is told of it. */
import type { VetoDamper } from "./decide/damper.ts";
import { badGateway, refuse } from "./enforce/answers.ts";
import { type Ended, NOTHING, type Settled } from "./enforce/ended.ts";
import type { Fault } from "./errors.ts";
import type { Committed, Evidence } from "./evidence/evidence.ts";
import type { CertificateDraft } from "./model/certificate.ts";
import type { Decision } from "./model/decision.ts";
import type { Exchange } from "./model/exchange.ts";
import type { Observer } from "./observe/observer.ts";
import type { Passage } from "./passage.ts";
import type { Runtime } from "./runtime/contract.ts";

export interface EndsParts {
  readonly runtime: Pick<Runtime, "monotonic">;
  readonly evidence: Evidence;
  readonly damper: VetoDamper;
  readonly observer: Observer;
}

export class Ends {
  readonly #parts: EndsParts;

  constructor(parts: EndsParts) {
    this.#parts = parts;
  }

  refuse(exchange: Exchange, decision: Decision, draft: CertificateDraft, committed: Committed): void {
    const { egress } = exchange;
    const wait = this.#parts.damper.delay(egress.principal.address, decision, egress.destination.host);
    if (wait === 0) {
      this.answer(exchange, decision, draft, committed);
      return;
    }
    setTimeout(() => {
      try {
        this.answer(exchange, decision, draft, committed);
      } catch (thrown) {
        this.#parts.observer.fault("pipeline_crashed", thrown);
        exchange.responder.sever();
      }
    }, wait);
  }

  answer(exchange: Exchange, decision: Decision, draft: CertificateDraft, committed: Committed): void {
    exchange.release();
    // The door may have had to answer meanwhile, or the client is gone.
    const answered = exchange.responder.abandoned ? null : decision.status;
    if (answered !== null) refuse(exchange, decision, committed);
    const end = { answered, bytesUp: draft.content_bytes ?? 0, bytesDown: 0, error: null };
    const peer = exchange.egress.principal.address;
    const duration = this.#parts.runtime.monotonic() - exchange.startedAt;
    this.#parts.observer.concluded(draft, committed.id, peer, end, duration);
  }

  /** Allowed and proven, but stopped while the proof was written. */
  revoked({ exchange, reservation }: Passage, draft: CertificateDraft, committed: Committed): void {
    exchange.release();
    const cut: Ended = { ...NOTHING, severed: true, error: "killed" };
    this.settle({ exchange, draft, certificateId: committed.id, reservation }, cut);
    exchange.responder.sever();
  }

  /** Allowed and proven, but the name leads nowhere. */
  unreachable({ exchange, reservation }: Passage, draft: CertificateDraft, committed: Committed, fault: Fault): void {
    exchange.release();
    const end = { ...NOTHING, answered: 502, error: fault.code };
    this.settle({ exchange, draft, certificateId: committed.id, reservation }, end);
    badGateway(exchange, committed, fault.message, exchange.egress.phase === "tunnel");
  }

  /** How an allowed egress ended; what enforce tells. */
  settle({ exchange, certificateId, draft, reservation }: Settled, end: Ended): void {
    exchange.release();
    reservation?.settle({ ...end, sent: end.address !== null });
    const duration = this.#parts.runtime.monotonic() - exchange.startedAt;
    this.#parts.evidence.settle({
      certificate_id: certificateId,
      status: end.status,
      bytes_up: end.bytesUp,
      bytes_down: end.bytesDown,
      address: end.address,
      duration_ms: duration,
      severed: end.severed,
      protocol: end.protocol,
      error: end.error,
      answer: end.answer ?? null,
      transcript: end.transcript ?? null,
    });
    this.#parts.observer.concluded(draft, certificateId, exchange.egress.principal.address, end, duration);
  }
}
