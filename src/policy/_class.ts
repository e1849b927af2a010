/**
 * Whether a POST that reads as GraphQL, or a GET that may hold some, is one to every server: what is behind a place nobody
 * here knows, so whatever could be read as anything but GraphQL queries is none.
 */
import type { GraphQl } from "../content/graphql.ts";
import { decodeParameter, looseName } from "./_parameters.ts";
import type { Asked } from "./asked.ts";

const KEYS: readonly string[] = ["query", "operationName", "variables", "extensions"];
const IN_URL: ReadonlySet<string> = new Set(["query", "operationname", "variables", "extensions", "operations"]);
/** Larger bodies are not read again; they write. */
const MAX_BODY = 256 * 1024;
const JSON_TYPE = /^application\/(?:[a-z0-9.-]+\+)?json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?$/i;

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Also those that are written and not asked for: another reader may take another one. */
export function onlyQueries({ operations, written }: GraphQl): boolean {
  return operations.length > 0 && operations.every(isQuery) && written.every(isQuery);
}

function isQuery({ kind }: { readonly kind: string }): boolean {
  return kind === "query";
}

/** True when a POST is a GraphQL request by its place, its type and its shape, and by nothing else. */
export function isGraphQlPost(asked: Asked): boolean {
  const { body } = asked.question;
  if (!isGraphQlPlace(asked) || body === null || body.length > MAX_BODY) return false;
  const types = asked.headers("content-type");
  if (types.length !== 1 || typeof types[0] !== "string" || !JSON_TYPE.test(types[0])) return false;
  if (parameters(asked).some(({ name }) => IN_URL.has(name))) return false;
  try {
    const value: unknown = JSON.parse(strict.decode(body));
    return Array.isArray(value) ? value.length > 0 && value.every(isRequest) : isRequest(value);
  } catch {
    return false;
  }
}

function isGraphQlPlace({ path }: Asked): boolean {
  if (path === null) return false;
  return path.lowered.every((segments) => {
    const last = segments.findLast((segment) => segment !== "") ?? "";
    return last === "gql" || last.includes("graphql");
  });
}

function isRequest(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.keys(value).every((key) => KEYS.includes(key));
}

/**
 * True when the URL may hold a GraphQL document that was not read as one. Every operation has a brace, so words for a
 * search engine are none.
 */
export function mayAskInUrl(asked: Asked, read: GraphQl | null): boolean {
  const suspects = parameters(asked).filter(
    ({ name, value }) =>
      (name === "query" || name === "operations") && (value === null || /\{|%7b|\\u|%u/i.test(value)),
  );
  if (suspects.length === 0) return false;
  return suspects.length > 1 || suspects[0]?.name !== "query" || read === null || !onlyQueries(read);
}

/** Names as loosely as they are read, parted at semicolons too. Null: a value that is not shown. */
function parameters(asked: Asked): { readonly name: string; readonly value: string | null }[] {
  return asked.question.query.flatMap(([given, value]) =>
    `${given}=${typeof value === "string" ? value : ""}`.split(/[&;]/).map((piece) => {
      const equals = piece.indexOf("=");
      const name = looseName(decodeParameter(equals === -1 ? piece : piece.slice(0, equals)));
      const text = equals === -1 ? "" : decodeParameter(piece.slice(equals + 1));
      return { name, value: typeof value === "string" ? text : null };
    }),
  );
}
