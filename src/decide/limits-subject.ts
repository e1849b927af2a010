/** An egress as limits look at it. */
import { type Facts, factsOf } from "../content/facts.ts";
import type { LimitProgram } from "../limits/compile.ts";
import type { LimitSubject, ModelCall } from "../limits/subject.ts";
import type { Decision } from "../model/decision.ts";
import type { Egress, HeldBody } from "../model/egress.ts";
import { type HeaderList, headerValue, headerValues } from "../model/headers.ts";
import type { Field, Question } from "../model/question.ts";
import { type BodyDecoder, contentCodings, isVeto } from "./decode.ts";
import { nextTurn } from "./inspect-in-turns.ts";
import { overridesMethod } from "./plain-read.ts";

export interface SubjectSource {
  readonly tenant: string;
  readonly decode: BodyDecoder;
}

/** More than this is read in turns: the loop is handed back in between. */
const AT_ONCE = 64 * 1024;
const PIECES_A_TURN = 8;

/**
 * Waits only where a coded body has to be undone, or a long one read, and some limit looks into it. A body that cannot be
 * undone is no body: whoever reads amounts refuses it.
 */
export function subjectOf(
  { tenant, decode }: SubjectSource,
  program: LimitProgram,
  egress: Egress,
  { body, decision }: { readonly body: HeldBody | null; readonly decision: Decision },
): LimitSubject | Promise<LimitSubject> {
  const sent = decision.replacement ?? body?.bytes ?? null;
  const make = (read: Uint8Array | null): LimitSubject | Promise<LimitSubject> => {
    const bare = { tenant, egress, sent, read };
    if (!program.readsModels || egress.phase === "tunnel") return describe(bare, null);
    const call = callIn(questionOf(egress, read));
    return call instanceof Promise ? call.then((come) => describe(bare, come)) : describe(bare, call);
  };
  if (sent === null || !(program.readsModels || program.readsPayments)) return make(null);
  // What replaces a body is not coded.
  if (!egress.coded || decision.replacement !== null) return make(sent);
  const codings = contentCodings(egress.headers);
  if (isVeto(codings)) return make(null);
  if (codings.length === 0) return make(sent);
  return decode(sent, codings).then((decoded) => make(decoded instanceof Uint8Array ? decoded : null));
}

/** The model that a question asks for; waits only where its body is long. */
export function callIn(question: Question): ModelCall | null | Promise<ModelCall | null> {
  const facts = factsOf(question);
  if (question.body === null || question.body.length <= AT_ONCE) return callOf(facts);
  return inTurns(facts).then(() => callOf(facts));
}

async function inTurns(facts: Facts): Promise<void> {
  let piece = 0;
  for (const _ of facts.prepare()) if (++piece % PIECES_A_TURN === 0) await nextTurn();
}

/** What cannot be read in one way may be a call of any model. */
function callOf(facts: Facts): ModelCall | null {
  const fact = facts.llm();
  facts.release();
  if (!fact.known)
    return { model: null, inputTokens: Math.ceil((facts.question.body?.length ?? 0) / 4), maxOutput: null };
  // A call of a tool is nobody's tokens.
  if (fact.value === null || fact.value.dialect === "mcp") return null;
  const { model, inputTokens, maxTokens } = fact.value;
  return { model: model ?? "", inputTokens, maxOutput: maxTokens };
}

interface Bare {
  readonly tenant: string;
  readonly egress: Egress;
  readonly sent: Uint8Array | null;
  readonly read: Uint8Array | null;
}

function describe({ tenant, egress, sent, read }: Bare, call: ModelCall | null): LimitSubject {
  const { destination, headers, method, principal } = egress;
  const { path, query } = split(egress.path);
  return {
    tenant,
    agent: principal.agent,
    parent: principal.parentAgent,
    host: destination.host,
    port: destination.port,
    literal: destination.literal,
    method,
    overridden: overridesMethod(headers, egress.path),
    path,
    tunnel: egress.phase === "tunnel",
    inside: egress.parent !== null,
    bytes: sent?.length ?? 0,
    call,
    paying: { body: read, contentType: contentTypeOf(headers), query },
  };
}

/** For reading what is in the body; it stays in this process, so its fields are as they came. */
function questionOf(egress: Egress, body: Uint8Array | null): Question {
  const { destination, headers, method, caller, door, phase, upgrade } = egress;
  const { agent, parentAgent } = egress.principal;
  const { scheme, host, port, literal } = destination;
  const { path, query } = split(egress.path);
  const fields: Field[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) fields.push([headers[i] as string, headers[i + 1] as string]);
  const parameters = query === "" ? [] : query.split("&").map((pair): Field => named(pair));
  const place = { method, scheme, host, port, literal, path, query: parameters, headers: fields, trailers: [] };
  return { org: "", caller, agent, parentAgent, phase, door, ...place, upgrade, body, at: 0 };
}

/** Of two that differ servers take the one or the other: then it is no type that an amount can be read from. */
function contentTypeOf(headers: HeaderList): string {
  const given = new Set(headerValues(headers, "content-type"));
  return given.size > 1 ? "*" : (headerValue(headers, "content-type") ?? "");
}

function named(pair: string): Field {
  const equals = pair.indexOf("=");
  return equals === -1 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
}

function split(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf("?");
  return mark === -1 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}
