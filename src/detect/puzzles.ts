/** Texts that say themselves how they are to be read: without a letter, every other one, first letters, backwards. */
import { DIGITS, LOWER, setOf, UPPER } from "./_text.ts";
import type { Draft } from "./draft.ts";
import { isBackward, LETTER_INDEX, likeness } from "./language.ts";
import { putLetters } from "./letters.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;
/** Longest text that is read as one puzzle; of a longer one, what stands around its last hint. */
export const MAX_PUZZLE = 4 * 1024;
/** As many letters of every n-th are weighed at a time, and shown when they are like language: quarters of a bit a pair. */
const WINDOW = 16;
const LIKE_LANGUAGE = 3;
/** A slice counted with a step: what may stand between its colons and its bracket. */
const LONGEST_STEP = 10;
const MAX_FILLERS = 6;
const MAX_TRIES = 8;
const LONGEST_FILLER = 12;
/** Of a word that is no quote. */
const LONGEST_WORD = 3;
const MIN_INSIDE = 5;
/** What is quoted is meant: twice is enough. */
const LEAST_QUOTED = 2;
const IS_TOKEN = setOf(`${LOWER}${UPPER}${DIGITS}+/`);
/** From the word that says so to what is taken out. */
const REACH = 64;

interface Filler {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const VERBS = [
  "replac",
  "remov",
  "delet",
  "without",
  "ignoring",
  "skipping",
  "leave out",
  "strip",
  "tr -d",
  "sed ",
  "swap",
  "substitut",
].map((verb) => Uint8Array.from(verb, (letter) => letter.charCodeAt(0)));
const MARKS = new Uint8Array(256);
for (const mark of [0x22, 0x27, 0x60, 0x2f]) MARKS[mark] = 1;
/** The first three characters of a verb, low five bits of each → one more than its index: no two begin alike. */
const BEGINS = new Uint8Array(1 << 15);
VERBS.forEach((verb, n) => {
  const three = (((verb[0] as number) & 31) << 10) | (((verb[1] as number) & 31) << 5) | ((verb[2] as number) & 31);
  if (BEGINS[three] !== 0) throw new RangeError("two verbs begin alike");
  BEGINS[three] = n + 1;
});
/** Words between the verb and what it is about. */
const BETWEEN = new Set(
  "all any each every the a an letter letters character characters char chars symbol symbols word words of occurrences occurrence instances instance from text and spaces in it this by with every everything".split(
    " ",
  ),
);
const LONGEST_BETWEEN = 11;
const ENDS_WORD = setOf(" \t\n\r\f\v,;");
const latin1 = new TextDecoder("latin1");

/** Undoes `"iXgXn".replace("X", "")`, "remove every * from …": what is to be taken out is, all over the text. */
export function undoFillers(text: Uint8Array, draft: Draft): void {
  const fillers = fillersOf(text);
  if (fillers.length === 0) return;
  let source = text.subarray(0, MAX_PUZZLE);
  for (const { from, to } of fillers) source = substituted(source, from, to);
  draft.undo(0, text.length, "letters taken out");
  draft.putAll(source);
}

function fillersOf(text: Uint8Array): Filler[] {
  const found: Filler[] = [];
  const last = text.length - 2;
  let tries = 0;
  let three = last > 0 ? (((text[0] as number) & 31) << 5) | ((text[1] as number) & 31) : 0;
  for (let i = 0; i < last; i++) {
    three = ((three << 5) & 0x7fff) | ((text[i + 2] as number) & 31);
    const begun = BEGINS[three] as number;
    if (begun === 0) continue;
    const verb = VERBS[begun - 1] as Uint8Array;
    if (!startsWith(text, i, verb)) continue;
    tries += 1;
    const filler = fillerAt(text, i + verb.length);
    if (filler !== null && !found.some((one) => same(one.from, filler.from))) found.push(filler);
    if (found.length === MAX_FILLERS || tries === MAX_TRIES) break;
    i += verb.length - 1;
    three = (((text[i + 1] ?? 0) & 31) << 5) | ((text[i + 2] ?? 0) & 31);
  }
  return found;
}

function startsWith(text: Uint8Array, at: number, word: Uint8Array): boolean {
  if (at + word.length > text.length) return false;
  for (let i = 0; i < word.length; i++)
    if (((text[at + i] as number) | SPACE) !== ((word[i] as number) | SPACE)) return false;
  return true;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function fillerAt(text: Uint8Array, from: number): Filler | null {
  const end = Math.min(text.length, from + REACH);
  const quoted: Uint8Array[] = [];
  for (let i = from - 1; i < end && quoted.length < 2; i++) {
    const mark = text[i] as number;
    if (mark === NEWLINE) break;
    if (MARKS[mark] === 0) continue;
    const close = text.subarray(i + 1, i + 2 + LONGEST_FILLER).indexOf(mark);
    if (close === -1) break;
    quoted.push(text.slice(i + 1, i + 1 + close));
    // Between the two slashes of s/X/Y/ there is one mark, not two.
    i += mark === 0x2f ? close : close + 1;
  }
  const [first, second] = quoted;
  // What is taken out between letters makes other words; elsewhere it would only change what stands between words.
  if (first !== undefined && first.length > 0) {
    return standsBetween(text, first, LEAST_QUOTED) ? { from: first, to: second ?? NOTHING } : null;
  }
  const filler = proseFiller(text, from, end);
  return filler !== null && standsBetween(text, filler.from, MIN_INSIDE) ? filler : null;
}

/** What is to be taken out stands between letters, again and again, or taking it out would change nothing. */
function standsBetween(text: Uint8Array, filler: Uint8Array, least: number): boolean {
  const first = filler[0] ?? 0;
  const last = text.length - filler.length;
  let found = 0;
  for (let at = nextOf(text, first, 1); at !== -1 && at < last; at = nextOf(text, first, at + 1)) {
    if (IS_TOKEN[text[at - 1] as number] === 0) continue;
    if (IS_TOKEN[text[at + filler.length] as number] === 0 || !startsWith(text, at, filler)) continue;
    found += 1;
    if (found === least) return true;
  }
  return false;
}

/** Marks of a text are near each other, and to ask the runtime costs as much as some bytes here. */
const NEAR = 24;

function nextOf(text: Uint8Array, byte: number, from: number): number {
  const near = Math.min(text.length, from + NEAR);
  for (let i = from; i < near; i++) if (text[i] === byte) return i;
  return text.indexOf(byte, near);
}

/** The first word that may be meant, and what follows "with" or "by". */
function proseFiller(text: Uint8Array, from: number, end: number): Filler | null {
  let start = from;
  // The rest of the verb.
  while (start < end && LETTER_INDEX[text[start] as number] !== 26) start += 1;
  for (;;) {
    while (start < end && ENDS_WORD[text[start] as number] === 1) start += 1;
    let stop = start;
    while (stop < end && ENDS_WORD[text[stop] as number] === 0) stop += 1;
    if (stop === start) return null;
    // Most verbs are about something longer, and that is told without a string.
    const longer = stop - start > LONGEST_BETWEEN;
    if (longer || !BETWEEN.has(latin1.decode(text.subarray(start, stop)).toLowerCase())) {
      if (stop - start > LONGEST_WORD && isPlain(text, start)) return null;
      break;
    }
    start = stop;
  }
  const words = latin1.decode(text.subarray(start, end)).split(/[\s,;]+/, 3);
  const [word = "", then = "", other = ""] = words;
  if (word === "" || word.length > LONGEST_WORD) return null;
  const by = then.toLowerCase();
  const to = by === "with" || by === "by" ? other : "";
  return { from: bytesOf(word), to: bytesOf(to.length > LONGEST_FILLER ? "" : to.replace(/[.]$/, "")) };
}

/** No character within the longest word is one beyond ASCII, such as a space of another kind. */
function isPlain(text: Uint8Array, from: number): boolean {
  let all = 0;
  for (let i = from; i <= from + LONGEST_WORD; i++) all |= text[i] as number;
  return all < 0x80;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
}

function substituted(text: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const out = new Uint8Array(text.length * Math.max(1, Math.ceil(to.length / from.length)));
  const first = from[0] as number;
  let count = 0;
  for (let i = 0; i < text.length; ) {
    let matched = 0;
    if (text[i] === first) while (matched < from.length && text[i + matched] === from[matched]) matched += 1;
    if (matched === from.length) {
      out.set(to, count);
      count += to.length;
      i += from.length;
    } else {
      out[count++] = text[i++] as number;
    }
  }
  return out.subarray(0, Math.min(count, MAX_PUZZLE));
}

const letters = new Uint8Array(MAX_PUZZLE + 16);

/** Whether letters of a puzzle are like language when they are read from the last to the first. */
export function mayBeReversed(text: Uint8Array): boolean {
  return isBackward(letters, putLetters(text, 0, Math.min(text.length, MAX_PUZZLE), letters, 0));
}

/** `[::-1]`, `[1::2]`: a slice with a step. Two colons are all that C++ and Rust need for a name. */
export function hasSlice(text: Uint8Array): boolean {
  for (let at = text.indexOf(COLON); at !== -1; at = text.indexOf(COLON, at + 1)) {
    if (text[at + 1] !== COLON) continue;
    const close = text.subarray(at + 2, at + 2 + LONGEST_STEP).indexOf(CLOSE);
    if (close > 0) return true;
  }
  return false;
}

const COLON = 0x3a;
const CLOSE = 0x5d;

/** Every second to fifth character, from every place to begin with, counting all characters or letters only. */
export function undoEveryOther(text: Uint8Array, draft: Draft): void {
  const end = Math.min(text.length, MAX_PUZZLE / 4);
  const count = putLetters(text, 0, end, letters, 0);
  for (const source of [text.subarray(0, end), letters.subarray(0, count)]) {
    for (let step = 2; step <= 5; step++) {
      for (let first = 0; first < step; first++) putEvery(source, first, step, draft, text.length);
    }
  }
}

const every = new Uint8Array(MAX_PUZZLE);
const everyLetter = new Uint8Array(MAX_PUZZLE + 16);

/** Only when some of it is like language: of what is left of a text without a puzzle, nothing is. */
function putEvery(source: Uint8Array, first: number, step: number, draft: Draft, end: number): void {
  let count = 0;
  for (let i = first; i < source.length; i += step) every[count++] = source[i] as number;
  const size = putLetters(every, 0, count, everyLetter, 0);
  let shown = 0;
  for (let at = 0; at < size; at += WINDOW / 2) {
    const to = Math.min(size, at + WINDOW);
    if (to - at < WINDOW / 2) break;
    if (likeness(everyLetter, at, to) < LIKE_LANGUAGE) continue;
    if (draft.empty) draft.undo(0, end, "every n-th letter");
    // What stands beside it may be part of it.
    const first = Math.max(shown, at - WINDOW);
    shown = Math.max(first, Math.min(size, to + WINDOW));
    draft.putAll(everyLetter.subarray(first, shown));
  }
  if (shown > 0) draft.put(NEWLINE);
}

/** The first (`last`: the last) letters of words, or of lines. */
export function undoInitials(text: Uint8Array, draft: Draft, of: "lines" | "words" | "word ends"): void {
  draft.undo(0, text.length, of === "word ends" ? "last letters" : `first letters of ${of}`);
  if (of === "lines") putLineInitials(text, draft);
  else putWordLetters(text, draft, of === "words");
}

function putLineInitials(text: Uint8Array, draft: Draft): void {
  for (let line = 0; line < text.length; ) {
    const found = text.indexOf(NEWLINE, line);
    const end = found === -1 ? text.length : found;
    let i = line;
    while (i < end && LETTER_INDEX[text[i] as number] === 26) i += 1;
    if (i < end) draft.put(text[i] as number);
    line = end + 1;
  }
}

function putWordLetters(text: Uint8Array, draft: Draft, first: boolean): void {
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const letter = LETTER_INDEX[text[i] as number] !== 26;
    if (letter !== inside && letter === first) draft.put(text[first ? i : i - 1] as number);
    // An apostrophe is inside of a word.
    if (text[i] !== 0x27) inside = letter;
  }
  if (inside && !first) draft.put(text[text.length - 1] as number);
}

/** The text from its last character to the first, its words from the last to the first, or what is in quotes turned round in place. */
export function undoReversed(text: Uint8Array, draft: Draft, what: "text" | "words" | "pieces"): void {
  const source = text.subarray(0, MAX_PUZZLE);
  draft.undo(0, text.length, what === "text" ? "reversed" : `${what} reversed`);
  if (what === "words") putWords(source, draft);
  else if (what === "pieces") putPieces(source, draft);
  else for (let i = source.length - 1; i >= 0; i--) draft.put(source[i] as number);
}

function putWords(text: Uint8Array, draft: Draft): void {
  let end = text.length;
  for (let i = text.length - 1; i >= -1; i--) {
    if (i >= 0 && (text[i] as number) > SPACE) continue;
    for (let j = i + 1; j < end; j++) draft.put(text[j] as number);
    draft.put(SPACE);
    end = Math.max(0, i);
  }
}

function putPieces(text: Uint8Array, draft: Draft): void {
  for (let i = 0; i < text.length; i++) {
    const mark = text[i] as number;
    draft.put(mark);
    if (mark !== 0x22 && mark !== 0x27 && mark !== 0x60) continue;
    let close = i + 1;
    while (close < text.length && text[close] !== mark && text[close] !== NEWLINE) close += 1;
    if (text[close] !== mark) continue;
    for (let j = close - 1; j > i; j--) draft.put(text[j] as number);
    draft.put(mark);
    i = close;
  }
}
