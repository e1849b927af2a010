/** A relay's question, read as strictly as a relay reads an answer, and without holding the event loop. */
import type { z } from "zod";
import { type DecisionRequest, decisionRequestSchema } from "../decide/governance-schema.ts";
import { cutLong, gather } from "../decide/long-member.ts";
import { type Outcomes, outcomesSchema } from "../decide/outcome-schema.ts";
import { Fault } from "../errors.ts";
import type { Question } from "../model/question.ts";
import { normalizeHost } from "../wire/authority.ts";
import { parseIp } from "../wire/ip.ts";
import { quote } from "../words/quote.ts";

/** Bytes of a question besides a long body: a head of the usual bounds, however it is escaped. */
export const QUESTION_ROOM = 1024 * 1024;

export interface Asked {
  readonly id: string;
  readonly question: Question;
  /** It came through a tunnel that has been decided. */
  readonly inside: boolean;
  /** Of the body as it is sent: the relay's account where it is coded, else what came. */
  readonly bytes: number;
}

export interface QuestionReading {
  /** Bytes that a body may have with its codings undone. */
  readonly maxBody: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Rejects with Fault `governance_malformed`; the message names what, and no value. */
export async function readQuestion(bytes: Uint8Array, { maxBody, clock, now }: QuestionReading): Promise<Asked> {
  const member = { path: ["body", "data"], room: QUESTION_ROOM, clock, complain };
  const { rest, pieces } = await cutLong(bytes, member);
  const { body: told, ...about } = validated(rest);
  // What is ruled on is a place as a relay writes it: any other spelling could be read as another one.
  if (normalizeHost(about.host)?.host !== about.host) throw complain("host: not a name or address in its one spelling");
  let body: Uint8Array | null = null;
  if (told !== null) {
    const base64 = told.encoding === "base64";
    body = await gather(pieces ?? told.data, { name: "body.data", maxBytes: maxBody, base64, complain });
  }
  const coded = told !== null && told.decoded.length > 0;
  const sent = coded ? told.length : (body?.length ?? 0);
  return { id: about.id, question: questionOf(about, body, now()), inside: about.parent !== null, bytes: sent };
}

function questionOf(about: Omit<DecisionRequest, "body">, body: Uint8Array | null, at: number): Question {
  const { org, caller, agent, phase, door, method, scheme, host, port, path, query, headers, trailers, upgrade } =
    about;
  const said = { org, caller, phase, door, method, scheme, host, port, path, query, headers, trailers, upgrade };
  return { ...said, agent: agent.id, parentAgent: agent.parent, literal: parseIp(host) !== null, body, at };
}

const strict = new TextDecoder("utf-8", { fatal: true });

function validated(bytes: Uint8Array): DecisionRequest {
  let json: unknown;
  try {
    json = JSON.parse(strict.decode(bytes));
  } catch {
    throw complain("not JSON");
  }
  const checked = decisionRequestSchema.safeParse(json);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw complain(
    issue === undefined ? "not a question" : `${issue.path.join(".") || "question"}: ${said(issue, json)}`,
  );
}

/** Kinds and keys, never a value: a question is full of what is nobody's to log. */
function said(issue: z.core.$ZodIssue, json: unknown): string {
  if (issue.code === "unrecognized_keys") return `unknown key ${quote(issue.keys[0] ?? "")}`;
  if (issue.code === "invalid_value") return `must be ${issue.values.map(String).join(" or ")}`;
  if (issue.code !== "invalid_type") return issue.code;
  return isThere(json, issue.path) ? `must be ${A[issue.expected] ?? issue.expected}` : "is missing";
}

const A: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  array: "a list",
  tuple: "a list of two",
  object: "a map",
};

function isThere(json: unknown, path: readonly PropertyKey[]): boolean {
  let found = json;
  for (const part of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, part)) return false;
    found = (found as Readonly<Record<PropertyKey, unknown>>)[part];
  }
  return true;
}

function complain(detail: string): Fault {
  return new Fault("governance_malformed", `the question is malformed: ${detail.slice(0, 256)}`);
}

/** Null when they are none. Of a key that stands twice the last counts: a token says by itself what it is good for. */
export function readOutcomes(bytes: Uint8Array): Outcomes | null {
  try {
    return outcomesSchema.safeParse(JSON.parse(strict.decode(bytes))).data ?? null;
  } catch {
    return null;
  }
}
