/**
 * The readings of a text: as it stands, and with every disguise undone that it can have, each of them read the same way
 * again. A view is only made when something cheap says that there is something to undo.
 */
import { asAssembly, assembled } from "./assembly.ts";
import { undoBase85, undoUu } from "./base85.ts";
import { undoBraille } from "./braille.ts";
import { mayBeCipher, undoCiphers } from "./ciphers.ts";
import { undoMorse, undoSpelling } from "./code-words.ts";
import { Draft } from "./draft.ts";
import type { Effort } from "./effort.ts";
import { undoFormats } from "./formats.ts";
import { undoHidden, undoTurned } from "./hidden.ts";
import { BACKWARDS, EVERY_OTHER, FIRST_LETTERS, hintsIn, LAST_LETTERS, lastHint, SLICES, WITHOUT } from "./hints.ts";
import { judge } from "./judge.ts";
import { LETTER_INDEX } from "./language.ts";
import { beginLeet, mayMeanMore, undoLeet } from "./leet.ts";
import {
  ASCII_ROOM,
  asciiOf,
  asciiOrigin,
  MAX_LETTERS_INPUT,
  MIN_LETTERS,
  putLetters,
  readLetters,
} from "./letters.ts";
import { undoNumbers } from "./numbers.ts";
import {
  hasSlice,
  MAX_PUZZLE,
  mayBeReversed,
  undoEveryOther,
  undoFillers,
  undoInitials,
  undoReversed,
} from "./puzzles.ts";
import type { Match } from "./reading.ts";
import { undoRot47 } from "./rot47.ts";
import { undoRuns } from "./runs.ts";
import {
  COLONS,
  ESCAPES,
  FORMATS,
  inBlocks,
  LEET as MIXED,
  MORSE,
  NUMBERS,
  type Regional,
  signalsOf,
} from "./signals.ts";
import { undoMarkup } from "./turned-markup.ts";
import { undoEscapes } from "./unescape.ts";
import { LEARNED } from "./vectors.ts";

/** Disguises over each other that are undone. */
export const MAX_DEPTH = 4;
/** An assembled phrase needs two literals at the least. */
const MIN_QUOTES = 4;
/** So many lines may begin with the letters of a phrase. */
const MIN_LINES = 12;
/** In a puzzle of more bytes no second disguise is looked for. */
const SMALL_PUZZLE = 1024;

/** What was found, and where in the text. */
export interface Sighting {
  readonly match: Match;
  /** What had to be undone, from the outside in; "" for nothing. */
  readonly view: string;
  readonly start: number;
  readonly end: number;
}

type Seen = Sighting | "exhausted" | null;

class Level {
  readonly draft = new Draft();
  readonly ascii = new Uint8Array(MAX_LETTERS_INPUT + ASCII_ROOM);
  /** What signals tell of each block of it. */
  readonly blocks = new Uint8Array(MAX_LETTERS_INPUT / 128 + 2);
}

const levels = Array.from({ length: MAX_DEPTH + 1 }, () => new Level());

/** How far the way to a reading has come. */
interface Path {
  readonly effort: Effort;
  readonly depth: number;
  readonly done: number;
  /** True: nothing is looked for below the next reading. */
  readonly last?: boolean;
}

/** Disguises that are undone once on the way to a reading. */
const LEET = 1;
const CIPHER = 2;
const PUZZLE = 4;

/** A view fills a draft with what it undoes; most leave it empty. `blocks`: what signals tell of the text. */
type View = (text: Uint8Array, draft: Draft, blocks: Uint8Array) => void;

function regional(bit: number, view: Regional): View {
  const where = { bit, view };
  return (text, draft, blocks) => inBlocks(text, draft, blocks, where);
}

const forNumbers = regional(NUMBERS, undoNumbers);
const forMorse = regional(MORSE, undoMorse);
const forRot47 = regional(MIXED, undoRot47);
const forEscapes = regional(ESCAPES, undoEscapes);
const forMixed = regional(MIXED, undoLeet);

