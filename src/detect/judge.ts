/** What a reading means: called for the plain text and for every disguise undone, so cheap and pure. */
import { findLearned, prepareWeights } from "./classifier.ts";
import { findMarkup, prepareMarkup } from "./markup.ts";
import { findPhrase, preparePhrases } from "./phrases.ts";
import type { Match, Reading } from "./reading.ts";
import { looksForAll } from "./stems.ts";
import { type AttackVector, LEARNED, VECTORS } from "./vectors.ts";

/** The worst thing a reading says, or null: stock phrases, then punctuation, then likeness. */
export function judge(reading: Reading): Match | null {
  return phraseIn(reading) ?? markupIn(reading) ?? likenessIn(reading);
}

/** The looks that a judgement is made of, in their order: each is a pass over the reading. */
export const LOOKS: readonly ((reading: Reading) => Match | null)[] = [phraseIn, markupIn, likenessIn];

function phraseIn({ letters, count }: Reading): Match | null {
  const phrase = findPhrase(letters, 0, count);
  return phrase === null ? null : matchOf(phrase.vector, phrase, false);
}

function markupIn({ text }: Reading): Match | null {
  const markup = findMarkup(text, 0, text.length);
  return markup === null ? null : matchOf(markup.vector, markup, true);
}

function likenessIn({ letters, count, learned }: Reading): Match | null {
  const like = learned && looksForAll() ? findLearned(letters, 0, count) : null;
  return like === null ? null : matchOf(LEARNED, like, false);
}

function matchOf(vector: AttackVector, { start, end }: { start: number; end: number }, inText: boolean): Match {
  return { vector, ...VECTORS[vector], start, end, inText };
}

/** Makes the tables the first judgement would otherwise wait for; a step at a time, each of at most some milliseconds. */
export function* prepareJudge(): Generator<void, void> {
  yield* preparePhrases();
  prepareMarkup();
  yield;
  prepareWeights();
}
