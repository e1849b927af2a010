/** Codes of certificates in the words of whoever has to do something about them. */
import { ASSEMBLED, type AttackVector, VECTORS } from "../detect/vectors.ts";

export interface Words {
  readonly what: string;
  readonly help: string;
}

const TUNNEL: Words = {
  what: "what is in the tunnel is not what the tunnel was opened for",
  help: "connect to the name that is asked for; places with another protocol belong into opaque: of the policy",
};
const NO_CODE: Words = {
  what: "the governance plane or the OPA policy said so, and named no code",
  help: "its operators know why; rule and reason are theirs",
};
const REDACTING: Words = {
  what: "data would have to be taken out where taking it out makes another request of it: in a head or URL, a key, a signed body",
  help: "leave it out of what is sent, or send it in the body and unsigned",
};
const REDACTED: Words = {
  what: "something had to be taken out before this could go",
  help: "leave it out of what is sent; findings below say where it stood",
};
const DATA: Words = {
  what: "the request holds data that may not leave, or the answer data that may not come in",
  help: "take it out, or have dlp: sanitize it (docs/policy.md)",
};
const CALL: Words = {
  what: "the program that wraps its call with enforce() failed, or its call did",
  help: "see the cause of the error it got (docs/library.md)",
};
const INPUT: Words = {
  what: "what the program gave to be inspected could not be",
  help: "see what fmiInput gives: text, bytes or JSON of at most 10 MiB (docs/library.md)",
};
const FAILED: Words = {
  what: "the decision itself failed",
  help: "this is a defect or a broken plane: see the log around that time",
};

