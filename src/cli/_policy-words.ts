/** Codes of certificates in the words of whoever has to do something about them. */

export interface Words {
  readonly what: string;
  readonly help: string;
}

const WORDS: readonly (readonly [code: RegExp, words: Words])[] = [
  [
    /^blocked_host$/,
    {
      what: "the host is on the list of blocked hosts",
      help: "EVE_PROXY_BLOCKED_HOSTS names it; take it out there if it is meant to be reached",
    },
  ],
  [
    /^loop$/,
    {
      what: "the request was for the gateway itself",
      help: "a proxy setting points at the gateway where a destination belongs",
    },
  ],
  [
    /^gateway_service$/,
    {
      what: "the destination is a service of the gateway: its plane, store, proxy or admin port",
      help: "nobody reaches those through the gateway",
    },
  ],
  [/^kill_switch$/, { what: "an operator has stopped everything", help: "release the kill switch (docs/admin.md)" }],
  [
    /^sequence$/,
    {
      what: "with what this session did before, the request completes a sequence that the policy forbids",
      help: "see the sequence in the policy; it holds until its time (within) is over",
    },
  ],
  [
    /^approval_needed$/,
    {
      what: "a rule wants a person to approve this",
      help: "have it approved, or ask for an allow rule that is narrower than the one that holds it",
    },
  ],
  [
    /^sanitize_/,
    {
      what: "data would have to be taken out where taking it out makes another request of it: in a head or URL, a key, a signed body",
      help: "leave it out of what is sent, or send it in the body and unsigned",
    },
  ],
  [
    /^ssrf_url$/,
    {
      what: "a tool is asked to fetch an address of a cloud's metadata service",
      help: "no tool has business there; see who wrote the argument",
    },
  ],
  [
    /^attestation_invalid$/,
    {
      what: "the governance plane's answer does not prove that it is its own, and about this request",
      help: "see that EVE_PROXY_GOVERNANCE_JWKS holds the plane's keys, and that both clocks are right",
    },
  ],
  [
    /^limits_unavailable$/,
    {
      what: "the counters could not be asked, and this limit is closed then; or they are full, and no limit is open then",
      help: "see that Redis runs, has memory, and that EVE_PROXY_REDIS_URL reaches it; if agents' names were invented, bound them by a limit without `per`",
    },
  ],
  [
    /^price_unknown$/,
    { what: "a money limit applies, and no price is known for the model", help: "add it to prices: in the policy" },
  ],
  [
    /^(?:host_mismatch$|sni_|tunnel_|connect_)/,
    {
      what: "what is in the tunnel is not what the tunnel was opened for, or tunnels are not allowed",
      help: "connect to the name that is asked for; places with another protocol belong into opaque: of the policy",
    },
  ],
  [
    /^(?:plane_(?:deny|sanitize)|opa_deny)$/,
    {
      what: "the governance plane or the OPA policy said so, and named no code",
      help: "its operators know why; rule and reason are theirs",
    },
  ],
  [
    /^policy_/,
    {
      what: "a rule of the policy forbids this, or no rule lets it through",
      help: "see the rule below; whoever keeps the policy can add an allow rule or an exception",
    },
  ],
  [
    /^address_metadata$/,
    {
      what: "the address is a cloud's metadata service",
      help: "code that asks it usually wants credentials: give it those another way",
    },
  ],
  [
    /^address_/,
    {
      what: "the name leads to an address that is not public",
      help: "if that is meant, put the network into EVE_PROXY_ALLOW_ADDRESSES",
    },
  ],
  [
    /^body_bomb$/,
    { what: "the body grows beyond all bounds when it is decoded", help: "send it with less compression, or in parts" },
  ],
  [
    /^body_undecodable$/,
    {
      what: "the body has a coding that cannot be undone, or is not what it says",
      help: "send it without Content-Encoding, or with gzip, deflate, br or zstd",
    },
  ],
  [
    /^dlp_secret/,
    {
      what: "the request holds a secret: a key, a token, a password",
      help: "take it out; if it has left before, have it replaced",
    },
  ],
  [
    /^dlp_canary/,
    {
      what: "the request holds a canary: bait that nothing honest sends",
      help: "find out how whoever sent it got hold of it",
    },
  ],
  [
    /^dlp_/,
    {
      what: "the request holds data that may not leave",
      help: "take it out, or have dlp: sanitize it (docs/policy.md)",
    },
  ],
  [
    /^(?:rate|limit|budget|payment|concurrency)/,
    { what: "a limit is used up", help: "wait for the next period, or have the limit raised (limits: in the policy)" },
  ],
  [
    /^701$/,
    {
      what: "the content orders a model to drop its instructions",
      help: "if it is only quoted, leave the quotation out; findings below say where it stands",
    },
  ],
  [
    /^702$/,
    { what: "the content orders a model to give its system prompt away", help: "leave it out of what is sent" },
  ],
  [/^703$/, { what: "the content gives a model a persona without restraint", help: "leave it out of what is sent" }],
  [
    /^706$/,
    {
      what: "the content assembles a forbidden instruction from pieces",
      help: "findings below say where the pieces stand",
    },
  ],
  [
    /^[0-9]{3}$/,
    {
      what: "the content is an attack on a model, or carries one",
      help: "docs/pillar128.md has the table of vectors; findings below say where it stands",
    },
  ],
  [
    /^decision_timeout$/,
    {
      what: "the decision took too long",
      help: "EVE_PROXY_ENFORCE_TIMEOUT bounds it; see the plane's latency, or the size of the body",
    },
  ],
  [
    /^decision_|^pipeline_crashed$/,
    { what: "the decision itself failed", help: "this is a defect or a broken plane: see the log around that time" },
  ],
  [
    /^plane_unreachable$|^breaker_open$/,
    {
      what: "the governance plane cannot be asked",
      help: "see that it runs and that EVE_PROXY_GOVERNANCE_URL reaches it",
    },
  ],
  [
    /^inspection_exhausted$/,
    { what: "inspection ran out of its budget", help: "send less at once, or raise EVE_PROXY_ENFORCE_TIMEOUT" },
  ],
  [
    /^evidence_/,
    {
      what: "evidence could not be written, and without evidence nothing leaves",
      help: "see the disk of the audit log",
    },
  ],
  [
    /^held_exhausted$/,
    {
      what: "there was no room to hold the body for inspection",
      help: "EVE_PROXY_MAX_HELD bounds it; try again later",
    },
  ],
  [/^body_too_large$/, { what: "the body is larger than what is inspected", help: "EVE_PROXY_MAX_BODY bounds it" }],
];

const UNKNOWN: Words = { what: "it was refused", help: "docs/policy.md lists the codes" };

export function wordsOf(vector: string | null): Words {
  return WORDS.find(([code]) => vector !== null && code.test(vector))?.[1] ?? UNKNOWN;
}
