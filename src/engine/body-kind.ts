/** What the engine has to know of a body before it is read. */
import type { BodyKind } from "../dlp/dlp.ts";
import type { Question } from "../model/question.ts";

/** One of them stands in every dialect's calls, in whatever case. */
const WORDS = ["tool", "functioncall", "function_call", "jsonrpc"].map((word) => new TextEncoder().encode(word));
const WINDOW = 64 * 1024;
const CASE = 0x20;

/** By its looks, and by its media type only when it does not look like JSON. */
export function kindOf(question: Pick<Question, "body" | "headers">, bytes: Uint8Array): BodyKind {
  // Many readers of JSON take a byte order mark away, and then undo its escapes.
  let first = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (first < bytes.length && (bytes[first] as number) <= 0x20) first += 1;
  if (bytes[first] === 0x7b || bytes[first] === 0x5b || bytes[first] === 0x22) return "json";
  if (bytes !== question.body) return "text";
  // Asked for last: a question makes the list of its fields when it is first looked at.
  const type = question.headers.find(([name]) => name.toLowerCase() === "content-type")?.[1];
  if (typeof type !== "string") return "text";
  if (/^\s*application\/x-www-form-urlencoded/i.test(type)) return "form";
  return /^\s*multipart\//i.test(type) ? "multipart" : "text";
}

/** Whether a JSON body may ask a tool for something: a word that every dialect's calls have stands in it. */
export function* mayCallTools(bytes: Uint8Array): Generator<void, boolean> {
  for (let at = 0; at < bytes.length; at += WINDOW) {
    if (at > 0) yield;
    if (toolWordIn(bytes, at, Math.min(at + WINDOW, bytes.length))) return true;
  }
  return false;
}

/** One that begins in [from, to). */
function toolWordIn(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const letter = (bytes[i] as number) | CASE;
    if (letter !== 0x74 && letter !== 0x66 && letter !== 0x6a) continue;
    for (const word of WORDS) if (word[0] === letter && stands(word, bytes, i)) return true;
  }
  return false;
}

function stands(word: Uint8Array, bytes: Uint8Array, at: number): boolean {
  if (at + word.length > bytes.length) return false;
  for (let i = 0; i < word.length; i++) {
    const byte = bytes[at + i] as number;
    if ((word[i] === 0x5f ? byte : byte | CASE) !== word[i]) return false;
  }
  return true;
}
