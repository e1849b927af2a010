import type { DefectCode } from "../errors.ts";
import type { CertificateDraft } from "../model/certificate.ts";

/** What an exchange came to, as far as logs and metrics care. */
export interface Conclusion {
  /** What the client was answered; null when it was not answered any more. */
  readonly answered: number | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly error: string | null;
}

/** Told by the pipeline about each egress, first that it was decided and then how it ended. Never throws. */
export interface Observer {
  /** A decision whose certificate exists. */
  decided(draft: CertificateDraft): void;
  /** A decided egress has ended, refused or carried out: its one decision line. `durationMs` from its head to its last byte. */
  concluded(draft: CertificateDraft, certificateId: string, peer: string, end: Conclusion, durationMs: number): void;
  /** As `decided`, within an exchange that was let go: its one decision line. How that ends is told of the exchange. */
  decidedInside(draft: CertificateDraft, certificateId: string, peer: string): void;
  /** Answered (or dropped) by the door without a decision. */
  noticed(status: number, code: string, peer: string): void;
  /** A defect of ours; `code` is stable, the text of what was thrown is not for clients. */
  fault(code: DefectCode, thrown: unknown): void;
}