const forCiphers: View = (text, draft) => undoCiphers(text, draft, false);
const forWordsTurned: View = (text, draft) => undoCiphers(text, draft, true);
const forLines: View = (text, draft) => undoInitials(text, draft, "lines");
const forWords: View = (text, draft) => undoInitials(text, draft, "words");
const forWordEnds: View = (text, draft) => undoInitials(text, draft, "word ends");
const forReversed: View = (text, draft) => undoReversed(text, draft, "text");
const forWordsReversed: View = (text, draft) => undoReversed(text, draft, "words");
const forPieces: View = (text, draft) => undoReversed(text, draft, "pieces");
const forLeet: View = (text, draft, blocks) => {
  beginLeet(true);
  forMixed(text, draft, blocks);
};
const forPlainLeet: View = (text, draft, blocks) => {
  beginLeet(false);
  forMixed(text, draft, blocks);
};

/** UTF-8 of at most `MAX_INSPECTED` bytes. `depth` disguises were undone to come to it; `done` are those that are no use twice. */
export function explore(text: Uint8Array, effort: Effort, depth = 0, done = 0): Seen {
  if (text.length < MIN_LETTERS) return null;
  const level = levels[depth] as Level;
  const read = readLetters(text);
  const { count } = read;
  const ascii = read.foreign ? level.ascii.subarray(0, asciiOf(text, level.ascii)) : text;
  if (read.masked) return exploreMasked(text, ascii, effort, depth);
  // Whatever is read once a puzzle is solved was put together from parts.
  const match = judge({ letters: read.letters, count, text: ascii, learned: (done & PUZZLE) === 0 });
  if (match !== null) return placed(match, text, ascii);
  // Before anything else is read: letters are only kept until then.
  const cipher = mayBeCipher(read.letters, count);
  const hints = hintsIn(read.letters, count);
  const hintAt = lastHint();
  const { invisible, turned } = read;
  if (read.quotes + read.doubles >= MIN_QUOTES) {
    const found = assembled(ascii);
    if (found === "exhausted") return found;
    if (found !== null) return { match: found, view: "assembly", start: 0, end: text.length };
  }
  if (depth === MAX_DEPTH) return null;
  const signals = signalsOf(ascii, level.blocks);
  const child = (view: View, source: Uint8Array): Seen => undone(view, source, text, { effort, depth, done });
  return (
    (invisible >= MIN_QUOTES ? child(undoHidden, text) : null) ??
    (turned > 0 ? child(undoBraille, text) : null) ??
    (turned >= MIN_QUOTES ? child(undoTurned, text) : null) ??
    (signals & ESCAPES ? child(forEscapes, ascii) : null) ??
    child(undoRuns, ascii) ??
    child(undoBase85, ascii) ??
    child(undoUu, ascii) ??
    (signals & NUMBERS ? child(forNumbers, ascii) : null) ??
    (signals & MORSE ? child(forMorse, ascii) : null) ??
    child(undoSpelling, ascii) ??
    (signals & MIXED ? child(forRot47, ascii) : null) ??
    (signals & MIXED && (done & LEET) === 0 ? leet(ascii, text, { effort, depth, done: done | LEET }) : null) ??
    (done & CIPHER ? null : undone(undoMarkup, ascii, text, { effort, depth, done: done | CIPHER | LEET })) ??
    (signals & FORMATS ? child(undoFormats, ascii) : null) ??
    (cipher && (done & CIPHER) === 0 ? deciphered(ascii, text, { effort, depth, done: done | CIPHER }) : null) ??
    (done & PUZZLE
      ? null
      : solved(
          { ascii, text, hints: hints | (signals & COLONS ? SLICES : 0), hintAt },
          { effort, depth, done: done | PUZZLE },
        ))
  );
}

