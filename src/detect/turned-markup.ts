/**
 * Markup with rotated, mirrored or drawn letters. It has too few letters to be weighed as language, but its words are known:
 * rotated ones keep the steps from letter to letter, and drawn ones keep the letters that were not drawn.
 */
import type { Draft } from "./draft.ts";
import { LETTER_INDEX } from "./language.ts";

const NONE = 26;
const MIRROR = 26;
const OPENS = 0x3c;
/** What stands behind the name of something that runs: a call, a scheme. */
const FOLLOWS = [0x28, 0x3a];
const LONGEST = 12;
/** What is undone around a word that is known. */
const BEFORE = 256;
const BEHIND = 512;

/** Behind `<` and `</`, and before `(` or `:`; none is so short that ordinary words would be one of them turned. */
const WORDS = [
  ...["script", "iframe", "object", "embed", "style", "marquee", "details", "image", "video", "audio", "button"],
  ...["alert", "prompt", "confirm", "expression", "fetch", "function", "document", "javascript"],
].map((word) => Uint8Array.from(word, (letter) => letter.charCodeAt(0) - 0x61));

/** Steps from the first letter of a word to its third, which turning leaves alone and a mirror turns round → 1. */
const STEPS = new Uint8Array(27 * 27);
for (const [first = 0, second = 0, third = 0] of WORDS) {
  STEPS[stepsOf(first, second, third)] = 1;
  STEPS[stepsOf(25 - first, 25 - second, 25 - third)] = 1;
}

function stepsOf(first: number, second: number, third: number): number {
  return ((second - first + 26) % 26) * 27 + ((third - second + 26) % 26);
}

/** What a mark may stand for in a drawn word. */
const DRAWN: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "il",
  "3": "e",
  "4": "a",
  "5": "s",
  "6": "g",
  "7": "t",
  "8": "b",
  "9": "g",
  "@": "a",
  $: "s",
  "!": "i",
  "|": "il",
  "+": "t",
};
const MEANS: Uint8Array[] = Array.from({ length: 256 }, () => new Uint8Array(0));
/** Letters, and marks that may be one. */
const WORDLIKE = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) if (LETTER_INDEX[byte] !== NONE) WORDLIKE[byte] = 1;
for (const [mark, letters] of Object.entries(DRAWN)) {
  MEANS[mark.charCodeAt(0)] = Uint8Array.from(letters, (letter) => letter.charCodeAt(0) - 0x61);
  WORDLIKE[mark.charCodeAt(0)] = 2;
}

/** ASCII `text`. One disguise a text: the first that is met. Linear in it and in the places where a tag or a call opens. */
export function undoMarkup(text: Uint8Array, draft: Draft): void {
  for (let at = text.indexOf(OPENS); at !== -1; at = text.indexOf(OPENS, at + 1)) {
    const start = at + (text[at + 1] === 0x2f ? 2 : 1);
    let end = start;
    while (end < text.length && end - start <= LONGEST && WORDLIKE[text[end] as number] !== 0) end += 1;
    if (isUndone(text, start, end, draft)) return;
  }
  for (const mark of FOLLOWS) {
    for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, at + 1)) {
      let start = at;
      while (start > 0 && at - start <= LONGEST && WORDLIKE[text[start - 1] as number] !== 0) start -= 1;
      if (isUndone(text, start, at, draft)) return;
      if (mark === 0x3a && isData(text, at) && isUndoneAs(text, at - SCHEME, DATA, draft)) return;
    }
  }
}

/** An address that is its own page begins with a word too short to be one turned: two of them and a slash are not. */
const DATA = Uint8Array.from("datatext", (letter) => letter.charCodeAt(0) - 0x61);
const SCHEME = 4;

function isData(text: Uint8Array, colon: number): boolean {
  if (colon < SCHEME || text[colon + 1 + SCHEME] !== 0x2f) return false;
  for (let i = colon - SCHEME; i <= colon + SCHEME; i++) {
    if (i !== colon && WORDLIKE[text[i] as number] === 0) return false;
  }
  return true;
}

