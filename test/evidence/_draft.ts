import { portableDigest } from "../../src/crypto/digest.ts";
import { hmacKey } from "../../src/crypto/signature.ts";
import type { EvidenceConfig } from "../../src/evidence/evidence.ts";
import { Report } from "../../src/evidence/report.ts";
import { type Keys, verifyLog } from "../../src/evidence/verify.ts";
import type { CertificateDraft, Outcome } from "../../src/model/certificate.ts";
import type { Memory } from "./_memory.ts";

export const SECRET = "an HMAC secret for tests, 32 byte";
export const signer = hmacKey(new TextEncoder().encode(SECRET), portableDigest);
export const keys: Keys = new Map([[signer.kid, signer]]);

export const AUDIT = "audit/log.jsonl";
export const OUTCOMES = "audit/outcomes.jsonl";

export const config: EvidenceConfig = {
  auditPath: AUDIT,
  auditSync: "none",
  auditRotateBytes: 1 << 28,
  orgId: "acme",
};

export function draft(over: Partial<CertificateDraft> = {}): CertificateDraft {
  return {
    verdict: "allow",
    would: null,
    mode: "enforce",
    reason: "no rule matched",
    matched_pillar: null,
    matched_vector: null,
    caller: "sidecar.forward_proxy.egress",
    latency_ms: 0.4217,
    content_hash: `sha256-${"1f".repeat(32)}`,
    content_bytes: 150,
    forwarded_hash: null,
    phase: "request",
    parent: null,
    rule: null,
    policy_version: null,
    attestation_hash: null,
    agent: null,
    addresses: ["192.0.2.7"],
    request: {
      door: "forward",
      method: "POST",
      scheme: "http",
      host: "api.example",
      port: 80,
      path: "/v1/messages",
      target_hash: "ab".repeat(32),
    },
    ...over,
  };
}

export function failClosedDraft(reason = "evidence"): CertificateDraft {
  return draft({
    verdict: "fail_closed",
    reason,
    matched_pillar: "114",
    matched_vector: "evidence_unwritable",
    addresses: null,
  });
}

export function outcome(certificateId: string, over: Partial<Outcome> = {}): Required<Outcome> {
  return {
    certificate_id: certificateId,
    status: 200,
    bytes_up: 150,
    bytes_down: 321,
    address: "192.0.2.7",
    duration_ms: 12.3456,
    severed: false,
    protocol: "http",
    error: null,
    answer: "allow",
    transcript: "cd".repeat(32),
    ...over,
  };
}

/** Verifies log files in memory, oldest first, with the outcome log when there is one. */
export async function verifyMemory(
  memory: Memory,
  paths: readonly string[] = [AUDIT],
  useKeys: Keys = keys,
): Promise<Report> {
  const report = new Report();
  const source = (name: string) => ({ name, chunks: () => memory.runtime.readChunks(name) });
  const outcomes = memory.files.has(OUTCOMES) ? [source(OUTCOMES)] : null;
  await verifyLog({ runtime: memory.runtime, keys: useKeys, files: paths.map(source), outcomes, report });
  return report;
}

/** The findings as "line code", sorted as reported. */
export function codes(report: Report): string[] {
  return [...report.findings.error, ...report.findings.warning].map(({ line, code }) => `${line} ${code}`);
}

/** The whole certificate: its signed text with the signature behind it. */
export function withSignature(text: string, signature: string): string {
  return `${text.slice(0, -1)},"signature":"${signature}"}`;
}
