/**
 * Runs of letters as numbers of 32 bits: for every letter the run of `RUN` letters that ends with it. The learned judge keeps
 * the whole number of every run it knows, so a run it never met is none of them but by a chance of one in a hundred thousand.
 * Whoever makes the table and whoever reads it must agree, so both take the numbers from here; `test/detect/classifier.test.ts`
 * holds the fast loop of `classifier.ts` to it.
 */

/**
 * Longer runs tell an attack from what is innocent better, shorter ones find it in words that were not met. One length that
 * lies between finds as much as a shorter and a longer one together, at half the cost.
 */
export const RUN = 7;

/** Odd numbers whose products spread four letters over the upper bits. */
export const LAST = 0x9e3779b1 | 0;
export const EARLIER = 0x85ebca6b | 0;

/** A number a letter, of the run that ends with it; before the start there are zeroes. */
export function gramsOf(letters: Uint8Array, count: number): Int32Array {
  const grams = new Int32Array(count);
  let last = 0;
  let earlier = 0;
  for (let i = 0; i < count; i++) {
    earlier = (earlier << 8) | (last >>> 24);
    last = (last << 8) | (letters[i] as number);
    grams[i] = Math.imul(last, LAST) ^ Math.imul(earlier << 8, EARLIER);
  }
  return grams;
}
