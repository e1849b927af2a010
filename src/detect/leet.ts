/** Letters written as digits and marks that look like them: what each stands for is told by the letters beside it. */
import type { Draft } from "./draft.ts";
import { FOLLOWS, LETTER_INDEX } from "./language.ts";

const NONE = 26;
const REACH = 48;
const LONGEST_WORD = 40;

/** Marks of several characters before those they begin with. */
const DRAWN = [
  ["|\\/|", "m"],
  ["/\\/\\", "m"],
  ["\\/\\/", "w"],
  ["|/\\|", "w"],
  ["|\\|", "n"],
  ["/\\/", "n"],
  ["|_|", "u"],
  ["|-|", "h"],
  ["|)", "d"],
  ["[)", "d"],
  ["|<", "k"],
  ["1<", "k"],
  ["|=", "f"],
  ["|3", "b"],
  ["|2", "r"],
  ["|*", "p"],
  ["_|", "j"],
  ["/\\", "a"],
  ["\\/", "v"],
  ["><", "x"],
  ["()", "o"],
  ["[]", "o"],
  ["}{", "x"],
] as const;
const drawn = DRAWN.map(([marks, letter]) => ({
  marks: Uint8Array.from(marks, (mark) => mark.charCodeAt(0)),
  letter: letter.charCodeAt(0),
}));
const DRAWS = new Uint8Array(256);
for (const { marks } of drawn) DRAWS[marks[0] as number] = 1;

/** What a character may stand for. */
const MEANS: Uint8Array[] = Array.from({ length: 256 }, () => new Uint8Array(0));
for (const [mark, letters] of Object.entries({
  "0": "o",
  "1": "ilt",
  "2": "z",
  "3": "e",
  "4": "a",
  "5": "s",
  "6": "gb",
  "7": "tl",
  "8": "b",
  "9": "gq",
  "@": "a",
  $: "s",
  "!": "il",
  "|": "il",
  "+": "t",
  "(": "c",
  "<": "c",
  "#": "h",
  "^": "a",
  "&": "a",
})) {
  MEANS[mark.charCodeAt(0)] = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

const DIGIT = 1;
const SIGN = 2;
const LETTER = 4;
const KIND = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  if (LETTER_INDEX[byte] !== NONE) KIND[byte] = LETTER;
  else if ((MEANS[byte] as Uint8Array).length > 0) KIND[byte] = byte >= 0x30 && byte <= 0x39 ? DIGIT : SIGN;
}
for (const mark of "\\/_-)]}{[>*=") KIND[mark.charCodeAt(0)] = SIGN;

let weighing = true;
const out = new Uint8Array(64 * 1024 + 64);

/** Undoes passages of ASCII `text` with words of digits and letters; without `weigh` each has its first meaning. Linear. */
export function undoLeet(text: Uint8Array, draft: Draft, weigh: boolean): void {
  weighing = weigh;
  let from = -1;
  let end = 0;
  let words = 0;
  for (let i = 0; i < text.length; ) {
    if ((text[i] as number) <= 0x20) {
      i += 1;
      continue;
    }
    const start = i;
    let kinds = 0;
    let mixed = 0;
    let before = 0;
    for (; i < text.length && (text[i] as number) > 0x20; i++) {
      const kind = KIND[text[i] as number] as number;
      if (kind !== LETTER && before === LETTER) mixed |= 1;
      if (kind === LETTER && before !== LETTER && before !== 0) mixed |= before;
      if (kind === DIGIT) mixed |= (kinds & LETTER) >> 2;
      kinds |= kind;
      before = kind;
    }
    const word = i - start <= LONGEST_WORD && mixed !== 0 && (kinds & LETTER) !== 0 && (kinds & (DIGIT | SIGN)) !== 0;
    if (!word) {
      // Signs alone may draw a word too, between words that are.
      if (from !== -1 && (i - end > REACH || i - start > LONGEST_WORD)) {
        if (words > 1) undo(text, from, end, draft);
        from = -1;
      }
      continue;
    }
    if (from === -1) {
      from = start;
      words = 0;
    }
    words += 1;
    end = i;
  }
  if (from !== -1 && (words > 1 || end - from > 15)) undo(text, from, end, draft);
}

function undo(text: Uint8Array, from: number, end: number, draft: Draft): void {
  let count = 0;
  let before = NONE;
  for (let i = from; i < end && count < out.length - 8; ) {
    const byte = text[i] as number;
    if (DRAWS[byte] === 1) {
      const found = drawing(text, i, end);
      if (found !== null) {
        out[count++] = found.letter;
        before = found.letter - 0x61;
        i += found.marks.length;
        continue;
      }
    }
    i += 1;
    const choices = MEANS[byte] as Uint8Array;
    if (choices.length === 0) {
      out[count++] = byte;
      before = LETTER_INDEX[byte] as number;
      continue;
    }
    const chosen = choose(choices, before, nextLetter(text, i, end), KIND[byte] === SIGN && lastOfWord(text, i));
    if (chosen === 0) {
      out[count++] = byte;
      before = NONE;
    } else {
      out[count++] = chosen;
      before = chosen - 0x61;
    }
  }
  draft.undo(from, end, "leet");
  draft.putAll(out.subarray(0, count));
}

function drawing(text: Uint8Array, at: number, end: number): (typeof drawn)[number] | null {
  for (const one of drawn) {
    const { marks } = one;
    if (at + marks.length > end) continue;
    let i = 0;
    while (i < marks.length && text[at + i] === marks[i]) i += 1;
    if (i === marks.length) return one;
  }
  return null;
}

/** Index of the next letter, by the first that a digit means; 26 at the end of a word. */
function nextLetter(text: Uint8Array, at: number, end: number): number {
  if (at >= end) return NONE;
  const byte = text[at] as number;
  const means = MEANS[byte] as Uint8Array;
  return means.length > 0 ? (means[0] as number) - 0x61 : (LETTER_INDEX[byte] as number);
}

function lastOfWord(text: Uint8Array, at: number): boolean {
  return at >= text.length || KIND[text[at] as number] === 0;
}

/** 0: the mark is just a mark. */
function choose(choices: Uint8Array, before: number, next: number, mayBeMark: boolean): number {
  if (mayBeMark) return 0;
  if (!weighing) return choices[0] as number;
  let best = choices[0] as number;
  let most = -1000;
  for (const letter of choices) {
    const index = letter - 0x61;
    const score = (FOLLOWS[before * 32 + index] as number) + (FOLLOWS[index * 32 + next] as number);
    if (score > most) {
      most = score;
      best = letter;
    }
  }
  return best;
}
