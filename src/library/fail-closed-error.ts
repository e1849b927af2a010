import type { Certificate } from "../model/certificate.ts";

export interface FailClosedDetail {
  readonly pillar: string;
  readonly vector: string;
  readonly certificate: Certificate | null;
  readonly cause?: unknown;
}

/**
 * Why guarded work gave no result. `message` is the reason as the certificate has it; what the work itself threw is
 * `cause` and stands in no certificate, because its text may hold anything.
 */
export class FailClosedError extends Error {
  override readonly name = "FailClosedError";
  /** "114": it crashed, ran over or could not be proven. "128": Pillar 128 vetoed. "CoreGuard": policy did. */
  readonly matched_pillar: string;
  /** A stable code a program may switch over. */
  readonly matched_vector: string;
  /** Signed; null only when the signer itself failed. */
  readonly certificate: Certificate | null;

  constructor(reason: string, { pillar, vector, certificate, cause }: FailClosedDetail) {
    super(reason, cause === undefined ? undefined : { cause });
    this.matched_pillar = pillar;
    this.matched_vector = vector;
    this.certificate = certificate;
  }
}