/** By the whole code, never by how it begins: a new one would be explained as an old one. */
const WORDS: Readonly<Record<string, Words>> = {
  blocked_host: {
    what: "the host is on the list of blocked hosts",
    help: "EVE_PROXY_BLOCKED_HOSTS names it; take it out there if it is meant to be reached",
  },
  loop: {
    what: "the request was for the gateway itself, or has come back to it",
    help: "a proxy setting points at the gateway where a destination belongs, or its upstream proxy leads back to it",
  },
  gateway_service: {
    what: "the destination is a service of the gateway: its plane, store, proxy or admin port",
    help: "nobody reaches those through the gateway",
  },
  kill_switch: { what: "an operator has stopped everything", help: "release the kill switch (docs/admin.md)" },
  sequence: {
    what: "with what this session did before, the request completes a sequence that the policy forbids",
    help: "see the sequence in the policy; it holds until its time (within) is over",
  },
  approval_needed: {
    what: "a rule wants a person to approve this",
    help: "have it approved, or ask for an allow rule that is narrower than the one that holds it",
  },
  sanitize_signed: REDACTING,
  sanitize_head: REDACTING,
  sanitize_unredactable: REDACTING,
  sanitize_conflict: {
    what: "the gateway's own inspection and the OPA policy each want something else taken out of the body",
    help: "leave both out of what is sent; findings below say where the gateway's stands",
  },
  sanitize_unsupported: {
    what: "something would have to be taken out, and governedFetch() takes nothing out",
    help: "leave it out of what is sent, or send it through the gateway",
  },
  sanitized: REDACTED,
  policy_sanitize: REDACTED,
  ssrf_url: {
    what: "a tool is asked to fetch an address of a cloud's metadata service",
    help: "no tool has business there; see who wrote the argument",
  },
  attestation_invalid: {
    what: "the governance plane's answer does not prove that it is its own, and about this request",
    help: "see that EVE_PROXY_GOVERNANCE_JWKS holds the plane's keys, and that both clocks are right",
  },
  limits_unavailable: {
    what: "the counters could not be asked, and this limit is closed then; or they are full, and no limit is open then",
    help: "see that Redis runs, has memory, and that EVE_PROXY_REDIS_URL reaches it; if agents' names were invented, bound them by a limit without `per`",
  },
  price_unknown: {
    what: "a money limit applies, and no price is known for the model",
    help: "add it to prices: in the policy",
  },
  rate_limited: {
    what: "a limit of requests, or of requests at once, is used up",
    help: "wait as long as Retry-After says, or have the limit raised (limits: in the policy)",
  },
  budget_exceeded: {
    what: "a budget is used up, or too little of it is left for this request",
    help: "wait for the next period, or have the limit raised (limits: in the policy)",
  },
  payment_ceiling: {
    what: "with this payment more would be paid in the period than the limit allows",
    help: "wait for the next period, or have the limit raised (limits: in the policy)",
  },
  payment_each: {
    what: "the payment is larger than a single one may be",
    help: "pay less at once, or have max_each of the limit raised (docs/limits.md)",
  },
  payment_currency: {
    what: "the payment is not in the currency that the limit counts in",
    help: "pay in that currency, or add a limit for this one (docs/limits.md)",
  },
  payment_unreadable: {
    what: "a limit on payments applies, and it is not plain what would be paid",
    help: "see that the limit says where the amount stands, and that the request has one there, once (docs/limits.md)",
  },
  host_mismatch: TUNNEL,
  sni_mismatch: TUNNEL,
  sni_missing: TUNNEL,
  tunnel_protocol: TUNNEL,
  tunnel_silent: TUNNEL,
  connect_blocked: {
    what: "tunnels into which nobody looks are not allowed here",
    help: "EVE_PROXY_CONNECT_PASSTHROUGH=0 forbids them; send the request itself to the gateway, without a tunnel",
  },
  plane_deny: NO_CODE,
  plane_sanitize: NO_CODE,
  opa_deny: NO_CODE,
  opa_sanitize: NO_CODE,
  policy_deny: {
    what: "a rule of the policy forbids this, or no rule lets it through",
    help: "see the rule below; whoever keeps the policy can add an allow rule or an exception",
  },
  address_metadata: {
    what: "the address is a cloud's metadata service",
    help: "code that asks it usually wants credentials: give it those another way",
  },
  address_none: {
    what: "the name leads to no address",
    help: "see what the resolver of the gateway's host answers for it",
  },
  response_type: {
    what: "the answer is of a media type that the policy does not let in",
    help: "see types in responses: of the policy",
  },
  response_too_large: {
    what: "the answer is larger than the policy lets in",
    help: "ask for less of it, or have max_bytes raised (responses: in the policy)",
  },
  response_undecodable: {
    what: "the answer is coded so that it cannot be looked at",
    help: "ask for it uncoded (Accept-Encoding: identity), or have responses: not act for this host (docs/responses.md)",
  },
  response_bomb: {
    what: "the answer becomes far larger than it is once its coding is undone",
    help: "ask for it uncoded (Accept-Encoding: identity); an honest answer is not so dense",
  },
  body_bomb: {
    what: "the body, or an archive in it, grows beyond all bounds when it is decoded",
    help: "send it with less compression, or in parts",
  },
  body_undecodable: {
    what: "the body has a coding that cannot be undone, or is not what it says",
    help: "send it without Content-Encoding, or with gzip, deflate, br or zstd",
  },
  body_too_large: { what: "the body is larger than what is inspected", help: "EVE_PROXY_MAX_BODY bounds it" },
  dlp_secret: {
    what: "the request, or the answer to it, holds a secret: a key, a token, a password",
    help: "take it out; if it has left before, have it replaced",
  },
  dlp_canary: {
    what: "the request holds a canary: bait that nothing honest sends",
    help: "find out how whoever sent it got hold of it",
  },
  dlp_personal: DATA,
  dlp_health: DATA,
  dlp_pattern: DATA,
  dlp_dictionary: DATA,
  decision_timeout: {
    what: "the decision took too long",
    help: "EVE_PROXY_ENFORCE_TIMEOUT bounds it; see the plane's latency, or the size of the body",
  },
  decision_crashed: FAILED,
  decision_malformed: {
    what: "the governance plane's answer is no decision",
    help: "the gateway's log says which plane and why; a status tells too: of 401 see EVE_PROXY_GOVERNANCE_TOKEN, of 404 EVE_PROXY_GOVERNANCE_URL",
  },
  pipeline_crashed: {
    what: "the gateway itself failed while it decided",
    help: "this is a defect of the gateway: see its log around that time",
  },
  plane_unreachable: {
    what: "the governance plane cannot be asked",
    help: "see that it runs and that EVE_PROXY_GOVERNANCE_URL reaches it",
  },
  breaker_open: {
    what: "the governance plane kept failing, and is asked only now and then until it answers again",
    help: "see that it runs and that EVE_PROXY_GOVERNANCE_URL reaches it",
  },
  inspection_exhausted: {
    what: "inspection ran out of its budget",
    help: "send less at once, or raise EVE_PROXY_ENFORCE_TIMEOUT",
  },
  evidence_unwritable: {
    what: "evidence could not be written, and without evidence nothing leaves",
    help: "see the disk of the audit log",
  },
  evidence_recovery: {
    what: "it is no request: the audit log was taken up again where a crash or a full disk had broken it off",
    help: "docs/certificate.md says what its numbers mean",
  },
  held_exhausted: {
    what: "there was no room to hold the body for inspection",
    help: "EVE_PROXY_MAX_HELD bounds it; try again later",
  },
  signer_failed: {
    what: "the program's key cannot sign, so nothing could be proven",
    help: "see the signer that the program gives (docs/library.md)",
  },
  target_unsupported: {
    what: "governedFetch() does not know how to ask for such an address",
    help: "give it an absolute http or https URL",
  },
  call_failed: CALL,
  call_timeout: { ...CALL, what: "the call that a program wraps with enforce() took longer than its timeoutMs" },
  input_unreadable: INPUT,
  input_too_large: INPUT,
  inspection_failed: FAILED,
};

