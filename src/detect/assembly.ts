/**
 * Symbolic assembly: text that holds an instruction in pieces and the recipe to join them. The pieces are joined as the
 * recipe says (concatenation, variables, templates, lists) and once more simply in their order.
 */
import { judge } from "./judge.ts";
import { LETTER_INDEX } from "./language.ts";
import { MAX_LETTERS_INPUT, MIN_LETTERS, putLetters } from "./letters.ts";
import type { Match } from "./reading.ts";
import { Recipe } from "./recipe.ts";
import { ASSEMBLED } from "./vectors.ts";

/** Two literals: apostrophes are not counted. */
const MIN_MARKS = 4;

const recipe = new Recipe();

/**
 * What ASCII text of at most `MAX_LETTERS_INPUT` bytes assembles that it should not. Linear; "exhausted" when names would
 * make more of it than any honest recipe does.
 */
export function assembled(text: Uint8Array): Match | "exhausted" | null {
  const marks = marksIn(text);
  if (marks < MIN_MARKS) return null;
  if (!isRecipe(text, marks)) return inOrder(text, marks);
  recipe.clear();
  recipe.read(text);
  const { letters, ordered, builtFrom, built, exhausted } = recipe;
  const found = judged(letters.subarray(0, ordered)) ?? judged(letters.subarray(builtFrom, built));
  if (found !== null) return asAssembly(found);
  return exhausted ? "exhausted" : null;
}

/** Before a literal: it is given a name, or joined; `s` and `e` end "is" and "be". */
const GIVES = new Uint8Array(256);
for (const mark of "=:+&") GIVES[mark.charCodeAt(0)] = 1;
const S = 0x73;
const E = 0x65;

/** Places of the marks that may open or close a literal. */
const marksAt = new Int32Array(MAX_LETTERS_INPUT + 1);
/** Bit 0: part of a word, but for the f that begins a template; bit 1: a mark; bit 2: one that may be an apostrophe. */
const BESIDE = new Uint8Array(256);
for (let byte = 0; byte < 0x80; byte++) if (/[A-Za-eg-z0-9]/.test(String.fromCharCode(byte))) BESIDE[byte] = 1;
for (const mark of [0x22, 0x60]) BESIDE[mark] = 2;
BESIDE[0x27] = 6;

/** Puts into `marksAt` where quotes stand; those inside of words are none. */
function marksIn(text: Uint8Array): number {
  const { length } = text;
  let count = 0;
  for (let i = 0; i < length; i++) {
    // Four a turn where none is a mark.
    while (i + 4 < length) {
      const four =
        (BESIDE[text[i] as number] as number) |
        (BESIDE[text[i + 1] as number] as number) |
        (BESIDE[text[i + 2] as number] as number) |
        (BESIDE[text[i + 3] as number] as number);
      if (four >= 2) break;
      i += 4;
    }
    const now = BESIDE[text[i] as number] as number;
    if (now < 2) continue;
    const before = BESIDE[i > 0 ? (text[i - 1] as number) : 0] as number;
    // An apostrophe has a letter on both sides.
    const after = BESIDE[i + 1 < length ? (text[i + 1] as number) : 0] as number;
    if (((now >> 2) & before & after) === 0) marksAt[count++] = i;
  }
  return count;
}

/** Whether a literal is given a name or joined to anything: else literals in their order are all there is. */
function isRecipe(text: Uint8Array, marks: number): boolean {
  for (let k = 0; k < marks; k++) {
    const i = marksAt[k] as number;
    if (i === 0) continue;
    const spaced = text[i - 1] === 0x20 && i > 2;
    const before = text[spaced ? i - 2 : i - 1] as number;
    if (GIVES[before] === 1) return true;
    if (spaced && ((before === S && text[i - 3] === 0x69) || (before === E && text[i - 3] === 0x62))) return true;
  }
  return false;
}

const MAX_LITERAL = 256;
const pieces = new Uint8Array(MAX_LETTERS_INPUT + 16);

/** What is in quotes, one after the other. */
function inOrder(text: Uint8Array, marks: number): Match | null {
  let count = 0;
  let behind = 0;
  for (let k = 0; k < marks; k++) {
    const i = marksAt[k] as number;
    if (i < behind || (i > 0 && isWord(text[i - 1] as number))) continue;
    const mark = text[i] as number;
    let close = i + 1;
    const last = Math.min(text.length, close + MAX_LITERAL);
    while (close < last && text[close] !== mark && text[close] !== 0x0a) close += 1;
    if (close >= last || text[close] !== mark) continue;
    count = putLetters(text, i + 1, close, pieces, count);
    behind = close + 1;
  }
  const found = judged(pieces.subarray(0, count));
  return found === null ? null : asAssembly(found);
}

function isWord(byte: number): boolean {
  return LETTER_INDEX[byte] !== 26 || (byte >= 0x30 && byte <= 0x39);
}

/** What was found in pieces is a finding of its own. */
export function asAssembly(match: Match): Match {
  return { ...match, vector: ASSEMBLED, reason: "the content assembles a forbidden instruction from pieces" };
}

/** Letters alone are no markup. */
const NO_TEXT = new Uint8Array(0);

function judged(letters: Uint8Array): Match | null {
  return letters.length < MIN_LETTERS ? null : judge({ letters, count: letters.length, text: NO_TEXT, learned: true });
}
