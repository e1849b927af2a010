/** What of a question's head is text that a model may come to read: path, query, field values, and trailers. */
import {
  type Budget,
  type Inspection,
  type Inspector,
  inspectSlices,
  type Turn,
  WHOLE_BYTES,
} from "../detect/inspect.ts";
import type { Unread } from "../dlp/dlp.ts";
import { OVERLAP } from "../model/bounds.ts";
import { SHORT_VALUE } from "../model/egress.ts";
import type { Field, Question } from "../model/question.ts";

export type { Unread };

const scratch = new Uint8Array(WHOLE_BYTES);

/** A text of a head, and where it stands as findings say it. */
export interface HeadText {
  readonly text: string;
  readonly where: string;
}

/** The texts that are long enough for any inspector, none over `WHOLE_BYTES`. A credential is no text. */
export function headTexts({ path, query, trailers }: Question, { url, headers }: Unread): readonly HeadText[] {
  if (!url && headers.length === 0 && trailers.length === 0) return NO_TEXTS;
  const texts: HeadText[] = [];
  if (url) {
    add(texts, path, "path");
    if (query.length > 0) add(texts, query.map(asText).join("&"), "query");
  }
  for (const [name, value] of headers) if (typeof value === "string") add(texts, value, `header ${name.slice(0, 80)}`);
  for (const [name, value] of trailers)
    if (typeof value === "string") add(texts, value, `trailer ${name.slice(0, 80)}`);
  return texts;
}

const NO_TEXTS: readonly HeadText[] = [];

function asText([name, value]: Field): string {
  return typeof value === "string" ? `${name}=${value}` : name;
}

function add(texts: HeadText[], text: string, where: string): void {
  if (text.length <= SHORT_VALUE) return;
  if (text.length <= WHOLE_BYTES) texts.push({ text, where });
  else
    for (let at = 0; at < text.length; at += WHOLE_BYTES - OVERLAP)
      texts.push({ text: text.slice(at, at + WHOLE_BYTES), where });
}

/** Text by text: no phrase spans two of them. Of at most `WHOLE_BYTES` chars, each of them a byte. */
export function readField(text: string, inspectors: readonly Inspector[], budget: Budget): Inspection {
  const { length } = text;
  for (let i = 0; i < length; i++) scratch[i] = text.charCodeAt(i);
  const bytes = scratch.subarray(0, length);
  for (const inspector of inspectors) {
    const found = inspector.inspect(bytes, false, budget);
    if (found !== null) return found;
  }
  return null;
}

/** The same in steps. */
export function readFieldInSteps(
  text: string,
  inspectors: readonly Inspector[],
  budget: Budget,
): Generator<Turn, Inspection> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return inspectSlices(bytes, inspectors, budget);
}
