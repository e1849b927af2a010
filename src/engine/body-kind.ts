/** What the engine has to know of a body before it is read. */
import type { BodyKind } from "../dlp/dlp.ts";
import type { Question } from "../model/question.ts";

const WINDOW = 64 * 1024;
const [TOOL, FUNCTION, CALL, JSONRPC] = ["tool", "function", "call", "jsonrpc"].map((word) =>
  Uint8Array.from(word, (letter) => letter.charCodeAt(0)),
) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
/** The last letter of "tool" and "call", the first of "jsonrpc", in both cases. */
const TELLS = new Uint8Array(256);
for (const letter of "lL") TELLS[letter.charCodeAt(0)] = 1;
for (const letter of "jJ") TELLS[letter.charCodeAt(0)] = 2;

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

/** Whether a JSON body may ask a tool for something: "tool", "function_call" or "jsonrpc" stands in it, in any case. */
export function* mayCallTools(bytes: Uint8Array): Generator<void, boolean> {
  for (let at = 0; at < bytes.length; at += WINDOW) {
    if (at > 0) yield;
    if (namesTools(bytes, at, Math.min(bytes.length, at + WINDOW))) return true;
  }
  return false;
}

function namesTools(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const told = TELLS[bytes[i] as number] as number;
    if (told === 0) continue;
    if (told === 2) {
      if (stands(bytes, i, JSONRPC)) return true;
    } else if (stands(bytes, i - 3, TOOL) || (stands(bytes, i - 3, CALL) && isFunction(bytes, i - 3))) return true;
  }
  return false;
}

/** "function" or "function_" ends before `at`. */
function isFunction(bytes: Uint8Array, at: number): boolean {
  return stands(bytes, (bytes[at - 1] === 0x5f ? at - 1 : at) - FUNCTION.length, FUNCTION);
}

function stands(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  if (at < 0 || at + word.length > bytes.length) return false;
  for (let i = 0; i < word.length; i++) if (((bytes[at + i] as number) | 0x20) !== word[i]) return false;
  return true;
}
