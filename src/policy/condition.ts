/** Conditions: each a part of a rule's `when`, compiled once, asked of one question after the other. */
import type { Asked, Truth } from "./asked.ts";

export interface Condition {
  /** As in the file: `methods`, `headers.accept`. */
  readonly name: string;
  /** What it asks for, for people: `POST, PUT`. */
  readonly says: string;
  /** Makes sense of a tunnel, of which only the place and the peer are known. */
  readonly tunnel: boolean;
  /** Cheap ones are asked first; 0 to 9. */
  readonly cost: number;
  test(asked: Asked): Truth;
  /** What was found instead, for people; never a secret, never a body. */
  found?(asked: Asked): string;
}

/** What compiling a condition needs besides the condition. */
export interface Compiling {
  /** Where the condition stands. */
  readonly path: readonly (string | number)[];
  /** Says what is wrong at a place below the rule. */
  problem(path: readonly (string | number)[], what: string): void;
  /** As `problem`, inside a text. */
  problemInside(path: readonly (string | number)[], line: number, column: number, what: string): void;
  /** A list of words with $names replaced by what they stand for. */
  words(given: string | readonly string[] | undefined, path: readonly (string | number)[]): readonly string[];
}

/** How bounds are told to people, both of them included: `from 5 to 10`, `5 or more`, `at most 10`. `unit`: " bytes". */
export function sayRange(min: number | undefined, max: number | undefined, unit = ""): string {
  if (max === undefined) return min === undefined ? "any" : `${min}${unit} or more`;
  return min === undefined ? `at most ${max}${unit}` : `from ${min} to ${max}${unit}`;
}

/** How a list is told to people. */
export function saying(words: readonly (string | number | boolean | null)[]): string {
  const shown = words.slice(0, 6).map(String).join(", ");
  return words.length > 6 ? `${shown}, … (${words.length})` : shown;
}
