/**
 * Which runs of three characters a text has. Rules with hundreds of needles are told in one pass that a text cannot have
 * most of them.
 */
const SIZE = 1 << 17;
const MASK = SIZE - 1;

/** Made once and used for one text after the other: only the last one made is to be asked. */
const table = new Uint8Array(SIZE);

export class Trigrams {
  constructor(texts: readonly string[]) {
    table.fill(0);
    for (const text of texts) {
      let hash = 0;
      for (let i = 0; i < text.length; i++) {
        hash = next(hash, text.charCodeAt(i));
        if (i >= 2) table[hash] = 1;
      }
    }
  }

  /** False: no text has it. Needles of less than three characters may always be there. */
  mayHave(needle: string): boolean {
    let hash = 0;
    for (let i = 0; i < needle.length; i++) {
      hash = next(hash, needle.charCodeAt(i));
      if (i >= 2 && table[hash] === 0) return false;
    }
    return true;
  }
}

/** Six bits a character, the older ones pushed out at the top. */
function next(hash: number, code: number): number {
  return ((hash << 6) ^ (code * 0x9e5)) & MASK;
}
