/**
 * The engine with an OPA policy in the place of a policy file: its own inspections first, then the policy, and the more
 * severe of the two wins. What the policy gets wrong is thrown: whoever asked fails closed.
 */
import type { z } from "zod";
import { JSON_LIMITS } from "../content/json.ts";
import type { SliceSize, Turn } from "../detect/inspect.ts";
import { type Asked, Engine, type Ruled } from "../engine/engine.ts";
import { outranks, type Ruling, ruling } from "../engine/ruling.ts";
import type { Question } from "../model/question.ts";
import { quote } from "../words/quote.ts";
import { type DecisionAnswer, decisionAnswerSchema } from "./governance-schema.ts";
import type { OpaProgram } from "./opa-bundle.ts";
import { fromStrictBase64 } from "./plane-request.ts";

/** A body is given to the policy as a value up to this; evaluation cannot be interrupted, so what it is given is bounded. */
const MAX_INPUT_BODY = 256 * 1024;

export interface OpaSettings {
  /** Bytes of a replacement body. */
  readonly maxBody: number;
  /** Told once a fault, in words without anything of the request. */
  readonly fault: (problem: string) => void;
}

export class OpaEngine extends Engine {
  override readonly policyVersion: string;
  readonly #program: OpaProgram;
  readonly #settings: OpaSettings;

  constructor(program: OpaProgram, settings: OpaSettings) {
    super(null);
    this.policyVersion = program.version;
    this.#program = program;
    this.#settings = settings;
  }

  override rule(asked: Asked): Ruled {
    return this.#both(super.rule(asked), asked.question);
  }

  override *ruleInSteps(asked: Asked, size: SliceSize): Generator<Turn, Ruled> {
    const ruled = yield* super.ruleInSteps(asked, size);
    yield;
    return this.#both(ruled, asked.question);
  }

  #both(inspected: Ruled, question: Question): Ruled {
    if (inspected === "exhausted" || inspected.verdict === "deny") return inspected;
    if (question.body !== null && tooDeep(question.body)) {
      // Not left out as what is no JSON: a rule that looks for something in it would find nothing, and allow. No crash
      // either: that may be configured to let pass, and a few of them would have a relay take its plane for broken.
      this.#settings.fault(TOO_DEEP);
      return "exhausted";
    }
    return combined(inspected, this.#ask(question));
  }

  #ask(question: Question): Ruling {
    const { maxBody, fault } = this.#settings;
    let value: unknown;
    try {
      value = this.#program.evaluate(inputOf(question));
    } catch (thrown) {
      // The text may quote the input.
      fault("the OPA policy could not be evaluated");
      throw new Error("the OPA policy could not be evaluated", { cause: thrown });
    }
    const found = rulingOf(value, this.policyVersion, maxBody);
    if (typeof found !== "string") return found;
    fault(`the OPA policy's decision ${found}`);
    throw new Error(`the OPA policy's decision ${found}`);
  }
}

/** Neither the replacement of the one nor of the other has taken out what both want gone. */
function combined(inspected: Ruling, asked: Ruling): Ruling {
  if (inspected.verdict === "sanitize" && asked.verdict === "sanitize") {
    const reason = "two inspections each want something else removed from the body";
    const { rule, policyVersion } = asked;
    return ruling("deny", reason, {
      ...noted(inspected),
      pillar: "CoreGuard",
      vector: "sanitize_conflict",
      rule,
      policyVersion,
    });
  }
  if (outranks(inspected.verdict, asked.verdict)) return { ...inspected, policyVersion: asked.policyVersion };
  const would = inspected.would !== null && outranks(inspected.would, asked.verdict) ? inspected.would : null;
  if (would === null) return { ...asked, ...noted(inspected) };
  const { pillar, vector, reason } = inspected;
  // What is only watched names itself where nothing else has a name to give.
  return asked.verdict === "allow"
    ? { ...asked, ...noted(inspected), would, pillar, vector, reason }
    : { ...asked, ...noted(inspected), would };
}

function noted({ findings, controls }: Ruling): Pick<Ruling, "findings" | "controls"> {
  return { findings, controls };
}

