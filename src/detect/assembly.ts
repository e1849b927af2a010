/**
 * Symbolic assembly: text that holds an instruction in pieces and the recipe to join them. The pieces are joined as the
 * recipe says (concatenation, variables, templates, lists) and once more simply in their order.
 */
import { backslashAt, byteAt, CODE_MASK, LENGTH_SHIFT } from "./escapes.ts";
import { MAX_LETTERS_INPUT } from "./letters.ts";
import { findPhrase } from "./phrases.ts";
import { Recipe } from "./recipe.ts";

const MAX_NESTING = 3;
/** An assembled phrase needs two literals at the least. */
const MIN_MARKS = 4;
const MIN_TEXT = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Where the reading of a JSON string has to look: its end, escapes, and what may open a literal. */
const STRING_KIND = new Uint8Array(256);
for (const code of [QUOTE, BACKSLASH, 0x27, 0x60]) STRING_KIND[code] = 1;

const recipe = new Recipe();
/** A string of JSON that holds JSON that holds … : one buffer a level. */
const unescaped = Array.from({ length: MAX_NESTING }, () => new Uint8Array(MAX_LETTERS_INPUT));

/**
 * Whether ASCII text of at most `MAX_LETTERS_INPUT` bytes assembles a phrase. `cutJson`: it is from the middle of a JSON
 * text. Linear; "exhausted" when names would make more of it than any honest recipe does.
 */
export function assembles(text: Uint8Array, cutJson: boolean): boolean | "exhausted" {
  recipe.clear();
  if (cutJson) readCut(text);
  else readText(text, 0);
  const { letters, ordered, builtFrom, built, exhausted } = recipe;
  if (findPhrase(letters, 0, ordered) !== null || findPhrase(letters, builtFrom, built) !== null) return true;
  return exhausted ? "exhausted" : false;
}

function readText(text: Uint8Array, depth: number): void {
  let first = 0;
  while (first < text.length && (text[first] as number) <= 0x20) first += 1;
  const opens = byteAt(text, first);
  if ((opens === 0x7b || opens === 0x5b) && depth < MAX_NESTING) readStrings(text, first, depth);
  else recipe.read(text);
}

/** The first quote ends a string when JSON goes on behind it, else it opens one. */
function readCut(text: Uint8Array): void {
  const close = closingQuote(text, 0);
  let after = close + 1;
  while (after < text.length && (text[after] as number) <= 0x20) after += 1;
  const next = byteAt(text, after);
  const inside = after >= text.length || next === 0x2c || next === 0x3a || next === 0x7d || next === 0x5d;
  if (inside) readString(text, 0, close, 0);
  readStrings(text, inside ? close + 1 : close, 0);
}

/** JSON: each string is a text of its own, or its outer quotes would hide the inner ones. */
function readStrings(text: Uint8Array, from: number, depth: number): void {
  for (let open = text.indexOf(QUOTE, from); open !== -1; ) {
    const close = closingQuote(text, open + 1);
    readString(text, open + 1, close, depth);
    open = close >= text.length ? -1 : text.indexOf(QUOTE, close + 1);
  }
}

let marks = 0;

/** Where the string that `from` is in ends, or the text does; counts what may quote on the way in `marks`. */
function closingQuote(text: Uint8Array, from: number): number {
  marks = 0;
  let i = from;
  for (; i < text.length; i++) {
    const code = text[i] as number;
    if (STRING_KIND[code] === 0) continue;
    if (code === QUOTE) return i;
    if (code === BACKSLASH) {
      i += 1;
      const escaped = byteAt(text, i);
      // An escape of four digits may be a quote as well.
      if (escaped === QUOTE || escaped === 0x75) marks += 1;
    } else {
      marks += 1;
    }
  }
  return text.length;
}

function readString(text: Uint8Array, start: number, end: number, depth: number): void {
  if (marks < MIN_MARKS || end - start < MIN_TEXT) return;
  const out = unescaped[depth] as Uint8Array;
  readText(out.subarray(0, unescapeJson(text, start, end, out)), depth + 1);
}

/** Never longer than it was. What JSON does not know stays as it is. */
function unescapeJson(text: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let count = 0;
  for (let i = start; i < end; ) {
    const code = text[i] as number;
    if (code !== BACKSLASH || i + 1 >= end) {
      out[count++] = code;
      i += 1;
      continue;
    }
    const escaped = text[i + 1] as number;
    if (escaped === 0x75) {
      const read = backslashAt(text, i);
      const unit = read & CODE_MASK;
      out[count++] = unit < 0x80 ? unit : 0x20;
      i += read >> LENGTH_SHIFT;
    } else {
      out[count++] = WHITE[escaped] || escaped;
      i += 2;
    }
  }
  return count;
}

/** `\n`, `\r` and `\t` matter: a newline ends a statement. */
const WHITE = new Uint8Array(256);
WHITE[0x6e] = 0x0a;
WHITE[0x72] = 0x0d;
WHITE[0x74] = 0x09;
WHITE[0x62] = 0x20;
WHITE[0x66] = 0x20;
