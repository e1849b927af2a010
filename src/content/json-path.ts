/** Paths into JSON: `$.messages[0].content`, `messages[*].content`, `$["odd name"]`, `items[-1]`. */

import { ARRAY, type JsonTape, OBJECT } from "./json.ts";
import { element, first, isKey, sibling, textOf } from "./json-look.ts";

/** A name, a place (negative counts from the end), or every one. */
type Step = string | number | typeof EVERY;

const EVERY: unique symbol = Symbol("*");

export type JsonPath = readonly Step[];

const MAX_STEPS = 64;
const MAX_PATH = 1024;
const WORD = /[A-Za-z_$@-][\w$@-]*/y;
const QUOTED = /\["((?:[^"\\]|\\.)*)"\]|\['([^'\\]*)'\]/y;
const INDEX = /\[(-?\d{1,9}|\*)\]/y;

/** Null when it is no path. `$.` and `$` in front may be left out. */
export function parsePath(text: string): JsonPath | null {
  if (text.length > MAX_PATH) return null;
  const steps: Step[] = [];
  let at = text.startsWith("$") && (text.length === 1 || text[1] === "." || text[1] === "[") ? 1 : 0;
  while (at < text.length) {
    if (steps.length === MAX_STEPS) return null;
    if (text[at] === "[") {
      const index = match(INDEX, text, at);
      const quoted = index === null ? match(QUOTED, text, at) : null;
      const found = index ?? quoted;
      if (found === null) return null;
      at += found[0].length;
      if (index !== null) steps.push(index[1] === "*" ? EVERY : Number(index[1]));
      else steps.push(found[2] ?? unquoted(found[1] ?? ""));
      continue;
    }
    if (text[at] === ".") at += 1;
    else if (at > 0) return null;
    if (text[at] === "*") {
      steps.push(EVERY);
      at += 1;
      continue;
    }
    const word = match(WORD, text, at);
    if (word === null) return null;
    steps.push(word[0]);
    at += word[0].length;
  }
  return steps;
}

/** Nodes looked at for one path; more would be felt. */
const MAX_LOOKS = 200_000;

/** A node that a path leads to. */
export interface Found {
  readonly node: number;
  /** False: only for those who fold keys, to whom `Amount` or `AMOUNT` is `amount`. */
  readonly exact: boolean;
}

interface Search {
  readonly tape: JsonTape;
  readonly path: JsonPath;
  readonly most: number;
  readonly found: Found[];
  looks: number;
}

/**
 * The nodes a path leads to, in the order of the text; both values of a key given twice, and of keys that are alike. Null:
 * more than `most`, or too much to look through.
 */
export function findAll(tape: JsonTape, path: JsonPath, most = 10_000): Found[] | null {
  const search: Search = { tape, path, most: most + 1, found: [], looks: 0 };
  if (tape.outcome === "ok") follow(search, 0, 0, true);
  return search.found.length > most || search.looks > MAX_LOOKS ? null : search.found;
}

/** As deep as the path is long. */
function follow(search: Search, node: number, at: number, exact: boolean): void {
  const { tape, path, found } = search;
  const step = path[at];
  if (step === undefined) {
    found.push({ node, exact });
    return;
  }
  const kind = tape.kind[node];
  if (typeof step === "number") {
    if (kind !== ARRAY) return;
    const place = step < 0 ? count(search, node) + step : step;
    search.looks += Math.abs(place);
    if (place < 0 || search.looks > MAX_LOOKS) return;
    const there = element(tape, node, place);
    if (there !== -1) follow(search, there, at + 1, exact);
    return;
  }
  if (kind === ARRAY ? step !== EVERY : kind !== OBJECT) return;
  const skip = kind === ARRAY ? 0 : 1;
  for (let each = first(tape, node); each !== -1; each = sibling(tape, each + skip)) {
    search.looks += 1;
    if (found.length >= search.most || search.looks > MAX_LOOKS) return;
    if (step === EVERY || isKey(tape, each, step)) follow(search, each + skip, at + 1, exact);
    else if (isAlike(tape, each, step)) follow(search, each + skip, at + 1, false);
  }
}

/** Bytes of one character of a key, as an escape. */
const MOST_BYTES = 6;

/** Some readers fold keys as Unicode does: the sign of Kelvin is a k, the long s an s. */
function isAlike(tape: JsonTape, key: number, name: string): boolean {
  const start = tape.start[key] as number;
  const length = (tape.end[key] as number) - start;
  if (length < name.length || length > MOST_BYTES * name.length) return false;
  if (tape.escaped[key] === 0) {
    // Nearly every key differs in its first letter, and costs no text.
    for (let i = 0; i < length; i++) {
      const byte = tape.bytes[start + i] as number;
      const code = i < name.length ? name.charCodeAt(i) : 0;
      if (byte >= 0x80 || code >= 0x80) return folded(textOf(tape, key)) === folded(name);
      if (small(byte) !== small(code)) return false;
    }
    return true;
  }
  return folded(textOf(tape, key)) === folded(name);
}

/** Of ASCII. */
function small(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
}

function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}

function count(search: Search, array: number): number {
  let found = 0;
  for (let each = first(search.tape, array); each !== -1; each = sibling(search.tape, each)) {
    found += 1;
    search.looks += 1;
    if (search.looks > MAX_LOOKS) break;
  }
  return found;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/g, "$1");
}
