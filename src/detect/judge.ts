/** What a reading means: called for the plain text and for every disguise undone, so cheap and pure. */
import { findPhrase } from "./phrases.ts";
import type { Match, Reading } from "./reading.ts";

const FORBIDDEN = {
  "701": { name: "instruction-override", reason: "the content orders a model to drop its instructions" },
  "702": { name: "prompt-extraction", reason: "the content orders a model to give its system prompt away" },
  "703": { name: "unrestrained-persona", reason: "the content gives a model a persona without restraint" },
} as const;

/** The worst thing a reading says, or null. */
export function judge(reading: Reading): Match | null {
  const found = findPhrase(reading.letters, 0, reading.count);
  if (found === null) return null;
  const { vector, start, end } = found;
  return { vector, ...FORBIDDEN[vector], severity: "high", start, end, inText: false };
}
