/** ASCII turned by half of its visible characters: letters become marks, digits and letters, and spaces stay. */
import type { Draft } from "./draft.ts";
import { FOLLOWS, LETTER_INDEX } from "./language.ts";

const NONE = 26;
const ROW = 32;
const FIRST = 0x21;
const LAST = 0x7e;
const HALF = 47;

/** Byte → the byte it stands for, and the letter of that. */
const TURNED = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < FIRST || byte > LAST ? byte : FIRST + ((byte - FIRST + HALF) % (2 * HALF)),
);
const LETTER = TURNED.map((byte) => LETTER_INDEX[byte] as number);

const IS_LETTER = LETTER.map((letter) => (letter === NONE ? 0 : 1));

const WINDOW = 32;
const LEAST_LETTERS = 20;
/** Quarters of a bit of a window: English has about 150, code turned is far below 0. */
const LIKE = 60;

/** Undoes windows of [from, to) of ASCII that are language once turned; returns where it went on. Linear. */
export function undoRot47(text: Uint8Array, draft: Draft, from: number, to: number): number {
  for (let at = from; at < to; at += WINDOW) {
    if (!isTurned(text, at, Math.min(at + WINDOW, to))) continue;
    let end = Math.min(at + WINDOW, to);
    while (end < text.length && isTurned(text, end, Math.min(end + WINDOW, text.length))) end += WINDOW;
    const start = Math.max(from, at - WINDOW);
    end = Math.min(text.length, end + WINDOW);
    draft.undo(start, end, "rot47");
    for (let i = start; i < end; i++) draft.put(TURNED[text[i] as number] as number);
    return end;
  }
  return to;
}

function isTurned(text: Uint8Array, from: number, to: number): boolean {
  let letters = 0;
  // Counted first, without a branch: hardly a window has enough of them.
  for (let i = from; i < to; i++) letters += IS_LETTER[text[i] as number] as number;
  if (letters < LEAST_LETTERS) return false;
  let like = 0;
  let before = NONE;
  for (let i = from; i < to; i++) {
    const letter = LETTER[text[i] as number] as number;
    if (letter !== NONE || before !== NONE) like += FOLLOWS[before * ROW + letter] as number;
    before = letter;
  }
  return like >= LIKE;
}
