/** How bad it is when it is true; the worst last. */
export const SEVERITIES = ["low", "medium", "high", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One thing an inspection found, and where. Never holds what was found: text of a request stays in the request. */
export interface Finding {
  /** "128" for attacks, "CoreGuard" for everything else. */
  readonly pillar: string;
  /** A stable code: a vector's number ("701") or a word ("dlp_secret"). */
  readonly vector: string;
  /** What exactly, in kebab-case: "instruction-override", "openai-api-key". */
  readonly name: string;
  readonly severity: Severity;
  /** The reading that shows it: "plain", or what had to be undone from the outside in, as in "base64 > rot13". */
  readonly view: string;
  /** The part of the request: "body", "path", "host", "header x-note", "query q", "trailer x". */
  readonly where: string;
  /** Bytes of that part as it stands there (of a body: codings undone), end exclusive. A disguise is covered whole. */
  readonly start: number;
  readonly end: number;
  /** One sentence for a person. */
  readonly reason: string;
}
