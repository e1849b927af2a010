/** A ruling as the decision API answers it. What a relay could not read as a decision is never sent as one: it is read as a relay reads it. */
import { type AttestationKey, type Attested, signAttestation } from "../crypto/attestation.ts";
import { hashInTurns } from "../crypto/hash-in-turns.ts";
import { answerHash, paramsHash } from "../crypto/params-hash.ts";
import {
  type DecisionAnswer,
  decisionAnswerSchema,
  type LimitWord,
  type Refusal,
} from "../decide/governance-schema.ts";
import type { Settle } from "../decide/outcome-schema.ts";
import { rulingOf } from "../decide/plane-answer.ts";
import { bodyText, writeBase64 } from "../decide/plane-request.ts";
import type { Ruling } from "../engine/ruling.ts";
import type { Finding } from "../model/finding.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { Asked } from "./question.ts";

export type Machine = Pick<Runtime, "sha256" | "hasher" | "afterTurn" | "now" | "randomHex">;

export interface Answering {
  readonly runtime: Machine;
  /** Null: no attestation. */
  readonly key: AttestationKey | null;
  readonly tenant: string;
}

type AnsweredTo = Pick<Asked, "id" | "question">;

/** A ruling with what limits have made of it. */
export interface LimitedRuling extends Ruling {
  readonly limit?: LimitWord;
  /** What it took from limits can be settled. */
  readonly settle?: Settle;
}

const MAX_TEXT = 4096;
/** Parts of a long answer are handed to the socket in pieces of this. */
const CHUNK = 256 * 1024;

/** Rejects when the ruling has no form in the API: a defect, and no answer. */
export async function answerOf(
  { id, question }: AnsweredTo,
  ruling: LimitedRuling,
  answering: Answering,
): Promise<Response> {
  const { replacement } = ruling;
  const facts = factsOf(ruling);
  // By what will be read, not by what was meant: the relay's own schemas have the last word, and what they make of it.
  const checked = decisionAnswerSchema.parse(replacement === null ? facts : { ...facts, redacted_body: "" });
  rulingOf(checked, replacement);
  const { runtime, key } = answering;
  let attestation: string | null = null;
  if (key !== null) {
    const { body } = question;
    const bodySha256 = body === null ? null : await hashInTurns(runtime, body);
    const attested: Attested = {
      request: id,
      decision: checked.decision,
      pillar: checked.pillar ?? null,
      vector: checked.vector ?? null,
      rule: checked.rule ?? null,
      reason: checked.reason ?? null,
      would: ruling.would,
      policyVersion: checked.policy_version ?? null,
      paramsHash: paramsHash(question, bodySha256, runtime),
      redactedHash: replacement === null ? null : `sha256-${await hashInTurns(runtime, replacement)}`,
      answerHash: answerHash(facts, runtime),
    };
    const now = Math.floor(runtime.now() / 1000);
    const signing = { ...key, now, jti: runtime.randomHex(16), tenant: answering.tenant };
    attestation = await signAttestation(attested, signing);
  }
  const said = attestation === null ? facts : { ...facts, attestation };
  if (replacement === null) return json(said, 200);
  return replaced(said, replacement);
}

function factsOf(ruling: LimitedRuling): DecisionAnswer {
  const { verdict, rule, policyVersion, pillar, vector, ttlS, would, controls, findings, limit, settle } = ruling;
  const metadata: Record<string, unknown> = {};
  if (would !== null) metadata.would = would;
  if (controls.length > 0) metadata.controls = controls;
  if (findings.length > 0) metadata.findings = findings.map(told);
  if (limit !== undefined) metadata.limit = limit;
  if (settle !== undefined) metadata.settle = settle;
  return {
    decision: verdict,
    reason: cut(ruling.reason, MAX_TEXT),
    ...(pillar === null ? {} : { pillar }),
    ...(vector === null ? {} : { vector }),
    ...(rule === null ? {} : { rule: cut(rule, MAX_TEXT) }),
    ...(policyVersion === null ? {} : { policy_version: policyVersion }),
    ...(ttlS > 0 ? { ttl_s: ttlS } : {}),
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
  };
}

/** A finding holds no text of the request; where it was found may be named by the request. */
function told(finding: Finding): Finding {
  const { pillar, vector, severity, start, end } = finding;
  const { name, view, where, reason } = finding;
  return {
    pillar,
    vector,
    name: cut(name, 128),
    severity,
    view: cut(view, 256),
    where: cut(where, 256),
    start,
    end,
    reason: cut(reason, 512),
  };
}

/** Half of a surrogate pair, which a policy may hold, is no text that can be signed. */
function cut(text: string, length: number): string {
  return (text.length <= length ? text : `${text.slice(0, length - 1)}…`).toWellFormed();
}

/** An answer with a body in it, which may be megabytes: as bytes, in pieces, and the loop handed back in between. */
async function replaced(said: object, body: Uint8Array): Promise<Response> {
  const text = body.length <= CHUNK ? bodyText(body) : null;
  if (text !== null) return json({ ...said, redacted_body: text, redacted_encoding: "utf8" }, 200);
  const before = encoder.encode(
    `${JSON.stringify({ ...said, redacted_encoding: "base64" }).slice(0, -1)},"redacted_body":"`,
  );
  const behind = encoder.encode('"}\n');
  const whole = new Uint8Array(before.length + 4 * Math.ceil(body.length / 3) + behind.length);
  whole.set(before);
  await writeBase64(body, whole.subarray(before.length, whole.length - behind.length));
  whole.set(behind, whole.length - behind.length);
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(whole.subarray(at, at + CHUNK));
      at += CHUNK;
      if (at >= whole.length) controller.close();
    },
  });
  return new Response(stream, {
    headers: { "Content-Type": "application/json", "Content-Length": String(whole.length) },
  });
}

export interface RefusalDetail {
  readonly message: string;
  readonly policyVersion?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Anything but a decision, in the one form there is for it. */
export function refusal(status: number, error: string, { message, policyVersion, headers }: RefusalDetail): Response {
  const version = policyVersion === undefined || policyVersion === null ? {} : { policy_version: policyVersion };
  return json({ error, message, ...version } satisfies Refusal, status, headers);
}

export function json(value: object, status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers },
  });
}

const encoder = new TextEncoder();
