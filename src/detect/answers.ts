/** Pillar 128 in what comes back: not attacks on a model, but what a text has a model do that reads it. */
import type { Finding } from "../model/finding.ts";
import { type Inspection, inspectBytes, inspectPlain } from "./pillar128.ts";
import { lookingOnlyFor } from "./stems.ts";
import type { AttackVector } from "./vectors.ts";

/**
 * What a web page, a document or a tool's result is used for against its reader. Personas, suffixes, commands and markup
 * that runs are ordinary in pages, code and articles, and what a likeness was learned from are prompts.
 */
export const ANSWER_VECTORS: ReadonlySet<string> = new Set<AttackVector>(["701", "702", "704", "705", "708", "710"]);

/** Bytes: what a window repeats of the one before. No phrase, with what is looked at around it, is longer in its letters. */
export const ANSWER_REACH = 480;

/** A text as it stands. `vectors`: of `ANSWER_VECTORS`, the ones that are looked for. */
export function inspectAnswer(bytes: Uint8Array, vectors: ReadonlySet<string>): Finding | null {
  return lookingOnlyFor(vectors, () => inspectPlain(bytes));
}

/** In every disguise that can be undone, within the bounds of a request's slice. */
export function inspectAnswerDeep(bytes: Uint8Array, vectors: ReadonlySet<string>): Inspection {
  return lookingOnlyFor(vectors, () => inspectBytes(bytes));
}
