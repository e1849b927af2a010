/** Letters written as digits and marks that look like them: what each stands for is told by the letters beside it. */
import type { Draft } from "./draft.ts";
import { FOLLOWS, LETTER_INDEX, likeness } from "./language.ts";
import { putLetters } from "./letters.ts";

const NONE = 26;
const REACH = 48;
const LONGEST_WORD = 24;

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
/** What may stand behind the first of several marks: nearly all that begins a drawing ends here. */
const DRAWS_ON = new Uint8Array(256);
for (const { marks } of drawn) {
  DRAWS[marks[0] as number] = 1;
  DRAWS_ON[marks[1] as number] = 1;
}

/** So many letters may a character stand for. */
const CHOICES = 3;
/** What each character may stand for, side by side, 0 behind the last; and the index of the first, or of the character itself. */
const MEANS = new Uint8Array(256 * CHOICES);
const FIRST_MEANT = LETTER_INDEX.slice();
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
  for (let n = 0; n < letters.length; n++) MEANS[mark.charCodeAt(0) * CHOICES + n] = letters.charCodeAt(n);
  FIRST_MEANT[mark.charCodeAt(0)] = letters.charCodeAt(0) - 0x61;
}

const DIGIT = 1;
const SIGN = 2;
const LETTER = 4;
const KIND = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  if (LETTER_INDEX[byte] !== NONE) KIND[byte] = LETTER;
  else if (MEANS[byte * CHOICES] !== 0) KIND[byte] = byte >= 0x30 && byte <= 0x39 ? DIGIT : SIGN;
}
for (const mark of "\\/_-)]}{[>*=") KIND[mark.charCodeAt(0)] = SIGN;

/** Quarters of a bit a pair. */
const GAIN = 0.8;
/** Noise becomes a little less so, and stays noise. */
const LEAST_LIKENESS = 1;
const compared = new Uint8Array(128 * 1024 + 64);
let weighing = true;
const out = new Uint8Array(128 * 1024 + 64);

/** Marks that are just marks at the end of a word. */
const ENDS = new Uint8Array(256);
for (const mark of "!(<|#^&") ENDS[mark.charCodeAt(0)] = 1;
/** Marks that stand in a word for a letter, not for themselves. */
const INSIDE = new Uint8Array(256);
for (const mark of "@$!|+") INSIDE[mark.charCodeAt(0)] = 1;
/** Of the words of a passage. */
const MIXED_SHARE = 4;
const LEAST_MIXED = 3;

/** Before the first passage of a text. Without `weigh` every mark has its first meaning. */
export function beginLeet(weigh: boolean): void {
  weighing = weigh;
  ambiguous = false;
}

/** Undoes passages of ASCII `text` with words of digits and letters that begin in [first, last); returns where the last one ends. Linear. */
export function undoLeet(text: Uint8Array, draft: Draft, first: number, last: number): number {
  let from = -1;
  let end = 0;
  let words = 0;
  let mixed = 0;
  let wordsAtEnd = 0;
  let i = first;
  // A passage goes on behind the last place where one may begin.
  while (i < text.length && (i < last || from !== -1)) {
    if ((text[i] as number) <= 0x20) {
      i += 1;
      continue;
    }
    const start = i;
    const is = mixedUpTo(text, start);
    i = wordEnd;
    words += 1;
    if (from !== -1 && (i - end > REACH || i - start > LONGEST_WORD)) {
      finish(text, { from, end, words: wordsAtEnd, mixed }, draft);
      from = -1;
    }
    if (!is || i - start > LONGEST_WORD) continue;
    if (from === -1) {
      from = start;
      words = 1;
      mixed = 0;
    }
    mixed += 1;
    end = i;
    wordsAtEnd = words;
  }
  if (from !== -1) finish(text, { from, end, words: wordsAtEnd, mixed }, draft);
  return i;
}

let wordEnd = 0;

