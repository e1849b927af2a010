/** Telling examples from secrets. */
import { Automaton } from "./automaton.ts";
import { ascii, latin1Into } from "./bytes.ts";

/** Letters of either case. */
const WORDS =
  "example xxxx *** ... your placeholder changeme change-me change_me change.me dummy sample redacted insert replace enter some- some_ < ${ {{ $( %( todo foobar deadbeef abcdef123 lorem";
const HERE = 0x68657265;

let words: Automaton | null = null;

/** Makes the table of words, which otherwise the first text does that is judged. */
export function preparePlaceholders(): Automaton {
  words ??= new Automaton(WORDS.split(" ").map(ascii));
  return words;
}

/**
 * True for what stands in a text in place of a secret: words that say so, templates and variables, runs of one character,
 * the alphabet or the digits in order, few different characters. The range is without a vendor's prefix.
 */
export function isPlaceholder(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length <= 0) return true;
  const { next, columns, shift, firstTelling } = words ?? preparePlaceholders();
  let state = 0;
  let different = 0;
  let steps = 0;
  let same = 1;
  let longest = 1;
  let before = -9;
  let last = 0;
  stamp++;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    state = next[(state << shift) | (columns[byte] as number)] as number;
    if (state >= firstTelling) return true;
    const code = byte | 0x20;
    last = (last << 8) | code;
    if (seen[code] !== stamp) {
      seen[code] = stamp;
      different++;
    }
    const step = code - before;
    before = code;
    if (step === 0) {
      if (++same > longest) longest = same;
      continue;
    }
    same = 1;
    if (step === 1 || step === -1) steps++;
  }
  if (longest >= 6 && longest * 4 >= length) return true;
  if (length >= 10 && steps * 2 >= length) return true;
  return different < Math.min(7, Math.ceil(length / 3)) || (length >= 4 && last === HERE);
}

/** Which text a character was last seen in: made once, so that nothing is cleared. */
const seen = new Uint32Array(256);
let stamp = 0;

const MOST = 4096;
/** n × log2(n). */
const weights = new Float64Array(513);
for (let n = 2; n < weights.length; n++) weights[n] = n * Math.log2(n);
const counts = new Uint16Array(256);

/** Bits a character by the range's own frequencies. Of a longer one than 512 bytes the first 512 count. */
export function entropyOf(bytes: Uint8Array, start: number, end: number): number {
  const length = Math.min(end - start, 512);
  if (length <= 0) return 0;
  let sum = 0;
  for (let i = start; i < start + length; i++) {
    const byte = bytes[i] as number;
    const count = counts[byte] as number;
    sum += (weights[count + 1] as number) - (weights[count] as number);
    counts[byte] = count + 1;
  }
  for (let i = start; i < start + length; i++) counts[bytes[i] as number] = 0;
  return Math.log2(length) - sum / length;
}

const scratch = new Uint8Array(MOST);

/** Of a text's characters, as far as they are bytes. */
export function entropy(text: string): number {
  return entropyOf(scratch, 0, latin1Into(text, scratch));
}
