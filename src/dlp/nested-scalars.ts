/**
 * Numbers of a JSON text that stands as text in a body: in a string of another JSON text, a part, a field. What takes the
 * place of one has to be a string there, in quotes as they are written at that depth.
 */
import { percentInto } from "./decodings.ts";
import type { BodyKind } from "./finding.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
/** So far is looked back in a form for the quote that tells how quotes are written, and anywhere to either side over blanks. */
const MAX_BACK = 1024;
const MAX_BLANKS = 512;
const DEEPEST = 64;

export class NestedScalars {
  readonly #bytes: Uint8Array;
  readonly #form: boolean;
  readonly #json: boolean;
  readonly #quotes: Quotes;

  constructor(bytes: Uint8Array, kind: BodyKind) {
    this.#bytes = bytes;
    this.#form = kind === "form";
    this.#json = kind === "json";
    this.#quotes = new Quotes(bytes);
  }

  /**
   * What has to stand around what replaces `[start, end)`: nothing, or a quote with its backslashes. Null: nobody can say.
   * `text`: where the text begins that it stands in, or -1 when only its looks tell.
   */
  quoteOf(start: number, end: number, text: number): string | null {
    const first = this.#bytes[start] as number;
    // Digits, and how they are written when somebody hides them.
    const number = (first >= 0x30 && first <= 0x39) || first === 0x2d || first === 0x25 || first === BACKSLASH;
    if (!number) return "";
    const behind = this.#behind(end);
    if (behind !== 0x2c && behind !== 0x7d && behind !== 0x5d) return "";
    return this.#form
      ? this.#inForm(start)
      : quoteBefore(this.#bytes, start, { least: text, inJson: this.#json, quotes: this.#quotes });
  }

  /** What stands behind the blanks at `at`. */
  #behind(at: number): number {
    const bytes = this.#form ? decodedForm(this.#bytes, at, at + MAX_BLANKS) : this.#bytes;
    let i = this.#form ? 0 : at;
    for (const most = i + MAX_BLANKS; i < most; ) {
      const byte = bytes[i] as number;
      if (isBlank(byte)) i++;
      else if (byte === BACKSLASH) {
        while (bytes[i] === BACKSLASH) i++;
        if (!isBlankLetter(bytes[i] as number)) return 0;
        i++;
      } else return byte;
    }
    return 0;
  }

  #inForm(start: number): string | null {
    const bytes = this.#bytes;
    const least = Math.max(0, start - 3 * MAX_BACK);
    let from = start;
    while (from > least && bytes[from - 1] !== 0x26 && bytes[from - 1] !== 0x3d) from--;
    const field = decodedForm(bytes, from, start);
    const quotes = new Quotes(field);
    return quoteBefore(field, field.length, { least: from === least && least > 0 ? -1 : 0, inJson: false, quotes });
  }
}

const scratch = new Uint8Array(3 * MAX_BACK);

/** At most `3 * MAX_BACK` bytes of a form as they are read. */
function decodedForm(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const decoded = scratch.subarray(0, percentInto(bytes, from, Math.min(to, bytes.length), scratch));
  for (let i = 0; i < decoded.length; i++) if (decoded[i] === 0x2b) decoded[i] = 0x20;
  return decoded;
}

/** Where the last quote stands before a place. Asked from place to place, going on, so each byte is looked at once. */
class Quotes {
  readonly #bytes: Uint8Array;
  #last = -1;
  #upTo = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** -1: there is none. */
  before(at: number): number {
    if (at > this.#upTo) {
      const last = this.#bytes.subarray(this.#upTo, at).lastIndexOf(QUOTE);
      if (last !== -1) this.#last = this.#upTo + last;
      this.#upTo = at;
    }
    return this.#last;
  }
}

interface Text {
  /** Where it begins; -1 when that is not known. */
  readonly least: number;
  /** It is a string of a JSON text. */
  readonly inJson: boolean;
  readonly quotes: Quotes;
}

/** The quote that has to stand at `at`, judged by what stands before it. */
function quoteBefore(bytes: Uint8Array, at: number, { least, inJson, quotes }: Text): string | null {
  const before = skipBack(bytes, at);
  const byte = bytes[before];
  if (byte === COLON) {
    const name = skipBack(bytes, before);
    // Behind the name of a member: written as that is.
    return bytes[name] === QUOTE && name > least ? quoteAt(bytes, name) : "";
  }
  if (byte !== 0x2c && byte !== 0x5b) return "";
  const quote = quotes.before(before);
  const floor = Math.max(0, least);
  if (quote < floor) {
    // No quote at all: values of an array, when the text is one.
    let first = floor;
    while (first < before && first - floor < MAX_BLANKS && isBlank(bytes[first] as number)) first++;
    if (least < 0 || (bytes[first] !== 0x5b && bytes[first] !== 0x7b)) return "";
    return inJson ? '\\"' : '"';
  }
  let slash = quote - 1;
  while (slash >= floor && quote - slash <= DEEPEST && bytes[slash] === BACKSLASH) slash--;
  const opened = bytes[skipBack(bytes, slash + 1)];
  // A string that is open: in it a number is text. Behind one that is closed it is a value.
  const opens = opened === COLON || opened === 0x2c || opened === 0x5b || opened === 0x7b || slash < 0;
  return opens ? "" : quoteAt(bytes, quote);
}

/** The quote at `at` with the backslashes before it. */
function quoteAt(bytes: Uint8Array, at: number): string | null {
  let slashes = 0;
  while (slashes <= DEEPEST && bytes[at - 1 - slashes] === BACKSLASH) slashes++;
  return slashes > DEEPEST ? null : `${"\\".repeat(slashes)}"`;
}

/** The last place before `at` where no blank stands, real or escaped. */
function skipBack(bytes: Uint8Array, at: number): number {
  let i = at - 1;
  const least = Math.max(0, at - MAX_BLANKS);
  while (i >= least) {
    const byte = bytes[i] as number;
    if (isBlank(byte)) i--;
    else if (isBlankLetter(byte) && bytes[i - 1] === BACKSLASH) {
      i--;
      while (i >= least && bytes[i] === BACKSLASH) i--;
    } else break;
  }
  return i;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

/** n, r, t: behind a backslash a blank. */
function isBlankLetter(byte: number): boolean {
  return byte === 0x6e || byte === 0x72 || byte === 0x74;
}
