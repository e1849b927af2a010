/**
 * Every stable code this project throws. A refusal is a value (see model/decision.ts); these are faults.
 * The code is part of the interface: programs may switch over it, messages may change.
 */
export type FaultCode =
  | "config_invalid"
  | "usage"
  | "key_invalid"
  | "key_missing"
  | "certificate_invalid"
  | "leaf_failed"
  | "evidence_unwritable"
  | "evidence_locked"
  | "evidence_corrupt"
  | "listen_failed"
  | "dial_failed"
  | "dial_timeout"
  | "tls_failed"
  | "upstream_closed"
  | "upstream_malformed"
  | "upstream_timeout"
  | "client_stalled"
  | "resolve_failed"
  | "governance_unreachable"
  | "governance_timeout"
  | "governance_malformed"
  | "governance_unattested"
  | "governance_breaker_open"
  | "decode_failed"
  | "decode_too_large"
  | "policy_invalid"
  | "redis_failed"
  | "limits_unreachable"
  | "limits_uncounted"
  | "head_unsafe"
  | "spawn_failed"
  | "notify_failed"
  | "unsupported";

/** Defects of ours that were caught, as `sallyport_faults_total` counts them: in the pipeline, in the gate of messages, behind the mint, anywhere else. */
export type DefectCode = "pipeline_crashed" | "message_crashed" | "enforce_crashed" | "uncaught";

/**
 * How an egress that was let go did not end well: `error` of its outcome and its decision line, and the code of
 * `sallyport_upstream_errors_total`. One that a veto ended has the vector of that veto in their place.
 */
export type EndCode =
  | FaultCode
  | "pipeline_crashed"
  | "enforce_crashed"
  | "client_gone"
  | "client_reset"
  | "client_tls_failed"
  | "upstream_reset"
  | "idle_timeout"
  | "revoked"
  | "killed"
  | "drained"
  | `${"client" | "upstream"}_${"websocket" | "grpc"}_${string}`;

export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The text of anything thrown, without a stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * Stands behind the cases of a union: a new member must be thought of there, or this does not compile. Where a type was
 * wrong it throws, and what throws is not carried out.
 */
export function unforeseen(_: never): never {
  throw new TypeError("a case that nobody has thought of");
}
