import type { Algorithm, CertificateDraft, CertifiedRequest, ChainLink } from "../model/certificate.ts";

/** The longest serialized certificate, in the log or in a header, bytes. */
export const MAX_CERTIFICATE_BYTES = 4096;

/** What evidence assigns to a draft, all at the same moment. */
export interface Assigned {
  readonly id: string;
  readonly orgId: string;
  readonly timestamp: string;
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly chain: ChainLink | null;
}

/** A certificate but for its signature. */
export interface Sealed {
  /** The signed bytes: RFC 8785 canonical JSON of everything but `signature`. */
  readonly text: string;
  /** True when `text` is printable ASCII, so that it can stand in a header as it is. */
  readonly ascii: boolean;
}

/**
 * Writes down what will be signed.
 *
 * The members are in canonical order, so JSON.stringify is all it takes (a test holds this equal to `canonicalize`).
 * Free text is bounded: reason and path 256 bytes, agent 128; tighter when escapes would still carry the whole over
 * MAX_CERTIFICATE_BYTES.
 */
export function seal(draft: CertificateDraft, assigned: Assigned): Sealed {
  for (let shrink = 1; ; shrink *= 2) {
    const text = serialize(draft, assigned, shrink);
    const ascii = isPrintableAscii(text);
    const length = ascii ? text.length : asciiJson(text).length;
    if (length + SIGNATURE_ROOM <= MAX_CERTIFICATE_BYTES || shrink >= 256) return { text, ascii };
  }
}

/** More than the longest signature member takes. */
const SIGNATURE_ROOM = 130;

/** The whole certificate: its signed text with the signature behind it. */
export function withSignature(text: string, signature: string): string {
  return `${text.slice(0, -1)},"signature":"${signature}"}`;
}

/** The same JSON in printable ASCII, fit for a header field value. */
export function asciiJson(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(16 * 1024);

/** Of text that JSON.stringify wrote, which has no control characters below DEL. */
function isPrintableAscii(json: string): boolean {
  // Only ASCII takes one byte a UTF-16 unit; encodeInto counts ten times faster than a regular expression looks.
  return encoder.encodeInto(json, scratch).written === json.length && !json.includes("\x7f");
}

function serialize(draft: CertificateDraft, assigned: Assigned, shrink: number): string {
  const text = JSON.stringify({
    addresses: draft.addresses === null ? null : boundedList(draft.addresses, shrink),
    agent: bounded(draft.agent, 128 / shrink),
    algorithm: assigned.algorithm,
    attestation_hash: bounded(draft.attestation_hash, 128 / shrink),
    caller: bounded(draft.caller, 128 / shrink),
    certificate_id: assigned.id,
    chain: assigned.chain,
    content_bytes: draft.content_bytes,
    content_hash: draft.content_hash,
    forwarded_hash: draft.forwarded_hash,
    kid: assigned.kid,
    latency_ms: Math.round(draft.latency_ms * 1000) / 1000,
    matched_pillar: bounded(draft.matched_pillar, 32),
    matched_vector: bounded(draft.matched_vector, 128 / shrink),
    mode: draft.mode,
    org_id: bounded(assigned.orgId, 128 / shrink),
    parent: draft.parent,
    phase: draft.phase,
    policy_version: bounded(draft.policy_version, 128 / shrink),
    reason: bounded(draft.reason, 256 / shrink),
    recovered: draft.recovered ?? undefined,
    request: draft.request === null ? null : boundedRequest(draft.request, shrink),
    rule: bounded(draft.rule, 128 / shrink),
    timestamp: assigned.timestamp,
    v: 1,
    verdict: draft.verdict,
    would: draft.would,
  });
  // JSON.stringify writes a lone surrogate as \udXXX, which RFC 8785 forbids; the literal text "\ud" only costs a pass.
  return text.includes("\\ud") ? wellFormed(text) : text;
}

function boundedRequest(request: CertifiedRequest, shrink: number): CertifiedRequest {
  return {
    door: request.door,
    host: bounded(request.host, 255),
    method: bounded(request.method, 64 / shrink),
    path: bounded(request.path, 256 / shrink),
    port: request.port,
    scheme: request.scheme,
    target_hash: request.target_hash,
  };
}

const MAX_ADDRESSES = 16;

function boundedList(addresses: readonly string[], shrink: number): string[] {
  const kept = addresses.length > MAX_ADDRESSES ? addresses.slice(0, MAX_ADDRESSES) : addresses;
  return kept.map((address) => bounded(address, 64 / shrink));
}

function bounded<T extends string | null>(value: T, maxBytes: number): T;
function bounded(value: string | null, maxBytes: number): string | null {
  // No UTF-16 unit takes more than three bytes of UTF-8.
  if (value === null || value.length * 3 <= maxBytes) return value;
  return cut(value, maxBytes);
}

/** At most `maxBytes` of UTF-8 (never under 4), cut between characters and closed with "…" when it was longer. */
function cut(value: string, maxBytes: number): string {
  let bytes = 0;
  let fits = 0;
  for (let i = 0; i < value.length; ) {
    const code = value.codePointAt(i) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > maxBytes) return `${value.slice(0, fits)}…`;
    i += code < 0x10000 ? 1 : 2;
    if (bytes <= maxBytes - 3) fits = i;
  }
  return value;
}

function wellFormed(text: string): string {
  // Key order is insertion order, so the second pass is canonical too.
  return JSON.stringify(JSON.parse(text), (_key, value: unknown) =>
    typeof value === "string" ? value.toWellFormed() : value,
  );
}
