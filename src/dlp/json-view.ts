/** A text with what is escaped in it undone, and where each byte of it stands in the text. */
import { HEX, KIND } from "./bytes.ts";
import { hexValue } from "./decodings.ts";

const BACKSLASH = 0x5c;
const SIMPLE = simpleEscapes();

function simpleEscapes(): Uint8Array {
  const table = new Uint8Array(256);
  const pairs: readonly (readonly [string, number])[] = [
    ["n", 10],
    ["t", 9],
    ["r", 13],
    ["b", 8],
    ["f", 12],
    ['"', 0x22],
    ["\\", BACKSLASH],
    ["/", 0x2f],
  ];
  for (const [name, byte] of pairs) table[name.charCodeAt(0)] = byte;
  return table;
}

/** From a byte to before another. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Made once and filled again for every slice. */
export class View {
  bytes: Uint8Array = new Uint8Array(0);
  /** Used bytes of `bytes`. */
  length = 0;
  /** Up to here the text was read: an escape that the end cut is read whole. */
  end = 0;
  #from = 0;
  /** Pairs: a place in the view, and the place in the text it stands for; from there on one byte is one byte. */
  #marks = new Int32Array(256);
  #used = 0;

  /** The text as it is. */
  plain(text: Uint8Array, from: number, to: number): Uint8Array {
    this.#from = from;
    this.#used = 0;
    this.end = to;
    return from === 0 && to === text.length ? text : text.subarray(from, to);
  }

  unescaped(text: Uint8Array, from: number, to: number): Uint8Array {
    const slash = text.indexOf(BACKSLASH, from);
    if (slash === -1 || slash >= to) return this.plain(text, from, to);
    this.#begin(to - from);
    this.#from = from;
    this.length = this.#unescape(text, { from, to }, 0);
    return this.bytes.subarray(0, this.length);
  }

