/**
 * Long runs of base64 that say no text, as of a picture: `/` and `+` are no edges of words in them, and what looks like a
 * short key there was written by chance.
 */
import { CAPITAL, DIGIT, KIND, SMALL } from "./bytes.ts";
import { base64Into, looksLikeText } from "./decodings.ts";
import { type ByteClass, byteClass } from "./runs.ts";

/** Of a run so much is looked at to either side: less than what slices repeat. */
const SIDE = 1024;
/** Nothing shorter is a picture. More than values that are joined have together: those are never taken for one. */
const MIN_LENGTH = 1024;
const MAX_LOOKED = 1024;
/** Of which none may say text, in no grouping. */
const PIECE = 512;

const scratch = new Uint8Array(PIECE);
const ALPHABETS: readonly ByteClass[] = [byteClass("b"), byteClass("w")];

/** What was found out last of a run of one alphabet. */
interface Known {
  readonly of: ByteClass;
  from: number;
  to: number;
  binary: boolean;
}

/** Of one text at a time. What lies close to what was asked for before is told without looking again. */
export class BinaryRuns {
  #bytes: Uint8Array = new Uint8Array(0);
  readonly #known: readonly Known[] = ALPHABETS.map((of) => ({ of, from: 0, to: 0, binary: false }));

  reset(bytes: Uint8Array): void {
    this.#bytes = bytes;
    for (const known of this.#known) known.from = known.to = 0;
  }

  /**
   * True when such a run goes on at both sides of what stands from `start` to before `end`. A quote, a blank, a line's end
   * or a sign of equality at either side is an edge: somebody put it there.
   */
  hold(start: number, end: number): boolean {
    const bytes = this.#bytes;
    if (start === 0 || end >= bytes.length || end - start > MAX_LOOKED) return false;
    for (const known of this.#known) {
      const { has } = known.of;
      if (has[bytes[start - 1] as number] === 0 || has[bytes[end] as number] === 0) continue;
      if (start <= known.from || end >= known.to) {
        if (!allOf(has, bytes, start, end)) continue;
        this.#look(known, start, end);
      }
      if (known.binary) return true;
    }
    return false;
  }

  #look(known: Known, start: number, end: number): void {
    const bytes = this.#bytes;
    const { has } = known.of;
    let from = start;
    while (from > 0 && start - from < SIDE && has[bytes[from - 1] as number] === 1) from--;
    let to = end;
    while (to < bytes.length && to - end < SIDE && has[bytes[to] as number] === 1) to++;
    known.from = from;
    known.to = to;
    known.binary = to - from >= MIN_LENGTH && isMixed(bytes, from, to) && !saysText(bytes, from, to);
  }
}

function allOf(has: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (has[bytes[i] as number] === 0) return false;
  return true;
}

/** As base64 of any bytes is: words, names of constants and hex that are joined by its signs are not. */
function isMixed(bytes: Uint8Array, from: number, to: number): boolean {
  let small = 0;
  let capital = 0;
  let digit = 0;
  for (let i = from; i < to; i++) {
    const kind = KIND[bytes[i] as number] as number;
    if ((kind & SMALL) !== 0) small++;
    else if ((kind & CAPITAL) !== 0) capital++;
    else if ((kind & DIGIT) !== 0) digit++;
  }
  const length = to - from;
  return small * 16 >= length && capital * 16 >= length && digit * 64 >= length && small * 4 <= length * 3;
}

function saysText(bytes: Uint8Array, from: number, to: number): boolean {
  // The last piece is as long as the others, and so looked at again in part.
  for (let at = from; ; at = Math.min(at + PIECE, to - PIECE)) {
    for (let shift = 0; shift < 4; shift++)
      if (looksLikeText(scratch, base64Into(bytes, at + shift, at + PIECE, scratch))) return true;
    if (at + PIECE >= to) return false;
  }
}
