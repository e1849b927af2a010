/**
 * A text read once more where something in it is written in another way than it stands there: percent-escapes, escapes of
 * JSON, quoted-printable, UTF-16 and UTF-32. Several on top of each other are undone one after the other.
 */
import { ascii, HEX, KIND, lowered, TOKEN } from "./bytes.ts";
import { releaseView, type Span, takeView, type View } from "./json-view.ts";

const MAX_UNDONE = 4;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const EQUALS = 0x3d;

/** What cannot be written by whoever takes something out: nothing in this reading is redactable. */
export const WIDE = "utf-16";

export interface ReadAs {
  /** All of it is written so: `url` in percent-escapes, `form` with `+` too. Null: escapes count where they hide something. */
  readonly escaped: "form" | "url" | null;
  /** The text, or what stood before it, says that it is quoted-printable. */
  readonly quotedPrintable: boolean;
}

/** One text with what could be undone in it. Give it back with `release`. */
export class Reading {
  text: Uint8Array = new Uint8Array(0);
  /** What was undone, from the outside in: "percent", "percent > json". */
  view = "";
  #views: View[] = [];

  /** False: there is nothing to undo in `text`. */
  read(text: Uint8Array, { escaped, quotedPrintable }: ReadAs): boolean {
    this.text = text;
    this.view = "";
    for (let depth = 0; depth < MAX_UNDONE; depth++) {
      const from = this.text;
      const view = takeView();
      const as = undo(from, view, { escaped: depth === 0 ? escaped : null, quotedPrintable });
      if (as === null) {
        releaseView(view);
        break;
      }
      this.#views.push(view);
      this.view = this.view === "" ? as : `${this.view} > ${as}`;
      this.text = view.bytes.subarray(0, view.length);
    }
    return this.#views.length > 0;
  }

  /** Where the byte at `at` stands in the text that was read. */
  place(at: number): number {
    let place = at;
    for (let i = this.#views.length - 1; i >= 0; i--) place = (this.#views[i] as View).place(place);
    return place;
  }

  release(): void {
    for (const view of this.#views) releaseView(view);
    this.#views = [];
  }
}

/** What was undone into `view`, or null. */
function undo(text: Uint8Array, view: View, { escaped, quotedPrintable }: ReadAs): string | null {
  if (text.indexOf(0) !== -1 && view.narrowed(text)) return WIDE;
  if (escaped === "form" || (escaped === "url" && text.indexOf(PERCENT) !== -1)) {
    view.pieces(text, [{ from: 0, to: text.length }], escaped === "form" ? "form" : "percent");
    return "percent";
  }
  return (
    undoIn(text, view, { as: "percent", next: percentFrom }) ??
    (quotedPrintable ? undoIn(text, view, { as: "quoted-printable", next: foldFrom }) : null) ??
    undoIn(text, view, { as: "json", next: escapeFrom })
  );
}

/** Where the next of what is to be undone stands from `from` on, or -1. */
type Next = (text: Uint8Array, from: number) => number;

function undoIn(
  text: Uint8Array,
  view: View,
  { as, next }: { as: "percent" | "quoted-printable" | "json"; next: Next },
): string | null {
  const first = inText(text, 0, next);
  if (first === -1) return null;
  view.pieces(text, spansOf(text, first, next), as);
  return as;
}

/** Read around what is to be undone: so far before it, from where a word begins, and so far behind it. */
const BEFORE = 256;
const MAX_WORD = 4096;
const BEHIND = 6144;
/** What stands behind such a one in any case; the next is looked for from there. */
const SURE = 4096;

/** Nothing that is looked for is shorter, the escape included. */
const MIN_TEXT = 8;

/** The next that stands in a text: among bytes of anything else, as in a picture, it says nothing. */
function inText(text: Uint8Array, from: number, next: Next): number {
  for (let at = next(text, from); at !== -1; at = next(text, at + 1)) {
    let first = at;
    while (first > 0 && at - first < MIN_TEXT && isShown(text[first - 1] as number)) first--;
    let end = at;
    while (end < text.length && end - first < MIN_TEXT && isShown(text[end] as number)) end++;
    if (end - first >= MIN_TEXT) return at;
  }
  return -1;
}

function isShown(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d;
}

function spansOf(text: Uint8Array, first: number, next: Next): Span[] {
  const spans: Span[] = [];
  let last = 0;
  for (let at = first; at !== -1; ) {
    let from = Math.max(last, at - BEFORE);
    const least = Math.max(last, from - MAX_WORD);
    while (from > least && ((KIND[text[from - 1] as number] as number) & TOKEN) !== 0) from--;
    const to = Math.min(text.length, at + BEHIND);
    if (spans.length > 0 && from <= last) spans[spans.length - 1] = { from: (spans.at(-1) as Span).from, to };
    else spans.push({ from, to });
    last = to;
    if (to === text.length) break;
    at = inText(text, Math.max(at + 1, to - (BEHIND - SURE)), next);
  }
  return spans;
}

/** Letters and digits need no escape: where one is written so, somebody means it not to be read. */
function percentFrom(text: Uint8Array, from: number): number {
  for (let at = text.indexOf(PERCENT, from); at !== -1; at = text.indexOf(PERCENT, at + 1)) {
    const high = text[at + 1] as number;
    const low = ((text[at + 2] ?? 0) | 0x20) as number;
    const hex = (low >= 0x30 && low <= 0x39) || (low >= 0x61 && low <= 0x66);
    if (!hex) continue;
    if (high === 0x33 ? low <= 0x39 : high === 0x34 || high === 0x36 ? low !== 0x30 : false) return at;
    if ((high === 0x35 || high === 0x37) && (low <= 0x39 || low === 0x61)) return at;
    // An escape that is escaped itself.
    if (high === 0x32 && low === 0x35 && isHex(text[at + 3]) && isHex(text[at + 4])) return at;
  }
  return -1;
}

/** `\u00` and a character of ASCII, or `\/`. */
function escapeFrom(text: Uint8Array, from: number): number {
  for (let at = text.indexOf(BACKSLASH, from); at !== -1; at = text.indexOf(BACKSLASH, at + 1)) {
    const byte = text[at + 1];
    if (byte === 0x2f) return at;
    if (byte !== 0x75 || text[at + 2] !== 0x30 || text[at + 3] !== 0x30) continue;
    const high = text[at + 4] as number;
    if (high >= 0x32 && high <= 0x37) return at;
  }
  return -1;
}

/** Lines or characters that quoted-printable writes in its own way. */
function foldFrom(text: Uint8Array, from: number): number {
  for (let at = text.indexOf(EQUALS, from); at !== -1; at = text.indexOf(EQUALS, at + 1)) {
    const byte = text[at + 1];
    if (byte === 0x0a || byte === 0x0d || (isHex(byte) && isHex(text[at + 2]))) return at;
  }
  return -1;
}

const ANNOUNCED = ascii("quoted-printable");
const HYPHEN = ANNOUNCED.indexOf(0x2d);

/** True when a text says that quoted-printable follows, and something in it may be written so. */
export function saysQuotedPrintable(text: Uint8Array): boolean {
  if (inText(text, 0, foldFrom) === -1) return false;
  for (let at = text.indexOf(0x2d); at !== -1; at = text.indexOf(0x2d, at + 1)) {
    let i = 0;
    while (i < ANNOUNCED.length && lowered(text[at - HYPHEN + i] ?? 0) === ANNOUNCED[i]) i++;
    if (i === ANNOUNCED.length) return true;
  }
  return false;
}

function isHex(byte: number | undefined): boolean {
  return ((KIND[byte ?? 0] as number) & HEX) !== 0;
}
