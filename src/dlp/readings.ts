/**
 * A text read once more where something in it is written in another way than it stands there: percent-escapes, escapes of
 * JSON, quoted-printable, UTF-16 and UTF-32. Several on top of each other are undone one after the other.
 */
import { HEX, KIND } from "./bytes.ts";
import { releaseView, takeView, type View } from "./json-view.ts";

const MAX_UNDONE = 4;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const EQUALS = 0x3d;

/** What cannot be written by whoever takes something out: nothing in this reading is redactable. */
export const WIDE = "utf-16";

export interface ReadAs {
  /** Percent-escapes and `+` are how everything in it is written. */
  readonly form: boolean;
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
  read(text: Uint8Array, { form, quotedPrintable }: ReadAs): boolean {
    this.text = text;
    this.view = "";
    for (let depth = 0; depth < MAX_UNDONE; depth++) {
      const from = this.text;
      const view = takeView();
      const as = undo(from, view, { form: form && depth === 0, quotedPrintable });
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
function undo(text: Uint8Array, view: View, { form, quotedPrintable }: ReadAs): string | null {
  if (text.indexOf(0) !== -1 && view.narrowed(text)) return WIDE;
  if (form || hidesInPercent(text)) {
    view.unpercented(text, form);
    return "percent";
  }
  if (quotedPrintable && isFolded(text)) {
    view.unquoted(text);
    return "quoted-printable";
  }
  if (!hidesInEscapes(text)) return null;
  view.unescaped(text, 0, text.length);
  return "json";
}

/** Letters and digits need no escape: where one is written so, somebody means it not to be read. */
function hidesInPercent(text: Uint8Array): boolean {
  for (let at = text.indexOf(PERCENT); at !== -1; at = text.indexOf(PERCENT, at + 1)) {
    const high = text[at + 1] as number;
    const low = ((text[at + 2] ?? 0) | 0x20) as number;
    const hex = (low >= 0x30 && low <= 0x39) || (low >= 0x61 && low <= 0x66);
    if (!hex) continue;
    if (high === 0x33 ? low <= 0x39 : high === 0x34 || high === 0x36 ? low !== 0x30 : false) return true;
    if ((high === 0x35 || high === 0x37) && (low <= 0x39 || low === 0x61)) return true;
    // An escape that is escaped itself.
    if (high === 0x32 && low === 0x35 && isHex(text[at + 3]) && isHex(text[at + 4])) return true;
  }
  return false;
}

/** `\u00` and a character of ASCII, or `\/`. */
function hidesInEscapes(text: Uint8Array): boolean {
  for (let at = text.indexOf(BACKSLASH); at !== -1; at = text.indexOf(BACKSLASH, at + 1)) {
    const byte = text[at + 1];
    if (byte === 0x2f) return true;
    if (byte !== 0x75 || text[at + 2] !== 0x30 || text[at + 3] !== 0x30) continue;
    const high = text[at + 4] as number;
    if (high >= 0x32 && high <= 0x37) return true;
  }
  return false;
}

/** Lines or characters that quoted-printable writes in its own way. */
export function isFolded(text: Uint8Array): boolean {
  for (let at = text.indexOf(EQUALS); at !== -1; at = text.indexOf(EQUALS, at + 1)) {
    const byte = text[at + 1];
    if (byte === 0x0a || byte === 0x0d || (isHex(byte) && isHex(text[at + 2]))) return true;
  }
  return false;
}

const ANNOUNCED = /quoted-printable/i;
const latin1 = new TextDecoder("latin1");

/** True when a text says that quoted-printable follows. */
export function saysQuotedPrintable(text: Uint8Array): boolean {
  return isFolded(text) && ANNOUNCED.test(latin1.decode(text));
}

function isHex(byte: number | undefined): boolean {
  return ((KIND[byte ?? 0] as number) & HEX) !== 0;
}
