/** What a reading means: called for the plain text and for every disguise undone, so cheap and pure. */
import { findLearned, prepareWeights } from "./classifier.ts";
import { findMarkup, prepareMarkup } from "./markup.ts";
import { findPhrase, preparePhrases } from "./phrases.ts";
import type { Match, Reading } from "./reading.ts";
import { looksForAll } from "./stems.ts";
import { type AttackVector, LEARNED, VECTORS } from "./vectors.ts";

/** The worst thing a reading says, or null: stock phrases, then punctuation, then likeness. */
export function judge(reading: Reading): Match | null {
  const { letters, count, text, learned } = reading;
  const phrase = findPhrase(letters, 0, count);
  if (phrase !== null) return matchOf(phrase.vector, phrase, false);
  const markup = findMarkup(text, 0, text.length);
  if (markup !== null) return matchOf(markup.vector, markup, true);
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
