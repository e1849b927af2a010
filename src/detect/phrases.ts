/**
 * Looks for stock phrases in *letters only*: lower-case a–z and a byte for each letter of other scripts, everything else taken
 * out, so that spacing, punctuation, quotes and control characters inside a phrase make no difference.
 */
import { PHRASE_RULES } from "./phrase-rules.ts";
import { rulesElsewhere } from "./phrases-elsewhere.ts";
import { StemIndex, type StemMatch, type StemRule } from "./stems.ts";

/** Letters of a phrase and of what is looked at on both sides of it: none has more. */
export const PHRASE_REACH = 160;

/** Positions in the letters. */
export type PhraseMatch = StemMatch;

const codes = (stem: string): Uint8Array => Uint8Array.from(stem, (letter) => letter.charCodeAt(0));

function rules(): StemRule[] {
  const english = PHRASE_RULES.map(({ vector, stems, pattern }) => ({
    vector,
    stems: stems.map(codes),
    pattern: new RegExp(pattern, "y"),
  }));
  const elsewhere = rulesElsewhere().map(({ vector, stems, pattern }) => ({
    vector,
    stems,
    pattern: new RegExp(pattern, "y"),
  }));
  return [...english, ...elsewhere];
}

let index: StemIndex | null = null;

/** Makes the index, some milliseconds' work; the first text makes it otherwise. */
export function preparePhrases(): StemIndex {
  index ??= new StemIndex(rules(), 0);
  return index;
}

/** The first phrase in letters (and breaks, which no phrase spans) from `from` to `to`, or null. */
export function findPhrase(letters: Uint8Array, from: number, to: number): PhraseMatch | null {
  return (index ?? preparePhrases()).find(letters, from, to);
}
