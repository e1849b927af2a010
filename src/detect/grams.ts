/**
 * Runs of letters as numbers of 32 bits: for every letter the run of `SHORT_RUN` letters and the run of `LONG_RUN` letters
 * that end with it. The learned judge keeps the whole number of every run it knows, so a run it never met is none of them but
 * by a chance of one in a hundred thousand. Whoever makes the table and whoever reads it must agree, so both take the numbers
 * from here; `test/detect/classifier.test.ts` holds the fast loop of `classifier.ts` to it.
 */

export const SHORT_RUN = 6;
export const LONG_RUN = 10;

/** Odd numbers whose products spread four letters over the upper bits. */
export const LAST = 0x9e3779b1 | 0;
export const EARLIER = 0x85ebca6b | 0;
export const MIDDLE = 0xc2b2ae35 | 0;
export const FIRST = 0x27d4eb2f | 0;

/** Two numbers a letter, of the short and of the long run that end with it; before the start there are zeroes. */
export function gramsOf(letters: Uint8Array, count: number): Int32Array {
  const grams = new Int32Array(2 * count);
  let last = 0;
  let earlier = 0;
  let first = 0;
  for (let i = 0; i < count; i++) {
    first = (first << 8) | (earlier >>> 24);
    earlier = (earlier << 8) | (last >>> 24);
    last = (last << 8) | (letters[i] as number);
    const tail = Math.imul(last, LAST);
    grams[2 * i] = tail ^ Math.imul((last >>> 16) | (earlier << 16), EARLIER);
    grams[2 * i + 1] = tail ^ Math.imul(earlier, MIDDLE) ^ Math.imul((earlier >>> 16) | (first << 16), FIRST);
  }
  return grams;
}
