import type { Field, Question } from "../../src/model/question.ts";
import { questionWith } from "../_question.ts";

const encoder = new TextEncoder();

interface Given {
  readonly path?: string;
  readonly type?: string | null;
  readonly headers?: readonly Field[];
  readonly query?: readonly Field[];
  readonly method?: string;
  readonly host?: string;
}

/** A POST of this body: of a string as it is, of anything else as JSON. */
export function questionOf(body: unknown, given: Given = {}): Question {
  const type = given.type === undefined ? "application/json" : given.type;
  const bytes =
    body instanceof Uint8Array ? body : encoder.encode(typeof body === "string" ? body : JSON.stringify(body));
  return questionWith({
    method: given.method ?? "POST",
    host: given.host ?? "models.internal.test",
    path: given.path ?? "/",
    query: given.query ?? [],
    headers: [...(type === null ? [] : [["Content-Type", type] as const]), ...(given.headers ?? [])],
    body: bytes,
  });
}
