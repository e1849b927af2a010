/**
 * Pillar 128, first version: deliberately small and precise. It finds stock phrases that order a model to drop its
 * instructions, however spaced, escaped or disguised, and the same phrases assembled from pieces.
 */
import { assembles } from "./assembly.ts";
import {
  ASCII_ROOM,
  asciiOf,
  type Letters,
  MAX_LETTERS_INPUT,
  quotedBetween,
  readLetters,
  textualPart,
} from "./letters.ts";
import { findPhrase } from "./phrases.ts";

/** A reason for a veto. Vectors: 701 override, 702 prompt extraction, 703 persona, 706 symbolic assembly. */
export interface Finding {
  readonly pillar: string;
  readonly vector: string;
  readonly reason: string;
}

/** `null`: inspected whole, nothing found. "exhausted": the input asks for more work than any honest one. */
export type Inspection = Finding | "exhausted" | null;

const REASONS: Readonly<Record<string, string>> = {
  "701": "the content orders a model to drop its instructions",
  "702": "the content orders a model to give its system prompt away",
  "703": "the content gives a model a persona without restraint",
  "706": "the content assembles a forbidden instruction from pieces",
};

/** An assembled phrase needs two literals at the least. */
const MIN_QUOTES = 4;
/** The shortest phrase has as many letters; fewer bytes are never read at all. */
export const MIN_LETTERS = 16;

const plain = new Uint8Array(MAX_LETTERS_INPUT + ASCII_ROOM);

/**
 * UTF-8 (or anything ASCII-like) of at most `MAX_INSPECTED` bytes; `inspectSlices` slices what is longer. Pure, linear.
 * `cutJson`: the bytes are from the middle of a JSON text.
 */
export function inspectBytes(bytes: Uint8Array, cutJson = false): Inspection {
  if (bytes.length < MIN_LETTERS) return null;
  let source = bytes;
  let read = readLetters(source);
  if (read.masked) {
    source = ascii(source);
    read = readLetters(source);
  }
  const match = findPhrase(read.letters, 0, read.count);
  // Quotes inside one phrase: pieces that touch once quotes and joints are gone.
  if (match !== null) return finding(quotedBetween(source, match.start, match.end) ? "706" : match.vector);
  if (read.count < MIN_LETTERS || !mayAssemble(read, cutJson || isJson(source))) return null;
  // A recipe is text: in a body that is mostly none, only the parts that are text are read as one.
  if (read.bad > source.length / 16) source = textualPart(source);
  const assembled = assembles(read.foreign ? ascii(source) : source, cutJson);
  return assembled === true ? finding("706") : assembled === false ? null : "exhausted";
}

function mayAssemble({ quotes, doubles }: Letters, json: boolean): boolean {
  return quotes + (json ? 0 : doubles) >= MIN_QUOTES;
}

export function isJson(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7b || bytes[0] === 0x5b;
}

function ascii(bytes: Uint8Array): Uint8Array {
  return plain.slice(0, Math.min(asciiOf(bytes, plain), MAX_LETTERS_INPUT));
}

function finding(vector: string): Finding {
  return { pillar: "128", vector, reason: REASONS[vector] ?? "" };
}
