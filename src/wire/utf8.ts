/** From here on four bytes at a time pay for the view of them. */
const LONG = 64;

/** UTF-8 judged as it comes (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF). */
export class Utf8 {
  /** Continuation bytes that are still to come. */
  #need = 0;
  /** What the next of them may be. */
  #low = 0x80;
  #high = 0xbf;

  /** False at the first byte that no valid text can have there; what is said afterwards means nothing before `reset`. */
  push(bytes: Uint8Array): boolean {
    const { length } = bytes;
    let need = this.#need;
    let low = this.#low;
    let high = this.#high;
    const start = -bytes.byteOffset & 3;
    const words = length < LONG ? null : new Int32Array(bytes.buffer, bytes.byteOffset + start, (length - start) >>> 2);
    for (let i = 0; i < length; i++) {
      const byte = bytes[i] as number;
      if (need === 0) {
        if (byte < 0x80) {
          if (words !== null && ((i - start) & 3) === 0 && i >= start)
            i = asciiFrom(words, (i - start) >>> 2, i, start);
          continue;
        }
        if (byte < 0xc2 || byte > 0xf4) return false;
        low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
        high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
        need = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      } else {
        if (byte < low || byte > high) return false;
        low = 0x80;
        high = 0xbf;
        need--;
      }
    }
    this.#need = need;
    this.#low = low;
    this.#high = high;
    return true;
  }

  /** No character is half said. */
  get whole(): boolean {
    return this.#need === 0;
  }

  reset(): void {
    this.#need = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
  }
}

/** Whether this is text and nothing else. */
export function isUtf8(bytes: Uint8Array): boolean {
  const utf8 = new Utf8();
  return utf8.push(bytes) && utf8.whole;
}

/** The last byte before the first word that is not all ASCII, or `last` when the word there is none already. */
function asciiFrom(words: Int32Array, from: number, last: number, start: number): number {
  let word = from;
  while (word < words.length && ((words[word] as number) & 0x80808080) === 0) word++;
  return word === from ? last : start + word * 4 - 1;
}