function isUndone(text: Uint8Array, start: number, end: number, draft: Draft): boolean {
  const length = end - start;
  if (length < 5 || length > LONGEST) return false;
  let marks = 0;
  for (let i = start; i < end; i++) marks |= WORDLIKE[text[i] as number] as number;
  // Most are words of nothing but letters, and of another shape.
  if (marks === 1 && STEPS[stepsAt(text, start)] === 0) return false;
  for (const word of WORDS) {
    if (word.length === length && isUndoneAs(text, start, word, draft)) return true;
  }
  return false;
}

function isUndoneAs(text: Uint8Array, start: number, word: Uint8Array, draft: Draft): boolean {
  const key = keyOf(text, start, word);
  if (key > 0) turn(text, start, key, draft);
  else if (isDrawn(text, start, word)) redraw(text, start, draft);
  else return false;
  return true;
}

/** Between the two words of an address stands a colon. */
function placeOf(start: number, i: number, word: Uint8Array): number {
  return start + i + (word === DATA && i >= SCHEME ? 1 : 0);
}

function stepsAt(text: Uint8Array, at: number): number {
  return stepsOf(
    LETTER_INDEX[text[at] as number] as number,
    LETTER_INDEX[text[at + 1] as number] as number,
    LETTER_INDEX[text[at + 2] as number] as number,
  );
}

/** By how much every letter is turned, `MIRROR` when they are mirrored, 0 when it is neither. */
function keyOf(text: Uint8Array, start: number, word: Uint8Array): number {
  const first = LETTER_INDEX[text[start] as number] as number;
  if (first === NONE) return 0;
  const step = (first - (word[0] as number) + 26) % 26;
  let turned = step !== 0;
  let mirrored = true;
  for (let i = 0; i < word.length && (turned || mirrored); i++) {
    const letter = LETTER_INDEX[text[placeOf(start, i, word)] as number] as number;
    if (letter === NONE) return 0;
    if ((letter - (word[i] as number) + 26) % 26 !== step) turned = false;
    if (letter + (word[i] as number) !== 25) mirrored = false;
  }
  return turned ? step : mirrored ? MIRROR : 0;
}

function isDrawn(text: Uint8Array, start: number, word: Uint8Array): boolean {
  let drawn = 0;
  for (let i = 0; i < word.length; i++) {
    const byte = text[placeOf(start, i, word)] as number;
    if (LETTER_INDEX[byte] === word[i]) continue;
    if (!(MEANS[byte] as Uint8Array).includes(word[i] as number)) return false;
    drawn += 1;
  }
  return drawn > 0;
}

function turn(text: Uint8Array, at: number, key: number, draft: Draft): void {
  const from = Math.max(0, at - BEFORE);
  const to = Math.min(text.length, at + BEHIND);
  draft.undo(from, to, key === MIRROR ? "atbash" : `rot${key}`);
  for (let i = from; i < to; i++) {
    const byte = text[i] as number;
    const index = LETTER_INDEX[byte] as number;
    if (index === NONE) draft.put(byte);
    else draft.put((byte & 0x60) + 1 + (key === MIRROR ? 25 - index : (index - key + 26) % 26));
  }
}

/** Every mark beside a letter or another such mark is its first meaning. */
function redraw(text: Uint8Array, at: number, draft: Draft): void {
  const from = Math.max(0, at - BEFORE);
  const to = Math.min(text.length, at + BEHIND);
  draft.undo(from, to, "leet");
  for (let i = from; i < to; i++) {
    const byte = text[i] as number;
    const means = MEANS[byte] as Uint8Array;
    const beside = WORDLIKE[text[i - 1] ?? 0] === 1 || WORDLIKE[text[i + 1] ?? 0] === 1;
    if (means.length === 0 || !beside) draft.put(byte);
    else draft.put(0x61 + (means[0] as number));
  }
}
