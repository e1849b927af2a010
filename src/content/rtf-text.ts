/** What a reader sees of Rich Text Format, in any pieces: control words left out, escapes undone. */
import type { TextFilter } from "./markup-text.ts";

const NEWLINE = 0x0a;
const MAX_WORD = 40;
/** Control words behind which a new line begins. */
const BREAKS: ReadonlySet<string> = new Set(["par", "line", "cell", "row", "page", "sect"]);

const encoder = new TextEncoder();

export class RtfText implements TextFilter {
  #out = new Uint8Array(1024);
  #count = 0;
  /** A control word as far as it is read, or null. */
  #word: string | null = null;
  /** Of `\'hh` the digits. */
  #hex: string | null = null;

  push(bytes: Uint8Array): Uint8Array {
    const room = 2 * bytes.length + 64;
    if (this.#out.length < room) this.#out = new Uint8Array(room);
    this.#count = 0;
    for (let i = 0; i < bytes.length; i++) this.#take(bytes[i] as number);
    return this.#out.subarray(0, this.#count);
  }

  #put(byte: number): void {
    this.#out[this.#count++] = byte;
  }

  #take(byte: number): void {
    if (this.#hex !== null) this.#digit(byte);
    else if (this.#word !== null) this.#inWord(byte, this.#word);
    else if (byte === 0x5c) this.#word = "";
    else if (byte !== 0x7b && byte !== 0x7d && byte !== NEWLINE && byte !== 0x0d) this.#put(byte);
  }

  #digit(byte: number): void {
    this.#hex += String.fromCharCode(byte);
    if (this.#hex?.length !== 2) return;
    const code = Number.parseInt(this.#hex, 16);
    this.#hex = null;
    if (code > 0) this.#character(code);
  }

  #inWord(byte: number, word: string): void {
    const letter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
    if (word === "" && !letter) {
      this.#word = null;
      if (byte === 0x27) this.#hex = "";
      else if (byte === 0x5c || byte === 0x7b || byte === 0x7d) this.#put(byte);
      else if (byte === 0x7e) this.#put(0x20);
      return;
    }
    const digit = (byte >= 0x30 && byte <= 0x39) || byte === 0x2d;
    if ((digit || (letter && !/[0-9-]$/.test(word))) && word.length < MAX_WORD) {
      this.#word = word + String.fromCharCode(byte);
      return;
    }
    this.#word = null;
    const unicode = /^u(-?\d{1,6})$/.exec(word);
    if (unicode !== null) {
      const code = Number(unicode[1]) & 0xffff;
      this.#character(code);
      // What stands for it where Unicode is not known.
      if (byte === 0x3f) return;
    } else if (BREAKS.has(word.replace(/[-\d]+$/, ""))) this.#put(NEWLINE);
    if (byte !== 0x20) this.#take(byte);
  }

  #character(code: number): void {
    if (code >= 0xd800 && code <= 0xdfff) return;
    for (const each of encoder.encode(String.fromCharCode(code))) this.#put(each);
  }
}