/** What the policy is asked: the question of docs/governance-api.md, with the body as a value where it is one. */
function inputOf(question: Question): object {
  const { org, caller, agent, parentAgent, phase, door, method, scheme, host, port, literal, path } = question;
  const { query, headers, trailers, upgrade, body } = question;
  const place = { method, scheme, host, port, literal, path, query, headers, trailers, upgrade };
  const said = { v: 1, org, caller, agent: { id: agent, parent: parentAgent }, phase, door, ...place };
  const present = body !== null && body.length > 0;
  const value = present ? jsonIn(body) : undefined;
  return {
    ...said,
    body_present: present,
    body_bytes: body?.length ?? 0,
    ...(value === undefined ? {} : { body: value }),
  };
}

const strict = new TextDecoder("utf-8", { fatal: true });

/** As deep as the engine itself reads. To write a value out again costs the square of its depth, and nothing interrupts it. */
const MAX_INPUT_DEPTH = JSON_LIMITS.depth;
const TOO_DEEP = `a body is nested deeper than ${MAX_INPUT_DEPTH}, which the OPA policy is not asked about`;

/** Of what would be given to the policy as a value. */
function tooDeep(body: Uint8Array): boolean {
  if (body.length > MAX_INPUT_BODY || !mayBeJson(body)) return false;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === 0x22) quoted = !quoted;
    else if (quoted) at += byte === 0x5c ? 1 : 0;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > MAX_INPUT_DEPTH) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return false;
}

/** Nearly everything that is no JSON text shows it in its first byte: { [ " - t f n or a digit. */
function mayBeJson(body: Uint8Array): boolean {
  const first = body.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
  return first !== undefined && '{["-tfn0123456789'.includes(String.fromCharCode(first));
}

/** Undefined for what is long or no JSON. */
function jsonIn(body: Uint8Array): unknown {
  if (body.length > MAX_INPUT_BODY || !mayBeJson(body)) return undefined;
  try {
    return JSON.parse(strict.decode(body));
  } catch {
    return undefined;
  }
}

/** A text says what is wrong with it. */
function rulingOf(value: unknown, policyVersion: string, maxBody: number): Ruling | string {
  if (value === undefined) return "is undefined";
  if (value === true) return ruling("allow", "allowed by the OPA policy", { policyVersion });
  if (value === false) {
    return ruling("deny", "denied by the OPA policy", { pillar: "CoreGuard", vector: "opa_deny", policyVersion });
  }
  const checked = decisionAnswerSchema.safeParse(value);
  if (!checked.success) return `is malformed: ${wrongIn(checked.error.issues[0])}`;
  return ruledBy(checked.data, policyVersion, maxBody);
}

/** Keys and what may stand there, never a value: the policy may have it from the request. */
function wrongIn(issue: z.core.$ZodIssue | undefined): string {
  const where = issue?.path.join(".") || "result";
  if (issue?.code === "unrecognized_keys") return `${where} has the unknown key ${quote(issue.keys[0] ?? "")}`;
  if (where === "decision") return "decision must be allow, deny, sanitize or approval_needed";
  if (where === "result" && issue?.code === "custom") return issue.message;
  return where === "result" ? "it is neither true, false nor an object with a decision" : `${where} has another form`;
}

const UNSAID = {
  allow: ["allowed by the OPA policy", null],
  deny: ["denied by the OPA policy", "opa_deny"],
  approval_needed: ["approval is needed", "approval_needed"],
  sanitize: ["sanitized by the OPA policy", "opa_sanitize"],
} as const;

function ruledBy(answer: DecisionAnswer, policyVersion: string, maxBody: number): Ruling | string {
  const { decision, rule, pillar, vector, ttl_s: ttlS, redacted_body: text, redacted_encoding: encoding } = answer;
  const [unsaid, code] = UNSAID[decision];
  let replacement: Uint8Array | null = null;
  if (decision === "sanitize") {
    replacement = encoding === "base64" ? fromStrictBase64(text ?? "") : bytesOf(text ?? "");
    if (replacement === null) return "has a redacted_body that is not what it says";
    if (replacement.length > maxBody) return "has a redacted_body larger than a body may be";
  }
  const named = decision === "allow" ? {} : { pillar: pillar ?? "CoreGuard", vector: vector ?? code };
  const detail = { ...named, rule: rule ?? null, ttlS: ttlS ?? 0, policyVersion, replacement };
  return ruling(decision, answer.reason ?? answer.message ?? unsaid, detail);
}

function bytesOf(text: string): Uint8Array | null {
  return text.isWellFormed() ? new TextEncoder().encode(text) : null;
}
