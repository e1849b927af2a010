/** A question as limits look at it: the same subject as of the egress it tells of, as far as it tells of it. */
import type { LimitProgram } from "../limits/compile.ts";
import type { LimitSubject, ModelCall } from "../limits/subject.ts";
import type { Field, Question } from "../model/question.ts";
import { callIn } from "./limits-subject.ts";
import { overridesMethod } from "./plain-read.ts";

export interface QuestionSource {
  /** Who asks; no tenant's counters are another's. */
  readonly tenant: string;
  readonly question: Question;
  /** It came through a tunnel that has been decided. */
  readonly inside: boolean;
  /** Bytes of the body as it is sent. */
  readonly bytes: number;
  /** The body to send instead, or null. */
  readonly replacement: Uint8Array | null;
}

/** Waits only where a long body has to be read and some limit looks into it. */
export function subjectOfQuestion(program: LimitProgram, source: QuestionSource): LimitSubject | Promise<LimitSubject> {
  const { question, replacement } = source;
  const read = replacement ?? question.body;
  const make = (call: ModelCall | null): LimitSubject => describe(source, read, call);
  if (!program.readsModels || question.phase === "tunnel") return make(null);
  const call = callIn(replacement === null ? question : withBody(question, replacement));
  return call instanceof Promise ? call.then(make) : make(call);
}

function describe(source: QuestionSource, read: Uint8Array | null, call: ModelCall | null): LimitSubject {
  const { tenant, question, inside, bytes, replacement } = source;
  const { agent, parentAgent: parent, host, port, literal, method, path, phase } = question;
  const query = queryText(question.query);
  const names = question.headers.flatMap(([name]) => [name, ""]);
  return {
    realm: tenant,
    tenant,
    agent,
    parent,
    host,
    port,
    literal,
    method,
    overridden: overridesMethod(names, `?${query}`),
    path,
    tunnel: phase === "tunnel",
    inside,
    bytes: replacement === null ? bytes : replacement.length,
    call,
    paying: { body: read, contentType: contentTypeOf(question.headers), query, hidden: hidesName(question.query) },
  };
}

function withBody(question: Question, body: Uint8Array): Question {
  const { org, caller, agent, parentAgent, phase, door, method, scheme, host, port, literal } = question;
  const { path, query, headers, trailers, upgrade, at } = question;
  const place = { method, scheme, host, port, literal, path, query };
  return { org, caller, agent, parentAgent, phase, door, ...place, headers, trailers, upgrade, body, at };
}

/** For looking for names in it: what a credential was is empty, and a name that is not told may be what stands for it. */
function queryText(fields: readonly Field[]): string {
  return fields
    .map(([name, value]) => (typeof value !== "string" ? `${name}=` : name === "" ? `${value}=` : `${name}=${value}`))
    .join("&");
}

/** Of a parameter whose name is a credential only that is told (decide/credential-fields.ts). */
function hidesName(fields: readonly Field[]): boolean {
  return fields.some(([name, value]) => name === "" && typeof value !== "string");
}

/** As of an egress: of two that differ it is none that an amount can be read from, nor is one that is not told. */
function contentTypeOf(headers: readonly Field[]): string {
  const given = new Set(headers.filter(([name]) => name.toLowerCase() === "content-type").map(([, value]) => value));
  const [first = "", ...more] = given;
  return more.length > 0 || typeof first !== "string" ? "*" : first;
}