/** Bytes that are mostly no text: nothing but their ASCII letters and marks, as they stand. At most `MAX_INSPECTED`. */
export function exploreLetters(bytes: Uint8Array): Sighting | null {
  const { ascii: letters } = levels[0] as Level;
  const count = putLetters(bytes, 0, bytes.length, letters, 0);
  const match = judge({ letters, count, text: bytes, learned: true });
  if (match === null) return null;
  if (match.inText) return { match, view: "", start: match.start, end: match.end };
  return { match, view: "", start: placeOf(bytes, match.start), end: placeOf(bytes, match.end - 1) + 1 };
}

/** A text as it stands, with nothing undone but escapes and look-alikes of letters. At most `MAX_INSPECTED`. */
export function explorePlain(text: Uint8Array): Sighting | null {
  if (text.length < MIN_LETTERS) return null;
  const { ascii: room } = levels[0] as Level;
  const { letters, count, foreign, masked } = readLetters(text);
  const ascii = foreign || masked ? room.subarray(0, asciiOf(text, room)) : text;
  const match = judge({ letters, count, text: ascii, learned: false });
  return match === null ? null : placed(match, text, ascii);
}

/** Where the letter stands that has so many before it. */
function placeOf(bytes: Uint8Array, letter: number): number {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) if (LETTER_INDEX[bytes[i] as number] !== 26 && count++ === letter) return i;
  return bytes.length;
}

function leet(ascii: Uint8Array, text: Uint8Array, path: Path): Seen {
  const seen = undone(forLeet, ascii, text, path);
  return seen === null && mayMeanMore() ? undone(forPlainLeet, ascii, text, path) : seen;
}

function deciphered(ascii: Uint8Array, text: Uint8Array, path: Path): Seen {
  const seen = undone(forCiphers, ascii, text, path);
  if (seen !== null) return seen;
  // What reads backwards may be words turned round, each in its place.
  const backwards = (levels[path.depth] as Level).draft.kinds.some((kind) => kind.startsWith("reversed"));
  return backwards ? undone(forWordsTurned, ascii, text, path) : null;
}

/** What a text says itself, or its lines, of how to read it: once a path, or each reading would say it again. */
function solved({ ascii, text, hints, hintAt }: Puzzle, path: Path): Seen {
  const lines = linesIn(ascii) >= MIN_LINES;
  if (hints === 0 && !lines) return null;
  const from = Math.max(0, Math.min(ascii.length - MAX_PUZZLE, Math.floor(hintAt * ascii.length) - MAX_PUZZLE / 2));
  const part = ascii.subarray(from, from + MAX_PUZZLE);
  const child = (view: View): Seen => moved(undone(view, part, part, path), from, text, ascii);
  // What is turned round or thinned out looks like a cipher, and is none.
  const plain = { ...path, done: path.done | CIPHER | LEET, last: part.length > SMALL_PUZZLE };
  const turned = (view: View): Seen => moved(undone(view, part, part, plain), from, text, ascii);
  const sliced = (hints & SLICES) !== 0 && hasSlice(part);
  const backwards = (hints & BACKWARDS) !== 0 || sliced;
  const reversed = backwards && mayBeReversed(part);
  return (
    (hints & WITHOUT ? child(undoFillers) : null) ??
    (reversed ? turned(forReversed) : null) ??
    (backwards ? turned(forWordsReversed) : null) ??
    (reversed ? turned(forPieces) : null) ??
    ((hints & EVERY_OTHER) !== 0 || sliced ? turned(undoEveryOther) : null) ??
    (hints & FIRST_LETTERS ? turned(forWords) : null) ??
    (hints & LAST_LETTERS ? turned(forWordEnds) : null) ??
    (lines ? undone(forLines, ascii, text, plain) : null)
  );
}

interface Puzzle {
  readonly ascii: Uint8Array;
  readonly text: Uint8Array;
  readonly hints: number;
  /** Where the last hint is, as a share of the text. */
  readonly hintAt: number;
}

