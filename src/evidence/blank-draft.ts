import type { CertificateDraft } from "../model/certificate.ts";

/** A certificate of nothing that was asked for: what the audit log and the library fill in is all there is of it. */
export const BLANK_DRAFT = {
  would: null,
  mode: "enforce",
  content_hash: null,
  content_bytes: null,
  forwarded_hash: null,
  phase: "request",
  parent: null,
  rule: null,
  policy_version: null,
  attestation_hash: null,
  agent: null,
  addresses: null,
  request: null,
} as const satisfies Partial<CertificateDraft>;