/** Whether letters of the word that begins at `start` have digits or such marks among them; `wordEnd` is its end. */
function mixedUpTo(text: Uint8Array, start: number): boolean {
  let letters = 0;
  let others = 0;
  let i = start;
  for (; i < text.length && (text[i] as number) > 0x20; i++) {
    const kind = KIND[text[i] as number] as number;
    if (kind === LETTER) letters += 1;
    else if (kind === DIGIT) others += 1;
    else if (INSIDE[text[i] as number] === 1 && i + 1 < text.length && (KIND[text[i + 1] as number] as number) !== 0)
      others += 1;
  }
  wordEnd = i;
  return letters > 0 && others > 0;
}

interface Passage {
  readonly from: number;
  readonly end: number;
  readonly words: number;
  readonly mixed: number;
}

function finish(text: Uint8Array, { from, end, words, mixed }: Passage, draft: Draft): void {
  if (mixed * MIXED_SHARE < words || (mixed < LEAST_MIXED && end - from < LEAST_PASSAGE)) return;
  undo(text, from, end, draft);
}

const LEAST_PASSAGE = 16;
let ambiguous = false;
let otherwise = false;

/** Whether something that was undone in the last text might have been read otherwise. */
export function mayMeanMore(): boolean {
  return ambiguous;
}

function undo(text: Uint8Array, from: number, end: number, draft: Draft): void {
  let count = 0;
  otherwise = false;
  let before = NONE;
  for (let i = from; i < end && count < out.length - 8; ) {
    const byte = text[i] as number;
    if (DRAWS[byte] === 1 && i + 1 < end && DRAWS_ON[text[i + 1] as number] === 1) {
      const found = drawing(text, i, end);
      if (found !== null) {
        out[count++] = found.letter;
        before = found.letter - 0x61;
        i += found.marks.length;
        continue;
      }
    }
    i += 1;
    if (MEANS[byte * CHOICES] === 0) {
      out[count++] = byte;
      before = LETTER_INDEX[byte] as number;
      continue;
    }
    const next = i < end ? (FIRST_MEANT[text[i] as number] as number) : NONE;
    // Such a mark at the end of a word is just a mark.
    const chosen = ENDS[byte] === 1 && lastOfWord(text, i) ? 0 : choose(byte * CHOICES, before, next);
    if (chosen === 0) {
      out[count++] = byte;
      before = NONE;
    } else {
      out[count++] = chosen;
      before = chosen - 0x61;
    }
  }
  // Names and numbers of a program are as much like language as they stand.
  const plain = putLetters(text, from, end, compared, 0);
  const stood = likeness(compared, 0, plain);
  const read = putLetters(out, 0, count, compared, 0);
  if (likeness(compared, 0, read) < Math.max(stood + GAIN, LEAST_LIKENESS)) return;
  if (otherwise) ambiguous = true;
  draft.undo(from, end, "leet");
  draft.putAll(out.subarray(0, count));
}

function drawing(text: Uint8Array, at: number, end: number): (typeof drawn)[number] | null {
  for (let n = 0; n < drawn.length; n++) {
    const one = drawn[n] as (typeof drawn)[number];
    const { marks } = one;
    if (at + marks.length > end) continue;
    let i = 0;
    while (i < marks.length && text[at + i] === marks[i]) i += 1;
    if (i === marks.length) return one;
  }
  return null;
}

function lastOfWord(text: Uint8Array, at: number): boolean {
  return at >= text.length || KIND[text[at] as number] === 0;
}

/** Which of the letters from `first` on in `MEANS` fits best between two; indices, 26 at the edge of a word. */
function choose(first: number, before: number, next: number): number {
  let best = MEANS[first] as number;
  if (!weighing) return best;
  let most = -1000;
  for (let n = first; n < first + CHOICES; n++) {
    const letter = MEANS[n] as number;
    if (letter === 0) break;
    const index = letter - 0x61;
    const score = (FOLLOWS[before * 32 + index] as number) + (FOLLOWS[index * 32 + next] as number);
    if (score > most) {
      most = score;
      best = letter;
    }
  }
  if (best !== MEANS[first]) otherwise = true;
  return best;
}
