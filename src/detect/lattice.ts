/**
 * The readings of a text: as it stands, and with every disguise undone that it can have, each of them read the same way
 * again. A view is only made when something cheap says that there is something to undo.
 */
import { asAssembly, assembled } from "./assembly.ts";
import { mayBeCipher } from "./ciphers.ts";
import type { Draft } from "./draft.ts";
import { type Effort, TURN_BYTES } from "./effort.ts";
import { BACKWARDS, EVERY_OTHER, FIRST_LETTERS, hintsIn, LAST_LETTERS, lastHint, SLICES, WITHOUT } from "./hints.ts";
import { judge, LOOKS } from "./judge.ts";
import { LETTER_INDEX } from "./language.ts";
import { CIPHER, LEET, MIN_QUOTES, PLAN, PUZZLE, type View } from "./lattice-plan.ts";
import { type Level, MAX_DEPTH, type Room, shared } from "./lattice-room.ts";
import {
  ASCII_ROOM,
  asciiOf,
  asciiOrigin,
  MAX_LETTERS_INPUT,
  MIN_LETTERS,
  putLetters,
  readLetters,
} from "./letters.ts";
import {
  hasSlice,
  MAX_PUZZLE,
  mayBeReversed,
  undoEveryOther,
  undoFillers,
  undoInitials,
  undoReversed,
} from "./puzzles.ts";
import type { Match, Reading } from "./reading.ts";
import { COLONS, signalsOf } from "./signals.ts";
import { LEARNED } from "./vectors.ts";

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
type Steps = Generator<void, Seen>;

/** How far the way to a reading has come. */
interface Path {
  readonly effort: Effort;
  readonly levels: readonly Level[];
  readonly depth: number;
  readonly done: number;
  /** True: nothing is looked for below the next reading. */
  readonly last?: boolean;
}

const forLines: View = (text, draft) => undoInitials(text, draft, "lines");
const forWords: View = (text, draft) => undoInitials(text, draft, "words");
const forWordEnds: View = (text, draft) => undoInitials(text, draft, "word ends");
const forReversed: View = (text, draft) => undoReversed(text, draft, "text");
const forWordsReversed: View = (text, draft) => undoReversed(text, draft, "words");
const forPieces: View = (text, draft) => undoReversed(text, draft, "pieces");

/**
 * UTF-8 of at most `MAX_INSPECTED` bytes. Yields only where `effort` stops, and nobody else uses the room until it is over.
 * Goes on only where `effort` is stepped: otherwise what is kept of the text is not its own.
 */
export function exploring(text: Uint8Array, effort: Effort, { levels }: Room): Steps {
  return below(text, { effort, levels, depth: 0, done: 0 });
}

/** `depth` disguises were undone to come to the text; `done` are those that are no use twice. */
function* below(text: Uint8Array, path: Path): Steps {
  if (text.length < MIN_LETTERS) return null;
  const { effort, depth, done } = path;
  const { length } = text;
  const level = path.levels[depth] as Level;
  if (effort.due(length)) yield;
  const read = readLetters(text);
  const { count, invisible, turned } = read;
  const quotes = read.quotes + read.doubles;
  const ascii = read.foreign ? level.ascii.subarray(0, asciiOf(text, level.ascii)) : text;
  if (read.masked) return yield* exploreMasked(text, ascii, path);
  // Before anything else is read: letters are only kept until then.
  const letters = effort.stepped ? level.keep(read.letters, count) : read.letters;
  // Whatever is read once a puzzle is solved was put together from parts.
  const reading = { letters, count, text: ascii, learned: (done & PUZZLE) === 0 };
  if (!effort.stepped && effort.due(LOOKS.length * count)) yield;
  const match = effort.stepped ? yield* judged(reading, effort) : judge(reading);
  if (match !== null) return placed(match, text, ascii);
  if (effort.due(length)) yield;
  const cipher = mayBeCipher(letters, count);
  const hints = hintsIn(letters, count);
  const hintAt = lastHint();
  if (quotes >= MIN_QUOTES) {
    if (effort.due(length)) yield;
    const found = assembled(ascii);
    if (found === "exhausted") return found;
    if (found !== null) return { match: found, view: "assembly", start: 0, end: length };
  }
  if (depth === MAX_DEPTH) return null;
  const signals = signalsOf(ascii, level.blocks);
  const known = { signals, invisible, turned, cipher };
  for (const { view, when, whole, marks, again, tried, parts } of PLAN) {
    if (!when(known, done)) continue;
    const source = whole ? text : ascii;
    if (effort.due(length)) yield;
    let full: boolean;
    if (parts !== null && effort.stops) {
      level.draft.open(source);
      const begun = parts(source, level.draft, 0);
      full =
        begun === -1
          ? !level.draft.empty || level.draft.full
          : yield* filledInParts(parts, source, level, { effort, begun });
    } else full = filled(view, source, level);
    const more = again !== null && tried(level.draft);
    const seen = full ? yield* undone(source, text, { ...path, done: done | marks }) : null;
    if (seen !== null) return seen;
    if (!more) continue;
    if (effort.due(length)) yield;
    const second = filled(again, source, level) ? yield* undone(source, text, { ...path, done: done | marks }) : null;
    if (second !== null) return second;
  }
  const asked = hints | (signals & COLONS ? SLICES : 0);
  if ((done & PUZZLE) !== 0 || (asked === 0 && linesIn(ascii) < MIN_LINES)) return null;
  return yield* solved({ ascii, text, hints: asked, hintAt }, { ...path, done: done | PUZZLE });
}