  #unescape(text: Uint8Array, { from, to }: Span, before: number): number {
    const into = this.bytes;
    let slash = nextSlash(text, from, to);
    let at = from;
    let out = before;
    while (slash !== -1 && slash < to) {
      // Short distances are copied here: a call of `set` costs more.
      if (slash - at > 64) {
        into.set(text.subarray(at, slash), out);
        out += slash - at;
      } else for (let i = at; i < slash; i++) into[out++] = text[i] as number;
      const code = text[slash + 1] ?? 0;
      const simple = SIMPLE[code] as number;
      if (simple !== 0) {
        into[out++] = simple;
        at = slash + 2;
      } else if (code === 0x75 && slash + 6 <= text.length) {
        out += this.#unicode(text, slash + 2, out);
        at = slash + 6;
      } else {
        into[out++] = BACKSLASH;
        at = slash + 1;
      }
      this.#mark(out, at);
      slash = at < to ? nextSlash(text, at, to) : -1;
    }
    if (at < to) {
      into.set(text.subarray(at, to), out);
      out += to - at;
      at = to;
    }
    this.end = at;
    return out;
  }

  /** Only these pieces of a text, as `how` says, with a line end behind each. In the order of the text, and none on another. */
  pieces(text: Uint8Array, spans: readonly Span[], how: "percent" | "form" | "quoted-printable" | "json"): void {
    this.#begin(text.length + spans.length);
    let out = 0;
    for (const span of spans) {
      this.#mark(out, span.from);
      if (how === "json") out = this.#unescape(text, span, out);
      else if (how === "quoted-printable") out = this.#unquote(text, span, out);
      else out = this.#unpercent(text, span, { out, form: how === "form" });
      if (span.to >= text.length) continue;
      this.#mark(out, span.to);
      this.bytes[out++] = 0x0a;
    }
    this.length = out;
  }

  /** In a form `+` is a blank too, and the signs that part fields and names are made such as no value goes on behind. */
  #unpercent(text: Uint8Array, { from, to }: Span, { out: before, form }: { out: number; form: boolean }): number {
    const into = this.bytes;
    let out = before;
    let named = false;
    let at = from;
    for (; at < to; at++) {
      const byte = text[at] as number;
      if (byte === PERCENT && isHex(text[at + 1]) && isHex(text[at + 2])) {
        into[out++] = (hexValue(text[at + 1] as number) << 4) | hexValue(text[at + 2] as number);
        at += 2;
        this.#mark(out, at + 1);
      } else if (!form) into[out++] = byte;
      else if (byte === AND) {
        into[out++] = 0x0a;
        named = false;
      } else if (byte === EQUALS && !named) {
        into[out++] = 0x3a;
        named = true;
      } else into[out++] = byte === 0x2b ? 0x20 : byte;
    }
    return out;
  }

  /** Escapes, and line ends that are none. */
  #unquote(text: Uint8Array, { from, to }: Span, before: number): number {
    const into = this.bytes;
    let out = before;
    for (let at = from; at < to; at++) {
      const byte = text[at] as number;
      const next = byte === EQUALS ? text[at + 1] : undefined;
      if (next === 0x0a || (next === 0x0d && text[at + 2] === 0x0a)) {
        at += next === 0x0a ? 1 : 2;
        this.#mark(out, at + 1);
      } else if (isHex(next) && isHex(text[at + 2])) {
        into[out++] = (hexValue(next as number) << 4) | hexValue(text[at + 2] as number);
        at += 2;
        this.#mark(out, at + 1);
      } else into[out++] = byte;
    }
    return out;
  }

  /**
   * Only what is written two or four bytes a character, as one byte each, with a line end behind each piece of it.
   * False: nothing is.
   */
  narrowed(text: Uint8Array): boolean {
    const { length } = text;
    this.#begin(length);
    const into = this.bytes;
    let out = 0;
    for (let at = text.indexOf(0); at !== -1; ) {
      const first = at > 0 && isAscii(text[at - 1]) ? at - 1 : at + 1;
      const wide = isAscii(text[first]) ? wideness(text, first) : 0;
      let next = at + 1;
      if (wide > 0) {
        const begun = out;
        let from = first;
        for (; from < length && isAscii(text[from]) && (from === first || isWide(text, from, wide)); from += wide) {
          this.#mark(out, from);
          into[out++] = text[from] as number;
        }
        if (out - begun < MIN_WIDE) {
          this.#used -= 2 * (out - begun);
          out = begun;
        } else {
          this.#mark(out, from);
          into[out++] = 0x0a;
          next = from;
        }
      }
      // Nothing but zeros, as binary files have them.
      while (next < length && text[next] === 0 && text[next + 1] === 0) next++;
      at = text.indexOf(0, next);
    }
    this.length = out;
    return out > 0;
  }

  /** Room for `length` bytes, and for one escape that the end cut. */
  #begin(length: number): void {
    this.#from = 0;
    this.#used = 0;
    if (this.bytes.length < length + 16) this.bytes = new Uint8Array(length + 16);
  }

  #unicode(text: Uint8Array, at: number, out: number): number {
    let code = 0;
    for (let i = 0; i < 4; i++) code = (code << 4) | (hexValue(text[at + i] as number) & 15);
    if (code < 0x80) {
      this.bytes[out] = code;
      return 1;
    }
    // What is no ASCII is in no secret; halves of surrogates need not be joined to see that.
    this.bytes[out] = 0xc0 | ((code >> 6) & 31);
    this.bytes[out + 1] = 0x80 | (code & 63);
    return 2;
  }

  #mark(out: number, at: number): void {
    if (this.#used + 2 > this.#marks.length) {
      const larger = new Int32Array(this.#marks.length * 2);
      larger.set(this.#marks);
      this.#marks = larger;
    }
    this.#marks[this.#used++] = out;
    this.#marks[this.#used++] = at;
  }

  /** Where the byte at `at` of the view stands in the text. */
  place(at: number): number {
    let low = 0;
    let high = this.#used >> 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#marks[2 * middle] as number) <= at) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return this.#from + at;
    return (this.#marks[2 * low - 1] as number) + at - (this.#marks[2 * low - 2] as number);
  }
}

const PERCENT = 0x25;
const AND = 0x26;
const EQUALS = 0x3d;
/** Of what is written in more than one byte a character, so many make a text. */
const MIN_WIDE = 8;

function isHex(byte: number | undefined): boolean {
  return ((KIND[byte ?? 0] as number) & HEX) !== 0;
}

function isAscii(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d));
}

/** How many bytes a character has where one stands at `at`: two, four, or 0 when there is no telling. */
function wideness(text: Uint8Array, at: number): number {
  if (text[at + 1] !== 0) return 0;
  if (isAscii(text[at + 2])) return 2;
  return text[at + 2] === 0 && text[at + 3] === 0 && isAscii(text[at + 4]) ? 4 : 0;
}

/** Between the character at `at` and the one before stand zeros only. */
function isWide(text: Uint8Array, at: number, wide: number): boolean {
  for (let i = at - wide + 1; i < at; i++) if (text[i] !== 0) return false;
  return true;
}

const idle: View[] = [];

/** One for slices of a body; give it back with `releaseView`. */
export function takeView(): View {
  return idle.pop() ?? new View();
}

export function releaseView(view: View): void {
  if (idle.length < 8) idle.push(view);
}

function nextSlash(text: Uint8Array, at: number, to: number): number {
  // Escapes stand close together in code; a native search from each of them is dearer than looking.
  const near = Math.min(to, at + 32);
  for (let i = at; i < near; i++) if (text[i] === BACKSLASH) return i;
  return near === to ? -1 : text.indexOf(BACKSLASH, near);
}
