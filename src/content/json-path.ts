/** Paths into JSON: `$.messages[0].content`, `messages[*].content`, `$["odd name"]`, `items[-1]`. */

import { ARRAY, type JsonTape, OBJECT } from "./json.ts";
import { element, first, isKey, sibling } from "./json-look.ts";

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

/** The nodes a path leads to, at most `most`, in the order of the text. Both values of a key given twice are found. */
export function findNodes(tape: JsonTape, path: JsonPath, most = 10_000): number[] {
  let found = tape.outcome === "ok" ? [0] : [];
  for (const step of path) {
    const further: number[] = [];
    for (const node of found) {
      advance(tape, node, step, further, most);
      if (further.length >= most) break;
    }
    found = further;
  }
  return found;
}

/** The first node a path leads to, or -1. */
export function findNode(tape: JsonTape, path: JsonPath): number {
  return findNodes(tape, path, 1)[0] ?? -1;
}

function advance(tape: JsonTape, node: number, step: Step, into: number[], most: number): void {
  const kind = tape.kind[node];
  if (typeof step === "number") {
    const place = step < 0 ? count(tape, node) + step : step;
    const found = place < 0 ? -1 : element(tape, node, place);
    if (found !== -1) into.push(found);
    return;
  }
  if (kind === ARRAY && step === EVERY) {
    for (let each = first(tape, node); each !== -1 && into.length < most; each = sibling(tape, each)) into.push(each);
  }
  if (kind !== OBJECT) return;
  for (let key = first(tape, node); key !== -1 && into.length < most; key = sibling(tape, key + 1)) {
    if (step === EVERY || isKey(tape, key, step)) into.push(key + 1);
  }
}

function count(tape: JsonTape, array: number): number {
  if (tape.kind[array] !== ARRAY) return 0;
  let found = 0;
  for (let each = first(tape, array); each !== -1; each = sibling(tape, each)) found += 1;
  return found;
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/g, "$1");
}
