/** A plane's answer, read strictly and without holding the event loop. */
import type { Digest } from "../crypto/digest.ts";
import { answerHash } from "../crypto/params-hash.ts";
import { type Ruling, type RulingVerdict, ruling } from "../engine/ruling.ts";
import { Fault } from "../errors.ts";
import type { Finding } from "../model/finding.ts";
import type { HttpReply } from "../runtime/contract.ts";
import {
  type DecisionAnswer,
  decisionAnswerSchema,
  type LimitWord,
  type Refusal,
  refusalSchema,
  rulingMetadataSchema,
} from "./governance-schema.ts";
import { cutLong, gather } from "./long-member.ts";
import type { Settle } from "./outcome-schema.ts";
import { PlaneStatus } from "./plane-fault.ts";

/** All of an answer but a long replacement body. */
export const ANSWER_ROOM = 256 * 1024;

export interface PlaneAnswer {
  readonly answer: DecisionAnswer;
  /** What to send instead; null unless the answer is `sanitize`. */
  readonly redacted: Uint8Array | null;
}

interface Reading {
  /** The longest replacement, bytes. */
  readonly maxBody: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

/** Why the plane gave no decision, when it says so in the one form there is for it; null for any other answer. */
export function readRefusal({ status, headers, body }: HttpReply): Refusal | null {
  if (status !== 422 && status !== 500) return null;
  if (!/^application\/json *(?:;|$)/i.test(headers["content-type"] ?? "") || body.length > ANSWER_ROOM) return null;
  try {
    return refusalSchema.safeParse(JSON.parse(strict.decode(body))).data ?? null;
  } catch {
    return null;
  }
}

/** Rejects with Fault `governance_malformed`. */
export async function readAnswer(reply: HttpReply, { maxBody, clock }: Reading): Promise<PlaneAnswer> {
  if (reply.status !== 200) throw new PlaneStatus(reply.status);
  const type = reply.headers["content-type"] ?? "";
  if (!/^application\/json *(?:;|$)/i.test(type)) throw malformed("the content type is not application/json");
  const member = { path: ["redacted_body"], room: ANSWER_ROOM, clock, complain: malformed };
  const { rest, pieces } = await cutLong(reply.body, member);
  const answer = validated(rest);
  if (answer.decision !== "sanitize") return { answer, redacted: null };
  const base64 = answer.redacted_encoding === "base64";
  const gathering = { name: "redacted_body", maxBytes: maxBody, base64, complain: malformed };
  return { answer, redacted: await gather(pieces ?? answer.redacted_body ?? "", gathering) };
}

function validated(bytes: Uint8Array): DecisionAnswer {
  let json: unknown;
  try {
    json = JSON.parse(strict.decode(bytes));
  } catch {
    throw malformed("not JSON");
  }
  const checked = decisionAnswerSchema.safeParse(json);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  // Paths only: an answer's values may quote the body.
  throw malformed(issue === undefined ? "not a decision" : `${issue.path.join(".") || "answer"}: ${issue.code}`);
}

const strict = new TextDecoder("utf-8", { fatal: true });

function malformed(detail: string): Fault {
  return new Fault("governance_malformed", `the governance plane's answer is malformed: ${detail}`);
}

interface Told {
  readonly would: RulingVerdict | null;
  readonly controls: readonly string[];
  readonly findings: readonly Finding[];
  readonly limit: LimitWord | null;
  readonly settle: Settle | null;
}

/** What a ruling is said to be, and what limits add to it. */
export interface PlaneRuling {
  readonly ruling: Ruling;
  readonly limit: LimitWord | null;
  /** What it has taken can be settled; null when nothing has to be. */
  readonly settle: Settle | null;
}

function toldIn({ decision, metadata }: DecisionAnswer): Told {
  const checked = rulingMetadataSchema.safeParse(metadata ?? {});
  if (!checked.success) throw malformed(`metadata.${checked.error.issues[0]?.path.join(".") ?? ""}: not as documented`);
  const { would, controls, findings, limit, settle } = checked.data;
  if (limit !== undefined && limit !== null && !goesWith(limit, decision)) throw malformed("metadata.limit: not of it");
  return {
    would: would === decision ? null : (would ?? null),
    controls: controls ?? [],
    findings: findings ?? [],
    limit: limit ?? null,
    settle: settle ?? null,
  };
}

/** A status belongs to a refusal, and a name that stands twice has no one value. */
function goesWith(limit: LimitWord, decision: RulingVerdict): boolean {
  if ("mode" in limit) return decision === "allow" || decision === "sanitize";
  return decision === "deny" && new Set(limit.fields.map(([name]) => name)).size === limit.fields.length;
}

const UNSAID: Readonly<Record<RulingVerdict, readonly [reason: string, vector: string | null]>> = {
  allow: ["allowed by the governance plane", null],
  deny: ["denied by the governance plane", "plane_deny"],
  approval_needed: ["approval is needed", "approval_needed"],
  sanitize: ["sanitized by the governance plane", "plane_sanitize"],
};

/** As `answerHash`. Throws Fault `governance_malformed` for what has no canonical form: no hash of it can have been signed. */
export function hashOf(answer: DecisionAnswer, digest: Pick<Digest, "sha256">): string {
  try {
    return answerHash(answer, digest);
  } catch {
    throw malformed("half of a surrogate pair, or too many levels");
  }
}

/** As the embedded engine would have put it. Throws Fault `governance_malformed`. */
export function rulingOf(answer: DecisionAnswer, replacement: Uint8Array | null): PlaneRuling {
  const { decision, rule, policy_version, ttl_s, pillar, vector } = answer;
  const { limit, settle, ...told } = toldIn(answer);
  const [unsaid, code] = UNSAID[decision];
  const detail = { ...told, rule: rule ?? null, policyVersion: policy_version ?? null, ttlS: ttl_s ?? 0, replacement };
  const plain = decision === "allow" && told.would === null;
  const named = plain ? {} : { pillar: pillar ?? "CoreGuard", vector: vector ?? code };
  const ruled = ruling(decision, answer.reason ?? answer.message ?? unsaid, { ...detail, ...named });
  return { ruling: ruled, limit, settle };
}