const QUOTED = "if it is only quoted, leave the quotation out; findings below say where it stands";
const LEAVE_OUT = "leave it out of what is sent; findings below say where it stands";
const PLANTED = "see who wrote the text it stands in, and do not give that to a model";

const ATTACK_HELP: Readonly<Record<AttackVector, string>> = {
  "701": QUOTED,
  "702": LEAVE_OUT,
  "703": LEAVE_OUT,
  "704": PLANTED,
  "705": PLANTED,
  "707": "if an argument is meant to hold code, allow it for that place; findings below say where it stands",
  "708": PLANTED,
  "709": LEAVE_OUT,
  "710": QUOTED,
  "711": LEAVE_OUT,
  "712": "it was learned, not read: if it is innocent, put detect.classifier into shadow (docs/policy.md)",
  "713": PLANTED,
  "714": LEAVE_OUT,
};

const ATTACKS: Readonly<Record<string, Words>> = {
  ...Object.fromEntries(
    Object.entries(ATTACK_HELP).map(([code, help]) => [code, { what: VECTORS[code as AttackVector].reason, help }]),
  ),
  [ASSEMBLED]: {
    what: "the content assembles a forbidden instruction from pieces",
    help: "findings below say where the pieces stand",
  },
};

/** There is one for each class of addresses. */
const ADDRESS: Words = {
  what: "the name leads to an address that is not public",
  help: "if that is meant, put the network into EVE_PROXY_ALLOW_ADDRESSES",
};
/** A plane, or a policy of OPA, may name codes of its own. */
const UNKNOWN: Words = { what: "it was refused", help: "docs/policy.md lists the codes" };

export function wordsOf(vector: string | null): Words {
  if (vector === null) return UNKNOWN;
  if (Object.hasOwn(WORDS, vector)) return WORDS[vector] as Words;
  if (Object.hasOwn(ATTACKS, vector)) return ATTACKS[vector] as Words;
  return vector.startsWith("address_") ? ADDRESS : UNKNOWN;
}
