/** What is decided inside an exchange that was let go: `decide/` is asked, and the exchange's certificate is the parent of what it says. */
import { DecidingGate, type GateParts } from "./decide/message-gate.ts";
import type { InnerCertificates, Outer } from "./inner-certificates.ts";
import type { Certified } from "./model/certificate.ts";
import type { Decision } from "./model/decision.ts";
import type { Exchange } from "./model/exchange.ts";
import type { MessageGate } from "./model/message.ts";
import type { AnswerGuard, ScreenedHead } from "./model/screen.ts";
import type { Within } from "./model/within.ts";

export interface WithinParts extends Omit<GateParts, "certify" | "prove"> {
  readonly certificates: InnerCertificates;
}

export class WithinExchange implements Within, Outer {
  readonly #parts: WithinParts;
  readonly exchange: Exchange;
  readonly parent: string;

  /** `parent`: certificate_id of the exchange. */
  constructor(parts: WithinParts, exchange: Exchange, parent: string) {
    this.#parts = parts;
    this.exchange = exchange;
    this.parent = parent;
  }

  screen(head: ScreenedHead): AnswerGuard | null {
    return this.#parts.decider.screen?.(this.exchange.egress, head) ?? null;
  }

  vetoed(decision: Decision): Promise<Certified> {
    const { certificates, runtime } = this.#parts;
    return certificates.certify(this, { decision, phase: "response", body: null, from: runtime.monotonic() });
  }

  watched(decision: Decision): void {
    void this.vetoed(decision);
  }

  messages(): MessageGate {
    const { runtime, decider, observer, certificates } = this.#parts;
    const certify: GateParts["certify"] = (decision, body, from) =>
      certificates.certify(this, { decision, phase: "message", body, from });
    const prove: GateParts["prove"] = (decision, body, { forwarded, from }) =>
      certificates.prove(this, { decision, phase: "message", body, forwarded, from });
    return new DecidingGate({ runtime, decider, observer, certify, prove }, this.exchange.egress, this.parent);
  }
}
