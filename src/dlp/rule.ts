import type { Severity } from "../model/finding.ts";

export type DlpClass = "secret" | "personal" | "health" | "canary" | "pattern" | "dictionary";

/** How sure a detector is. `low` is a shape alone that ordinary text has too. */
export type Confidence = "low" | "medium" | "high";

/** What a detector looks for. */
export interface Rule {
  /** Kebab-case, stable: "openai-api-key", "iban". Stands in placeholders. */
  readonly name: string;
  readonly class: DlpClass;
  readonly severity: Severity;
  /** Who issued it, a row of `issuers.ts`; null when nobody does. */
  readonly issuer: string | null;
  /** One sentence for a person. */
  readonly reason: string;
}

/** One thing found, as a range of the bytes that were scanned. */
export interface Hit {
  readonly rule: Rule;
  readonly start: number;
  readonly end: number;
  readonly confidence: Confidence;
  /** "plain", or what was undone. */
  readonly view: string;
}

export function secretRule(name: string, issuer: string | null, reason: string): Rule {
  return { name, class: "secret", severity: "high", issuer, reason };
}
