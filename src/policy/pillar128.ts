/**
 * Pillar 128, first version: deliberately small and precise. It finds stock phrases that order a model to drop its
 * instructions, however spaced, escaped or disguised, and the same phrases assembled from pieces.
 */
import { assemble } from "./assembly.ts";
import { asText, encodeText, type Letters, MAX_LETTERS_INPUT, readLetters, sourceOf } from "./letters.ts";
import { findPhrase } from "./phrases.ts";

/** A reason for a veto. Vectors: 701 override, 702 prompt extraction, 703 persona, 706 symbolic assembly. */
export interface Finding {
  readonly pillar: string;
  readonly vector: string;
  readonly reason: string;
}

const REASONS: Readonly<Record<string, string>> = {
  "701": "the content orders a model to drop its instructions",
  "702": "the content orders a model to give its system prompt away",
  "703": "the content gives a model a persona without restraint",
  "706": "the content assembles a forbidden instruction from pieces",
};

/** An assembled phrase needs two literals at the least. */
const MIN_QUOTES = 4;
/** The shortest phrase has more letters. */
const MIN_BYTES = 16;

/** UTF-8 (or anything ASCII-like) of at most `MAX_LETTERS_INPUT` bytes; `inspectSlices` slices what is longer. Pure, linear. */
export function inspectBytes(bytes: Uint8Array): Finding | null {
  if (bytes.length < MIN_BYTES) return null;
  const read = readLetters(bytes);
  const match = findPhrase(read.letters);
  if (match !== null) {
    // Quotes inside one phrase: pieces that touch once quotes and joints are gone.
    const source = sourceOf(read.ascii, match.start, match.end);
    return finding(/["'`]/.test(source) ? "706" : match.vector);
  }
  return read.quotes >= MIN_QUOTES && assembles(read) ? finding("706") : null;
}

/** A text of any length; the caller bounds it. */
export function inspectText(text: string): Finding | null {
  const bytes = encodeText(text);
  const step = MAX_LETTERS_INPUT / 2;
  for (let at = 0; at === 0 || at + step < bytes.length; at += step) {
    const found = inspectBytes(bytes.subarray(at, at + MAX_LETTERS_INPUT));
    if (found !== null) return found;
  }
  return null;
}

function assembles(read: Letters): boolean {
  const assembled = assemble(asText(read.ascii));
  return assembled !== "" && findPhrase(assembled) !== null;
}

function finding(vector: string): Finding {
  return { pillar: "128", vector, reason: REASONS[vector] ?? "" };
}
