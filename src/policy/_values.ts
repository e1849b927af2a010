/** What a checked entry of a policy says, as values. Without the schema: whoever only asks a policy does not load it. */

export const SEVERITIES = ["low", "medium", "high", "critical"] as const;

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a `duration`. */
export function secondsOf(text: string): number {
  return Number(text.slice(0, -1)) * (UNIT_SECONDS[text.slice(-1)] ?? Number.NaN);
}

/** What `many` accepted, as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value as T];
}
