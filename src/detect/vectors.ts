/** What Pillar 128 can answer with. */
import type { Severity } from "../model/finding.ts";

interface Vector {
  readonly name: string;
  readonly severity: Severity;
  readonly reason: string;
}

/** Docs/pillar128.md has the same table, with examples. A rule names a row of it, or does not compile. */
export const VECTORS = {
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
} as const satisfies Readonly<Record<string, Vector>>;

export type AttackVector = keyof typeof VECTORS;

/** A likeness is no phrase. */
export const LEARNED = "712" satisfies AttackVector;

/** Symbolic assembly. It has no row: what was assembled keeps the name and the severity of what it says. */
export const ASSEMBLED = "706";
