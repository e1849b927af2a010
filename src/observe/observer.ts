import type { CertificateDraft } from "../model/certificate.ts";

/** What an exchange under a permit came to, as far as metrics care. */
export interface Settled {
  readonly status: number | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly error: string | null;
}

/** Told by the pipeline, in this order, about each egress. Never throws. */
export interface Observer {
  /**
   * A decision whose certificate exists: the one decision line, and the counters. `status` is what a refusal is answered
   * with; null when the answer is the upstream's.
   */
  decided(draft: CertificateDraft, certificateId: string, peer: string, status: number | null): void;
  /** An allowed egress has ended. `durationMs` from its head to its last byte. */
  settled(end: Settled, durationMs: number): void;
  /** Answered (or dropped) by the door without a decision. */
  noticed(status: number, code: string, peer: string): void;
  /** A defect of ours; `code` is stable, the text of what was thrown is not for clients. */
  fault(code: string, thrown: unknown): void;
}
