/** What a checked entry of a policy says, as values. Without the schema: whoever only asks a policy does not load it. */
import { durationSeconds } from "../limits/period.ts";

/** Seconds of a `duration`. */
export function secondsOf(text: string): number {
  return durationSeconds(text) ?? Number.NaN;
}

/** What `many` accepted, as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value as T];
}
