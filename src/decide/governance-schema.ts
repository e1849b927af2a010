/** The decision API (docs/governance-api.md) as schemas: what the relay sends a plane, and all a plane may answer. */
import { z } from "zod";
import { MAX_FINDINGS } from "../engine/ruling.ts";
import { SEVERITIES } from "../model/finding.ts";
import { MAX_CONTROLS } from "../policy/verdicts.ts";
import { differsInCase } from "../wire/methods.ts";
import { settleSchema } from "./outcome-schema.ts";

/** Text of a question. Half of a surrogate pair has no bytes: it could be neither hashed nor sent anywhere. */
const said = z.string().refine((given) => given.isWellFormed());

/** A credential as the plane sees it. The fingerprint is keyed: it can be compared, not reversed or looked up. */
const credentialSchema = z.strictObject({
  /** How it was given: bearer, basic, aws4, cookie, api_key, jwt, token. */
  kind: said,
  /** Who issued it, by its looks, or null. */
  issuer: said.nullable(),
  /** "hmac-" + 32 hex; equal for equal values under one relay's key. */
  fingerprint: z.string().regex(/^hmac-[0-9a-f]{32}$/),
});

const fieldSchema = z.tuple([said, z.union([said, credentialSchema])]).readonly();

export const decisionRequestSchema = z.strictObject({
  v: z.literal(1),
  /** "req_" + 16 hex, new for every question. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  org: said,
  caller: said,
  /** Who says they ask. Stated by the caller, not proven. */
  agent: z.strictObject({ id: said.nullable(), parent: said.nullable() }),
  /** certificate_id of the tunnel this came through, or null. */
  parent: said.nullable(),
  /** `message`: one that goes up in a stream (WebSocket, gRPC); `parent` is then the certificate of the stream. */
  phase: z.enum(["request", "tunnel", "message"]),
  door: said,
  method: said.refine((method) => !differsInCase(method)),
  scheme: z.enum(["http", "https", "tcp"]),
  host: said,
  port: z.int().min(0).max(65535),
  /** Without query; segments that look like credentials are `[redacted]`. "" for a tunnel. */
  path: said,
  /** Parameters in their order, names and values as sent (still percent-encoded). */
  query: z.array(fieldSchema).readonly(),
  headers: z.array(fieldSchema).readonly(),
  /** What the connection becomes when the upstream agrees; its messages are then asked about one by one. */
  upgrade: z.literal("websocket").nullable(),
  /** Fields behind a chunked body. They are never forwarded, but what reads the log must know they were there. */
  trailers: z.array(fieldSchema).readonly(),
  /** Null for a tunnel. */
  body: z
    .strictObject({
      encoding: z.enum(["utf8", "base64"]),
      /** The body with its content codings undone. */
      data: z.string(),
      /** Codings that were undone, in the order they had been applied. */
      decoded: z.array(said),
      /** Bytes and sha256 hex of the body as held: still encoded, as in the certificate. */
      length: z.int().min(0),
      sha256: said,
    })
    .nullable(),
});

export type DecisionRequest = z.infer<typeof decisionRequestSchema>;

const text = z.string().max(4096).nullish();
/** Pillar and vector become header values. */
const code = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,127}$/)
  .nullish();

const answerFields = z.strictObject({
  decision: z.enum(["allow", "deny", "sanitize", "approval_needed"]),
  reason: text,
  pillar: code,
  vector: code,
  rule: text,
  policy_version: z.string().max(256).nullish(),
  redacted_body: z.string().nullish(),
  redacted_encoding: z.enum(["utf8", "base64"]).nullish(),
  approval_id: z.string().max(256).nullish(),
  message: text,
  attestation: z.string().max(65_536).nullish(),
  ttl_s: z.number().min(0).max(86_400).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
});

/**
 * Strict: a key this relay does not know may be a condition it would not meet. Room for anything else is in `metadata`.
 * An allow with a body to send instead contradicts itself, and so does a sanitize without one.
 */
export const decisionAnswerSchema = answerFields.refine(
  ({ decision, redacted_body: redacted }) => (decision === "sanitize") === (typeof redacted === "string"),
  { message: "redacted_body goes with sanitize, and only with it" },
);

export type DecisionAnswer = z.infer<typeof decisionAnswerSchema>;

const verdict = z.enum(["allow", "deny", "sanitize", "approval_needed"]);

const findingSchema = z.strictObject({
  pillar: z.string().max(32),
  vector: z.string().max(128),
  name: z.string().max(128),
  severity: z.enum(SEVERITIES),
  view: z.string().max(256),
  where: z.string().max(256),
  /** Bytes of that part; of a body with its codings undone. */
  start: z.int().min(0),
  end: z.int().min(0),
  reason: z.string().max(512),
});

/** What a plane may have a relay answer besides its own fields, and nothing else. */
export const LIMIT_FIELDS = [
  "Retry-After",
  "RateLimit-Policy",
  "RateLimit",
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
] as const;

export type LimitField = (typeof LIMIT_FIELDS)[number];

/** A name and its value: printable ASCII without blanks around it. */
const limitFieldSchema = z.tuple([
  z.enum(LIMIT_FIELDS),
  z.string().regex(/^[\u0021-\u007e](?:[\u0020-\u007e]{0,158}[\u0021-\u007e])?$/),
]);

/** What the plane's limits said. `mode` goes with verdicts that permit, the others with `deny`. */
export const limitWordSchema = z.union([
  z.strictObject({
    /** What the relay answers; 503: the counters cannot be asked, and the verdict is FAIL_CLOSED. */
    status: z.union([z.literal(429), z.literal(451), z.literal(503)]),
    /** Each name at most once. */
    fields: z.array(limitFieldSchema).max(LIMIT_FIELDS.length).readonly(),
  }),
  /** The counters cannot be asked, and every limit it falls under is open then. */
  z.strictObject({ mode: z.literal("degraded") }),
]);

export type LimitWord = z.infer<typeof limitWordSchema>;

/** What of `metadata` a relay reads; any other key is its owner's. */
export const rulingMetadataSchema = z.looseObject({
  /** The verdict if nothing of the policy were in shadow; absent when it is the same. */
  would: verdict.nullish(),
  /** Ids of the controls the rule serves. */
  controls: z.array(z.string().max(64)).max(MAX_CONTROLS).nullish(),
  /** What the ruling rests on. No text of the request is in it. */
  findings: z.array(findingSchema).max(MAX_FINDINGS).nullish(),
  limit: limitWordSchema.nullish(),
  settle: settleSchema.nullish(),
});

/** Any answer that is no decision. */
export const refusalSchema = z.strictObject({
  /** A stable code. `inspection_exhausted` and `decision_crashed` are about the question; a relay fails closed on all. */
  error: z.string().regex(/^[a-z_]{1,64}$/),
  message: z.string().max(4096),
  policy_version: z.string().max(256).nullish(),
});

export type Refusal = z.infer<typeof refusalSchema>;
