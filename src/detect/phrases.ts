/**
 * Looks for stock phrases in *letters only*: lower-case a–z and a byte for each letter of other scripts, everything else taken
 * out, so that spacing, punctuation, quotes and control characters inside a phrase make no difference.
 */
import { ASKED_RULES } from "./asked-rules.ts";
import { askedElsewhere } from "./elsewhere-asked.ts";
import { PHRASE_RULES } from "./phrase-rules.ts";
import { rulesElsewhere } from "./phrases-elsewhere.ts";
import { PLANTED_RULES } from "./planted-rules.ts";
import { StemIndex, type StemMatch, type StemRule } from "./stems.ts";
import { TAMPERING_RULES } from "./tampering-rules.ts";

/** Letters of a phrase and of what is looked at on both sides of it: none has more. */
export const PHRASE_REACH = 160;

/** Positions in the letters. */
export type PhraseMatch = StemMatch;

let index: StemIndex | null = null;

function* rules(): Generator<StemRule, void> {
  for (const { vector, stems, pattern, guard } of [
    ...PHRASE_RULES,
    ...ASKED_RULES,
    ...PLANTED_RULES,
    ...TAMPERING_RULES,
  ]) {
    const codes = stems.map((stem) => Uint8Array.from(stem, (letter) => letter.charCodeAt(0)));
    const made = { vector, stems: codes, pattern: new RegExp(pattern, "y") };
    yield guard === undefined ? made : { ...made, guard: new RegExp(guard, "y") };
  }
  for (const elsewhere of [rulesElsewhere(), askedElsewhere()]) {
    for (const { vector, stems, pattern } of elsewhere) yield { vector, stems, pattern: new RegExp(pattern, "y") };
  }
}

/** Makes the index, a rule a step; a text that comes before the last of them makes it whole. */
export function* preparePhrases(): Generator<void, void> {
  const made = new StemIndex(0);
  for (const rule of rules()) {
    if (index !== null) return;
    made.add(rule);
    yield;
  }
  index = made;
}

/** Words are read as letters where a text's letters are still waiting to be judged, so those are put back. */
function madeBeside(waiting: Uint8Array): StemIndex {
  const kept = waiting.slice();
  const made = new StemIndex(0);
  for (const rule of rules()) made.add(rule);
  waiting.set(kept);
  index = made;
  return made;
}

/** The first phrase in letters (and breaks, which no phrase spans) from `from` to `to`, or null. */
export function findPhrase(letters: Uint8Array, from: number, to: number): PhraseMatch | null {
  return (index ?? madeBeside(letters.subarray(0, to))).find(letters, from, to);
}