/** What was found in a part of ASCII, as a place in the text. */
function moved(seen: Seen, by: number, text: Uint8Array, ascii: Uint8Array): Seen {
  if (seen === null || seen === "exhausted") return seen;
  const start = seen.start + by;
  const end = seen.end + by;
  if (ascii === text) return { ...seen, start, end };
  const room = new Uint8Array(ascii.length + ASCII_ROOM);
  return {
    ...seen,
    start: start === 0 ? 0 : asciiOrigin(text, room, start - 1),
    end: asciiOrigin(text, room, end - 1),
  };
}

/** Backslashes or percent signs in disguise: the text is read again once they are plain. */
function exploreMasked(text: Uint8Array, ascii: Uint8Array, effort: Effort, depth: number): Seen {
  if (!effort.spend(ascii.length)) return "exhausted";
  const seen = explore(ascii.slice(0, MAX_LETTERS_INPUT), effort, depth);
  if (seen === null || seen === "exhausted") return seen;
  const room = (levels[depth] as Level).ascii;
  return { ...seen, start: asciiOrigin(text, room, seen.start) - 1, end: asciiOrigin(text, room, seen.end - 1) };
}

function undone(view: View, source: Uint8Array, text: Uint8Array, { effort, depth, done, last }: Path): Seen {
  const { draft, ascii, blocks } = levels[depth] as Level;
  draft.open(source);
  view(source, draft, blocks);
  if (draft.empty) return draft.full ? "exhausted" : null;
  draft.close();
  // Puzzles are parts of a text, solved once on the way to a reading: they can never come to more than some times the text.
  if (!(last ? effort.inTime() : effort.spend(draft.count))) return "exhausted";
  const kinds = draft.kinds.join(", ");
  const seen = explore(draft.text, effort, last ? MAX_DEPTH : depth + 1, done);
  if (seen === null) return draft.full ? "exhausted" : null;
  if (seen === "exhausted") return seen;
  let start = draft.origin(seen.start, false);
  let end = draft.origin(Math.max(seen.start, seen.end - 1), true);
  if (source !== text) {
    end = asciiOrigin(text, ascii, end - 1);
    start = start === 0 ? 0 : asciiOrigin(text, ascii, start - 1);
  }
  return { match: seen.match, view: seen.view === "" ? kinds : `${kinds} > ${seen.view}`, start, end };
}

/** A phrase with quotes in it is one in pieces; a whole passage may quote what it likes. */
function placed(match: Match, text: Uint8Array, ascii: Uint8Array): Sighting {
  if (match.inText) {
    const same = ascii === text;
    const end = same ? match.end : asciiOrigin(text, ascii, match.end - 1);
    return {
      match,
      view: "",
      start: same || match.start === 0 ? match.start : asciiOrigin(text, ascii, match.start - 1),
      end,
    };
  }
  const { start: first, end: last } = match;
  let start = first === 0 ? 0 : readLetters(text, first).end;
  while (start < text.length && isBetween(text[start] as number)) start += 1;
  const end = readLetters(text, last).end;
  const before = readLetters(text, first + 1);
  const quotes = before.quotes + before.doubles;
  const after = readLetters(text, last);
  if (match.vector === LEARNED || after.quotes + after.doubles === quotes) return { match, view: "", start, end };
  return { match: asAssembly(match), view: "assembly", start, end };
}

/** ASCII that is no letter and begins no escape. */
function isBetween(byte: number): boolean {
  return byte < 0x80 && LETTER_INDEX[byte] === 26 && byte !== 0x5c && byte !== 0x25;
}

function linesIn(text: Uint8Array): number {
  let lines = 0;
  for (let at = text.indexOf(0x0a); at !== -1 && lines < MIN_LINES; at = text.indexOf(0x0a, at + 1)) lines += 1;
  return lines;
}
