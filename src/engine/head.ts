/** What of a question's head is text that a model may come to read: path, query, field values, and trailers. */
import { type Inspection, type Inspector, WHOLE_BYTES } from "../detect/inspect.ts";
import { SHORT_VALUE } from "../model/egress.ts";
import type { Field, Question } from "../model/question.ts";

/** What a text that is inspected in several parts repeats of the one before. */
const OVERLAP = 8 * 1024;

const scratch = new Uint8Array(WHOLE_BYTES);

/** What of a head has to be read. The rest is as this engine has read it before, to no effect. */
export interface Unread {
  /** Host, path and query. */
  readonly url: boolean;
  readonly headers: readonly Field[];
}

/** The texts that are long enough for any inspector, none over `WHOLE_BYTES`. A credential is no text. */
export function headTexts({ path, query, trailers }: Question, { url, headers }: Unread): readonly string[] {
  if (!url && headers.length === 0 && trailers.length === 0) return NO_TEXTS;
  const texts: string[] = [];
  if (url) {
    add(texts, path);
    if (query.length > 0) add(texts, query.map(asText).join("&"));
  }
  for (const [, value] of headers) if (typeof value === "string") add(texts, value);
  for (const [, value] of trailers) if (typeof value === "string") add(texts, value);
  return texts;
}

const NO_TEXTS: readonly string[] = [];

function asText([name, value]: Field): string {
  return typeof value === "string" ? `${name}=${value}` : name;
}

function add(texts: string[], text: string): void {
  if (text.length <= SHORT_VALUE) return;
  if (text.length <= WHOLE_BYTES) texts.push(text);
  else for (let at = 0; at < text.length; at += WHOLE_BYTES - OVERLAP) texts.push(text.slice(at, at + WHOLE_BYTES));
}

/** Text by text: no phrase spans two of them. Of at most `WHOLE_BYTES` chars, each of them a byte. */
export function readField(text: string, inspectors: readonly Inspector[]): Inspection {
  const { length } = text;
  for (let i = 0; i < length; i++) scratch[i] = text.charCodeAt(i);
  const bytes = scratch.subarray(0, length);
  for (const inspector of inspectors) {
    const found = inspector.inspect(bytes, false);
    if (found !== null) return found;
  }
  return null;
}
