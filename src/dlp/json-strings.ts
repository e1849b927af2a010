/** The strings of a JSON text, one after the other, by their quotes alone. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Strings and escaped quotes a turn, a fraction of a millisecond of them; a byte of a run of backslashes counts for less. */
const WORK = 2000;
const SLASHES_A_STEP = 32;

/** `FOUND`: `open` and `close` say where. `MORE`: nothing yet; whoever drives it may let others run. `END`: no further string. */
export const FOUND = 0;
export const MORE = 1;
export const END = 2;

/** Bounded work a call, whatever the text is made of: a string may be a megabyte of escaped quotes. */
export class JsonStrings {
  /** Where the quotes of the last string stand; `close` is the text's length when it is not closed. */
  open = -1;
  close = -1;
  readonly #bytes: Uint8Array;
  #at = 0;
  #inside = false;
  /** A quote of which it is not known yet whether it is escaped, and where its backslashes have been counted to. */
  #quote = -1;
  #back = -1;
  #work = WORK;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): typeof FOUND | typeof MORE | typeof END {
    const bytes = this.#bytes;
    for (; this.#work > 0; this.#work--) {
      if (!this.#inside) {
        this.open = bytes.indexOf(QUOTE, this.#at);
        if (this.open === -1) return END;
        this.#at = this.open + 1;
        this.#inside = true;
      }
      if (this.#quote === -1) {
        this.#quote = bytes.indexOf(QUOTE, this.#at);
        if (this.#quote === -1) return this.#closed(bytes.length);
        this.#back = this.#quote - 1;
      }
      const least = Math.max(this.open + 1, this.#back - SLASHES_A_STEP);
      while (this.#back >= least && bytes[this.#back] === BACKSLASH) this.#back--;
      if (this.#back < least && least > this.open + 1) continue;
      const quote = this.#quote;
      this.#quote = -1;
      if ((quote - 1 - this.#back) % 2 === 0) return this.#closed(quote);
      this.#at = quote + 1;
    }
    this.#work = WORK;
    return MORE;
  }

  #closed(at: number): typeof FOUND {
    this.close = at;
    this.#at = at + 1;
    this.#inside = false;
    this.#work--;
    return FOUND;
  }
}

/** More blanks than this in front of a colon nobody writes. */
const MAX_BLANKS = 64 * 1024;

/** True when what is closed at `close` is the name of a member, or cannot be told from one. */
export function isKey(bytes: Uint8Array, close: number): boolean {
  let i = close + 1;
  const most = Math.min(bytes.length, i + MAX_BLANKS);
  while (i < most && (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09)) i++;
  return bytes[i] === 0x3a || i === close + 1 + MAX_BLANKS;
}
