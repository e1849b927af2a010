/** Morse, and the words of the spelling alphabet. */
import type { Draft } from "./draft.ts";

const LEAST_SIGNS = 8;
const LEAST_WORDS = 6;
const MAX_SIGN = 6;
const DOT = 0x2e;
const DASH = 0x2d;

/** Dots as 0 and dashes as 1 behind a leading 1. */
const MORSE = new Uint8Array(1 << (MAX_SIGN + 1));
const SIGNS =
  ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split(
    " ",
  );
for (const [i, sign] of SIGNS.entries()) {
  MORSE[[...sign].reduce((code, mark) => (code << 1) | (mark === "." ? 0 : 1), 1)] = i < 26 ? 0x61 + i : 0x30 + i - 26;
}
/** What stands for a dot (1), a dash (2), between signs (3) and between words (4). */
const MARK = new Uint8Array(256);
MARK[DOT] = 1;
MARK[DASH] = 2;
MARK[0x5f] = 2;
for (const space of [0x20, 0x09, 0x0a, 0x0d, 0x2c]) MARK[space] = 3;
for (const bar of [0x2f, 0x7c]) MARK[bar] = 4;

const out = new Uint8Array(32 * 1024);

/** Undoes Morse of at least eight signs that begins in [from, to); returns where the last one ends. Linear. */
export function undoMorse(text: Uint8Array, draft: Draft, from: number, to: number): number {
  let i = from;
  for (; i < to; i++) {
    const mark = MARK[text[i] as number] as number;
    if (mark !== 1 && mark !== 2) continue;
    // The sign or the point of a number, a hyphen: nothing goes on from there.
    if (MARK[text[i + 1] ?? 0] === 0) continue;
    const first = i;
    let code = 1;
    let signs = 0;
    let odd = 0;
    let written = 0;
    let end = i;
    let spaces = 0;
    for (; i <= text.length && written + 2 < out.length; i++) {
      const kind = i < text.length ? (MARK[text[i] as number] as number) : 0;
      if (kind === 1 || kind === 2) {
        if (spaces > 1 && code === 1) out[written++] = 0x20;
        code = code < 1 << MAX_SIGN ? (code << 1) | (kind - 1) : 1 << (MAX_SIGN + 1);
        spaces = 0;
        end = i + 1;
        continue;
      }
      if (code > 1) {
        const letter = MORSE[code] ?? 0;
        if (letter === 0) odd += 1;
        else out[written++] = letter;
        signs += 1;
        code = 1;
      }
      if (kind === 0) break;
      spaces += kind === 4 ? 2 : 1;
    }
    if (signs < LEAST_SIGNS || odd * 4 > signs) continue;
    draft.undo(first, end, "morse");
    draft.putAll(out.subarray(0, written));
  }
  return i;
}

const WORDS =
  "alfa alpha bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu x-ray".split(
    " ",
  );
/** First letter → the words. */
const BY_LETTER: readonly (readonly Uint8Array[])[] = Array.from({ length: 26 }, (_, i) =>
  WORDS.filter((word) => word.charCodeAt(0) === 0x61 + i).map((word) =>
    Uint8Array.from(word, (letter) => letter.charCodeAt(0)),
  ),
);
const LEAP = 64;
const MAX_GAP = 3;

/** Undoes six such words or more. A text without them is only looked at here and there. */
export function undoSpelling(text: Uint8Array, draft: Draft): void {
  for (let at = 0; at < text.length; at += LEAP) {
    let word = at;
    const last = Math.min(text.length, at + LEAP);
    // The next word that begins here.
    while (word < last && isLetter(text[word] as number)) word += 1;
    while (word < last && !isLetter(text[word] as number)) word += 1;
    if (word === last || wordAt(text, word) === 0) continue;
    at = Math.max(at, spell(text, backFrom(text, Math.max(0, at - LEAP), word), draft) - LEAP);
  }
}

/** The first word of the list that `word` is in, not before `least`. */
function backFrom(text: Uint8Array, least: number, word: number): number {
  let first = word;
  for (let i = word - 1; i >= least; i--) {
    if (!isLetter(text[i] as number) || (i > 0 && isLetter(text[i - 1] as number))) continue;
    const length = wordAt(text, i);
    if (length === 0) return first;
    first = i;
  }
  return first;
}

/** Returns where the list ends. */
function spell(text: Uint8Array, from: number, draft: Draft): number {
  let words = 0;
  let written = 0;
  let end = from;
  for (let i = from; i < text.length && written + 2 < out.length; ) {
    const length = wordAt(text, i);
    if (length === 0) break;
    out[written++] = (text[i] as number) | 0x20;
    words += 1;
    i += length;
    end = i;
    let gap = 0;
    while (i < text.length && !isLetter(text[i] as number) && gap <= MAX_GAP) {
      gap += 1;
      i += 1;
    }
    if (gap > MAX_GAP) break;
    if (gap > 1) out[written++] = 0x20;
  }
  if (words < LEAST_WORDS) return end;
  draft.undo(from, end, "spelling alphabet");
  draft.putAll(out.subarray(0, written));
  return end;
}

/** The length of the word of the alphabet at `at`, or 0. */
function wordAt(text: Uint8Array, at: number): number {
  const first = ((text[at] ?? 0) | 0x20) - 0x61;
  for (const word of BY_LETTER[first] ?? []) {
    if (at + word.length > text.length || isLetter(text[at + word.length] ?? 0)) continue;
    let i = 1;
    while (i < word.length && ((text[at + i] as number) | 0x20) === ((word[i] as number) | 0x20)) i += 1;
    if (i === word.length) return i;
  }
  return 0;
}

function isLetter(byte: number): boolean {
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x7a;
}