function* judged(reading: Reading, effort: Effort): Generator<void, Match | null> {
  for (const look of LOOKS) {
    if (effort.due(reading.count)) yield;
    const match = look(reading);
    if (match !== null) return match;
  }
  return null;
}

/** Bytes that are mostly no text: nothing but their ASCII letters and marks, as they stand. At most `MAX_INSPECTED`. */
export function exploreLetters(bytes: Uint8Array): Sighting | null {
  const { ascii: letters } = shared.levels[0] as Level;
  const count = putLetters(bytes, 0, bytes.length, letters, 0);
  const match = judge({ letters, count, text: bytes, learned: true });
  if (match === null) return null;
  if (match.inText) return { match, view: "", start: match.start, end: match.end };
  return { match, view: "", start: placeOf(bytes, match.start), end: placeOf(bytes, match.end - 1) + 1 };
}

/** A text as it stands, with nothing undone but escapes and look-alikes of letters. At most `MAX_INSPECTED`. */
export function explorePlain(text: Uint8Array): Sighting | null {
  if (text.length < MIN_LETTERS) return null;
  const { ascii: room } = shared.levels[0] as Level;
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

/** What a text says itself, or its lines, of how to read it: once a path, or each reading would say it again. */
function* solved({ ascii, text, hints, hintAt }: Puzzle, path: Path): Steps {
  const lines = linesIn(ascii) >= MIN_LINES;
  const from = Math.max(0, Math.min(ascii.length - MAX_PUZZLE, Math.floor(hintAt * ascii.length) - MAX_PUZZLE / 2));
  const part = ascii.subarray(from, from + MAX_PUZZLE);
  // What is turned round or thinned out looks like a cipher, and is none.
  const plain = { ...path, done: path.done | CIPHER | LEET, last: part.length > SMALL_PUZZLE };
  const sliced = (hints & SLICES) !== 0 && hasSlice(part);
  const backwards = (hints & BACKWARDS) !== 0 || sliced;
  const reversed = backwards && mayBeReversed(part);
  const level = path.levels[path.depth] as Level;
  for (const [view, asked] of [
    [undoFillers, (hints & WITHOUT) !== 0],
    [forReversed, reversed],
    [forWordsReversed, backwards],
    [forPieces, reversed],
    [undoEveryOther, (hints & EVERY_OTHER) !== 0 || sliced],
    [forWords, (hints & FIRST_LETTERS) !== 0],
    [forWordEnds, (hints & LAST_LETTERS) !== 0],
  ] as const) {
    if (!asked) continue;
    if (path.effort.due(part.length)) yield;
    if (!filled(view, part, level)) continue;
    const seen = yield* undone(part, part, view === undoFillers ? path : plain);
    if (seen !== null) return moved(seen, from, text, ascii);
  }
  if (!lines) return null;
  if (path.effort.due(ascii.length)) yield;
  return filled(forLines, ascii, level) ? yield* undone(ascii, text, plain) : null;
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
function* exploreMasked(text: Uint8Array, ascii: Uint8Array, path: Path): Steps {
  const { effort, levels, depth } = path;
  if (!effort.spend(ascii.length)) return "exhausted";
  const seen = yield* below(ascii.slice(0, MAX_LETTERS_INPUT), { effort, levels, depth, done: 0 });
  if (seen === null || seen === "exhausted") return seen;
  const room = (levels[depth] as Level).ascii;
  return { ...seen, start: asciiOrigin(text, room, seen.start) - 1, end: asciiOrigin(text, room, seen.end - 1) };
}

/** False: there is nothing to undo in it. */
function filled(view: View, source: Uint8Array, { draft, blocks }: Level): boolean {
  draft.open(source);
  view(source, draft, blocks);
  return !draft.empty || draft.full;
}

function* filledInParts(
  parts: (text: Uint8Array, draft: Draft, from: number) => number,
  source: Uint8Array,
  { draft }: Level,
  { effort, begun }: { readonly effort: Effort; readonly begun: number },
): Generator<void, boolean> {
  for (let at = begun; at !== -1; at = parts(source, draft, at)) if (effort.due(TURN_BYTES)) yield;
  return !draft.empty || draft.full;
}

/** What was undone of `source`, which is `text` or its ASCII, is read as that itself was. */
function* undone(source: Uint8Array, text: Uint8Array, { effort, levels, depth, done, last }: Path): Steps {
  const { draft, ascii } = levels[depth] as Level;
  if (draft.empty) return "exhausted";
  draft.close();
  // Puzzles are parts of a text, solved once on the way to a reading: they can never come to more than some times the text.
  if (!(last ? effort.inTime() : effort.spend(draft.count))) return "exhausted";
  const kinds = draft.kinds.join(", ");
  const seen = yield* below(draft.text, { effort, levels, depth: last ? MAX_DEPTH : depth + 1, done });
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
