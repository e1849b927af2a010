/** What the engine has to know of a body before it is read. */
import type { BodyKind } from "../dlp/dlp.ts";
import type { Question } from "../model/question.ts";

const WINDOW = 64 * 1024;
/** Words are looked for behind the end of a window, too. */
const OVERLAP = 16;
const latin1 = new TextDecoder("latin1");
const TOOLS = /tool|function_?call|jsonrpc/i;

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
    if (namesTools(bytes.subarray(at, at + WINDOW + OVERLAP))) return true;
  }
  return false;
}

/** The same of a part of it. */
export function namesTools(bytes: Uint8Array): boolean {
  // As a compiled pattern, at half of what a loop over the bytes costs.
  return TOOLS.test(latin1.decode(bytes));
}
