import type { Mode, Verdict } from "./decision.ts";
import type { Phase } from "./egress.ts";
import type { FieldBlock } from "./headers.ts";

/** The request as evidence names it. The path is redacted and has no query; `target_hash` covers the raw target. */
export interface CertifiedRequest {
  readonly door: string;
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** sha256 hex of the raw request target. */
  readonly target_hash: string;
}

/** Position in the audit log. */
export interface ChainLink {
  /** Identity of the log this line belongs to: 16 hex. */
  readonly id: string;
  /** 0 for the first line, then one more each. */
  readonly seq: number;
  /** sha256 hex of the previous certificate's signed bytes; 64 zeros at seq 0. */
  readonly prev: string;
  /** sha256 hex of the newest line of outcomes.jsonl that was written when this was signed; 64 zeros when none. */
  readonly outcomes: string;
}

/** What a decision hands to evidence: everything but what evidence itself assigns. */
export interface CertificateDraft {
  readonly verdict: Verdict;
  readonly would: Verdict | null;
  readonly mode: Mode;
  readonly reason: string;
  readonly matched_pillar: string | null;
  readonly matched_vector: string | null;
  readonly caller: string;
  readonly latency_ms: number;
  /** "sha256-" + hex of the de-chunked, still content-encoded body; null when no body was decided on. */
  readonly content_hash: string | null;
  readonly content_bytes: number | null;
  /** As `content_hash`, of the bytes that are forwarded; null unless they differ (sanitize). */
  readonly forwarded_hash: string | null;
  readonly phase: Phase;
  readonly parent: string | null;
  readonly rule: string | null;
  readonly policy_version: string | null;
  readonly attestation_hash: string | null;
  readonly agent: string | null;
  /** The ordered, vetted addresses the permit may dial, all of them; `["via_proxy"]` when an upstream proxy resolves; null without a permit. */
  readonly addresses: readonly string[] | null;
  readonly request: CertifiedRequest | null;
  /** Only on a `recovery` certificate: what was found at the end of the log. */
  readonly recovered?: Recovered | null;
}

/** What a `recovery` certificate says of the log it continues (docs/certificate.md, "Recovery"). */
export interface Recovered {
  /** sha256 hex of the bytes between the last good line and this one, without the newline that closed them. */
  readonly torn_hash: string;
  /** How many bytes those were; 0 when the log ended well. */
  readonly torn_bytes: number;
  /** How many certificates with `chain` null follow this line. */
  readonly unwritten?: number;
  /** sha256 hex of those lines, newlines included. */
  readonly unwritten_hash?: string;
  /** How many certificates with `chain` null were found between the last link and the torn bytes. */
  readonly late?: number;
  /** sha256 hex of those lines, newlines included. */
  readonly late_hash?: string;
  /** How many more were made while the log could not be written and are gone. */
  readonly lost?: number;
}

export type Algorithm = "HMAC-SHA256" | "Ed25519" | "ECDSA-P256-SHA256";

/** One Decision Certificate, as in the header, the answer's body and the audit line (docs/certificate.md). */
export interface Certificate extends CertificateDraft {
  readonly v: 1;
  /** "cert_" + 16 hex. */
  readonly certificate_id: string;
  readonly org_id: string;
  /** RFC 3339 UTC with milliseconds. */
  readonly timestamp: string;
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly signature: string;
  /** Null only on a fail_closed certificate made while the log could not be written. */
  readonly chain: ChainLink | null;
}

/** A finished certificate as answers carry it; as a FieldBlock it is the line `X-EVE-Decision-Cert: …`. */
export interface Certified extends FieldBlock {
  /** `certificate_id`. */
  readonly id: string;
  /** The JSON object, one line, no newline, at most 4 KiB of UTF-8. */
  readonly json: string;
  /** The same object in printable ASCII, for a header; at most 4 KiB. */
  readonly header: string;
}

/** How an allowed egress ended; one line of outcomes.jsonl. */
export interface Outcome {
  readonly certificate_id: string;
  /** Upstream's status, or null when there was none (tunnel, failed dial). */
  readonly status: number | null;
  readonly bytes_up: number;
  readonly bytes_down: number;
  readonly address: string | null;
  readonly duration_ms: number;
  readonly severed: boolean;
  /** What the exchange turned out to be (docs/certificate.md); null when nothing was seen. */
  readonly protocol: string | null;
  /** A stable code when it did not end well, else null. */
  readonly error: string | null;
  /** What was decided of the answer. Left out of the line when nothing was. */
  readonly answer?: string | null;
  /** sha256 hex over the messages that passed (docs/certificate.md). Left out of the line when none did. */
  readonly transcript?: string | null;
}
