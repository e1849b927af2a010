/** A GraphQL request: in a JSON body (one or a batch), a body that is the document, an upload form, or the query of a URL. */
import type { Question } from "../model/question.ts";
import { fieldsOf } from "./_fields.ts";
import { parseGraphQl } from "./_graphql-parse.ts";
import type { Body, Trouble } from "./body.ts";
import { decodeText } from "./coding.ts";
import type { GraphQl, GraphQlOperation } from "./graphql.ts";
import { ARRAY, JsonTape, NULL, OBJECT, STRING } from "./json.ts";
import { first, sibling, stringAt, textOf } from "./json-look.ts";

const MAX_DOCUMENT = 256 * 1024;
const MAX_BATCH = 1000;
/** Stands for a document that is not worth a string. */
const LONG = `{${" ".repeat(MAX_DOCUMENT)}`;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Null: none. A place that is called graphql is one whatever it holds; elsewhere it is one when it reads as one. */
export function readGraphQl(question: Question, body: Body, mediaType: string): GraphQl | null | Trouble {
  const there =
    /(?:^|\/)(?:graphql|gql|graphiql)\/?$/i.test(question.path) || mediaType.startsWith("application/graphql");
  const asked = inQuery(question, there);
  const posted = inBody(body, mediaType, there);
  if (asked !== null && posted !== null) return { reason: "ambiguous", detail: "GraphQL in the URL and in the body" };
  return asked ?? posted;
}

function inQuery(question: Question, there: boolean): GraphQl | null | Trouble {
  const given = question.query.filter(([name]) => name === "query");
  const value = given[0]?.[1];
  if (typeof value !== "string") return null;
  const text = percentDecoded(value);
  if (!there && !looksLikeDocument(text)) return null;
  if (given.length > 1) return { reason: "ambiguous", detail: "two documents in the URL" };
  const name = question.query.find(([key]) => key === "operationName")?.[1];
  return collect(
    [{ document: text, operation: typeof name === "string" ? percentDecoded(name) : null, persisted: false }],
    there,
  );
}

function inBody(body: Body, mediaType: string, there: boolean): GraphQl | null | Trouble {
  if (mediaType === "application/graphql" && body.kind === "text") {
    return collect([{ document: decoder.decode(body.bytes), operation: null, persisted: false }], true);
  }
  if (body.kind === "multipart") {
    const part = body.parts.find(({ name }) => name === "operations");
    if (part === undefined) return null;
    const tape = new JsonTape().read(body.bytes.subarray(part.start, part.end));
    return tape.plain ? fromTape(tape, there) : null;
  }
  return body.tape === null ? null : fromTape(body.tape, there);
}

function fromTape(tape: JsonTape, there: boolean): GraphQl | null | Trouble {
  const requests: Asked[] = [];
  if (tape.kind[0] === ARRAY) {
    for (let each = first(tape, 0); each !== -1; each = sibling(tape, each)) {
      if (tape.kind[each] !== OBJECT) return null;
      const found = requestAt(tape, each);
      if (found === null) return null;
      if (found === "ambiguous") return TWICE;
      if (requests.push(found) > MAX_BATCH) return { reason: "too_many", detail: "too many GraphQL requests" };
    }
    return requests.length === 0 ? null : collect(requests, there);
  }
  const found = tape.kind[0] === OBJECT ? requestAt(tape, 0) : null;
  if (found === "ambiguous") return TWICE;
  return found === null ? null : collect([found], there);
}

const TWICE: Trouble = { reason: "ambiguous", detail: "keys that differ in case only" };

interface Asked {
  readonly document: string | null;
  readonly operation: string | null;
  readonly persisted: boolean;
}

function requestAt(tape: JsonTape, object: number): Asked | null | "ambiguous" {
  const fields = fieldsOf(tape, object);
  if (fields === null) return "ambiguous";
  const query = fields.get("query");
  const persisted = fields.has("extensions") || fields.has("id") || fields.has("documentid");
  const named = fields.get("operationname");
  const operation = named === undefined || tape.kind[named] === NULL ? null : stringAt(tape, named, 512);
  if (query === undefined || tape.kind[query] === NULL) {
    return persisted && (named !== undefined || fields.has("variables") || fields.has("extensions"))
      ? { document: null, operation, persisted: true }
      : null;
  }
  if (tape.kind[query] !== STRING) return null;
  const long = (tape.end[query] as number) - (tape.start[query] as number) > MAX_DOCUMENT;
  return { document: long ? LONG : textOf(tape, query), operation, persisted: false };
}

function collect(requests: readonly Asked[], there: boolean): GraphQl | null | Trouble {
  const operations: GraphQlOperation[] = [];
  const written: GraphQlOperation[] = [];
  let persisted = false;
  let length = 0;
  for (const asked of requests) {
    if (asked.document === null) {
      if (!there) return null;
      persisted = true;
      continue;
    }
    if (!there && !looksLikeDocument(asked.document)) return null;
    length += asked.document.length;
    const found = length > MAX_DOCUMENT ? "too_many" : parseGraphQl(asked.document);
    if (found === "too_many") return { reason: "too_many", detail: "a GraphQL document beyond the bounds" };
    if (found === null) return { reason: "invalid", detail: "no GraphQL document" };
    written.push(...found);
    const chosen =
      asked.operation === null || asked.operation === "" ? found : found.filter(({ name }) => name === asked.operation);
    if (chosen.length !== 1) return { reason: "ambiguous", detail: "it is not said which operation is meant" };
    operations.push(...chosen);
  }
  return { operations, written, persisted, batch: requests.length };
}

/** Words of a question to a search engine do not begin so. */
function looksLikeDocument(text: string): boolean {
  return /^(?:[\s,\uFEFF]|#[^\n]*(?:\n|$))*(?:\{|(?:query|mutation|subscription|fragment)\b[^{]{0,2000}\{)/.test(
    text.slice(0, 8192),
  );
}

function percentDecoded(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return decoder.decode(decodeText("form", bytes, 0, bytes.length));
}
