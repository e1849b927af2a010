/** What the engine has to know of a body before it is read. */
import type { BodyKind } from "../dlp/dlp.ts";
import type { Question } from "../model/question.ts";

const BACKSLASH = 0x5c;
const SMALL_U = 0x75;
const WINDOW = 64 * 1024;
/** Words are looked for behind the end of a window, too. */
const OVERLAP = 16;
const latin1 = new TextDecoder("latin1");
const TOOLS = /^(?:function_?call|jsonrpc)/i;
/** What the readers of calls know one by: a key, or a value of "type". Of "tool" what may go on as "tool_use" or "toolCalls". */
const CALLS = /^(?:tool_?[uc]|mcp_call|function_?call|jsonrpc)/i;
const LONGEST = 13;
/** The first two letters of each word and the two behind the first, low five bits of both. */
const PAIRS = new Uint8Array(1 << 10);
for (const pair of ["to", "oo", "fu", "un", "js", "so", "mc", "cp"])
  PAIRS[((pair.charCodeAt(0) & 31) << 5) | (pair.charCodeAt(1) & 31)] = 1;
/** The first four letters of each, in capitals. */
const [TOOL, FUNC, JSONR, MCP] = ["TOOL", "FUNC", "JSON", "MCP_"].map((word) =>
  [...word].reduce((code, letter) => (code << 8) | letter.charCodeAt(0), 0),
);

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

/**
 * Whether one of them can be a call that was made, or is asked for: false where tools are only offered or spoken of, as in
 * schemas and in code. True where a letter of a key may be written as an escape.
 */
export function* mayHoldCall(bytes: Uint8Array): Generator<void, boolean> {
  for (let at = 0; at < bytes.length; at += WINDOW) {
    if (at > 0) yield;
    if (holdsCall(bytes.subarray(at, at + WINDOW + OVERLAP))) return true;
  }
  return false;
}

/** The same of a part of it. */
export function namesTools(bytes: Uint8Array): boolean {
  return hasWord(bytes, beginsTool);
}

export function holdsCall(bytes: Uint8Array): boolean {
  if (hasWord(bytes, beginsCall)) return true;
  for (let at = bytes.indexOf(BACKSLASH); at !== -1; at = bytes.indexOf(BACKSLASH, at + 1)) {
    if (bytes[at + 1] === SMALL_U) return true;
  }
  return false;
}

function hasWord(bytes: Uint8Array, beginsWord: (bytes: Uint8Array, at: number) => boolean): boolean {
  const last = bytes.length - 2;
  // One of a word's first two places is looked at, and two letters of it stand there.
  for (let i = 0; i < last; i += 2) {
    // Three pairs a turn where none of them is of a word.
    for (; i + 5 < last; i += 6) {
      const any = pairAt(bytes, i) | pairAt(bytes, i + 2) | pairAt(bytes, i + 4);
      if (any !== 0) break;
    }
    if (pairAt(bytes, i) === 1 && (beginsWord(bytes, i) || beginsWord(bytes, i - 1))) return true;
  }
  return false;
}

/** 1: the two letters there are of a word. */
function pairAt(bytes: Uint8Array, at: number): number {
  return PAIRS[(((bytes[at] as number) & 31) << 5) | ((bytes[at + 1] as number) & 31)] as number;
}

function beginsTool(bytes: Uint8Array, at: number): boolean {
  const four = fourAt(bytes, at);
  if (four === TOOL) return true;
  return (four === FUNC || four === JSONR) && TOOLS.test(latin1.decode(bytes.subarray(at, at + LONGEST)));
}

function beginsCall(bytes: Uint8Array, at: number): boolean {
  const four = fourAt(bytes, at);
  if (four !== TOOL && four !== FUNC && four !== JSONR && four !== MCP) return false;
  return CALLS.test(latin1.decode(bytes.subarray(at, at + LONGEST)));
}

/** Four letters, in capitals. */
function fourAt(bytes: Uint8Array, at: number): number {
  const a = bytes[at] ?? 0;
  const b = bytes[at + 1] ?? 0;
  const c = bytes[at + 2] ?? 0;
  const d = bytes[at + 3] ?? 0;
  return ((a << 24) | (b << 16) | (c << 8) | d) & 0xdfdfdfdf;
}
