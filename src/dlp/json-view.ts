/** A JSON text with the escapes of its strings undone, and where each byte of it stands in the text. */
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
    let slash = text.indexOf(BACKSLASH, from);
    if (slash === -1 || slash >= to) return this.plain(text, from, to);
    this.#from = from;
    this.#used = 0;
    // Room for one escape that the end cut.
    const size = to - from + 16;
    if (this.bytes.length < size) this.bytes = new Uint8Array(size);
    const into = this.bytes;
    let at = from;
    let out = 0;
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
    this.length = out;
    return into.subarray(0, out);
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
