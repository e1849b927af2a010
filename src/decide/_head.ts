/** What of a request's head is text that a model may come to read: path, query, field values, and trailers. */

import { type Inspection, type Inspector, WHOLE_BYTES } from "../detect/inspect.ts";
import { type Egress, SHORT_VALUE } from "../model/egress.ts";
import type { HeaderList } from "../model/headers.ts";

/** Heads up to this are read in one go. */
export const HEAD_BYTES = WHOLE_BYTES;

/** What a text that is inspected in several parts repeats of the one before. */
const OVERLAP = 8 * 1024;

const scratch = new Uint8Array(WHOLE_BYTES);

/** The texts that are long enough for any inspector, none over `WHOLE_BYTES`, and their length together. */
export function headTexts(
  { path, headers }: Egress,
  trailers: HeaderList | null,
): { readonly texts: readonly string[]; readonly length: number } {
  const texts: string[] = [];
  const mark = path.indexOf("?");
  let length = add(texts, mark === -1 ? path : path.slice(0, mark));
  if (mark !== -1) length += add(texts, path.slice(mark + 1));
  for (let i = 1; i < headers.length; i += 2) length += add(texts, headers[i] as string);
  if (trailers !== null) for (let i = 1; i < trailers.length; i += 2) length += add(texts, trailers[i] as string);
  return { texts, length };
}

function add(texts: string[], text: string): number {
  if (text.length <= SHORT_VALUE) return 0;
  if (text.length <= WHOLE_BYTES) texts.push(text);
  else for (let at = 0; at < text.length; at += WHOLE_BYTES - OVERLAP) texts.push(text.slice(at, at + WHOLE_BYTES));
  return text.length;
}

/** Text by text: no phrase spans two of them. Of at most `WHOLE_BYTES` chars, each of them a byte. */
export function inspectField(text: string, inspectors: readonly Inspector[]): Inspection {
  const { length } = text;
  for (let i = 0; i < length; i++) scratch[i] = text.charCodeAt(i);
  const bytes = scratch.subarray(0, length);
  for (const inspector of inspectors) {
    const found = inspector.inspect(bytes, false);
    if (found === "exhausted") return found;
    if (found !== null) return { ...found, where: "head" };
  }
  return null;
}
