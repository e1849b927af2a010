/** What a reading means: called for the plain text and for every disguise undone, so cheap and pure. */
import type { Severity } from "../model/finding.ts";
import { findLearned, prepareWeights } from "./classifier.ts";
import { findMarkup, prepareMarkup } from "./markup.ts";
import { findPhrase, preparePhrases } from "./phrases.ts";
import type { Match, Reading } from "./reading.ts";

interface Vector {
  readonly name: string;
  readonly severity: Severity;
  readonly reason: string;
}

/** Docs/pillar128.md has the same table, with examples. */
export const VECTORS: Readonly<Record<string, Vector>> = {
  "701": {
    name: "instruction-override",
    severity: "high",
    reason: "the content orders a model to drop its instructions",
  },
  "702": {
    name: "prompt-extraction",
    severity: "high",
    reason: "the content orders a model to give its system prompt away",
  },
  "703": {
    name: "unrestrained-persona",
    severity: "high",
    reason: "the content gives a model a persona without restraint",
  },
  "704": { name: "planted-instruction", severity: "high", reason: "the content speaks to a model that is to read it" },
  "705": {
    name: "exfiltration-markup",
    severity: "critical",
    reason: "the content has a model fill data into the address of an image",
  },
  "707": {
    name: "command-injection",
    severity: "high",
    reason: "the content breaks out of an argument into a command, a query or a template",
  },
  "708": { name: "fake-turn", severity: "high", reason: "the content ends its own turn and begins one of the system" },
  "709": { name: "adversarial-suffix", severity: "medium", reason: "the content ends in marks that no person writes" },
  "710": {
    name: "instruction-override-elsewhere",
    severity: "high",
    reason: "the content orders a model to drop its instructions, in another language than English",
  },
  "711": { name: "refusal-suppression", severity: "high", reason: "the content forbids a model to refuse" },
  "712": {
    name: "learned-likeness",
    severity: "medium",
    reason: "the content is worded like known attacks on a model",
  },
  "713": { name: "active-markup", severity: "high", reason: "the content holds markup that runs when it is shown" },
  "714": {
    name: "answer-tampering",
    severity: "medium",
    reason: "the content orders a model to flood or garble its answer",
  },
};

/** The worst thing a reading says, or null: stock phrases, then punctuation, then likeness. */
export function judge(reading: Reading): Match | null {
  const { letters, count, text, learned } = reading;
  const phrase = findPhrase(letters, 0, count);
  if (phrase !== null) return matchOf(phrase.vector, phrase, false);
  const markup = findMarkup(text, 0, text.length);
  if (markup !== null) return matchOf(markup.vector, markup, true);
  const like = learned ? findLearned(letters, 0, count) : null;
  return like === null ? null : matchOf("712", like, false);
}

function matchOf(vector: string, { start, end }: { start: number; end: number }, inText: boolean): Match {
  const { name, severity, reason } = VECTORS[vector] ?? {
    name: "phrase",
    severity: "high",
    reason: "the content is forbidden",
  };
  return { vector, name, severity, start, end, inText, reason };
}

/** Makes the tables the first judgement would otherwise wait for; a step at a time, each of at most some milliseconds. */
export function* prepareJudge(): Generator<void, void> {
  yield* preparePhrases();
  prepareMarkup();
  yield;
  prepareWeights();
}
