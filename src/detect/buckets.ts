/**
 * How letters become buckets of a table of weights: every run of `SHORT_RUN` letters and every run of `LONG_RUN` letters has
 * one. Whoever makes the weights and whoever reads them must agree, so both take it from here; `test/detect/classifier.test.ts`
 * holds the fast loop of `classifier.ts` to it.
 */

export const BUCKET_BITS = 16;
export const BUCKETS = 1 << BUCKET_BITS;
export const SHORT_RUN = 5;
export const LONG_RUN = 8;
/** The sum is compared with the threshold after so many letters, and at the end. */
export const STRIDE = 4;
/** A shorter stretch is never a match: a few rare words together are no attack. */
export const LEAST_STRETCH = 48;

/** Odd numbers whose products spread the last four letters over the upper bits. */
export const LAST = 0x9e3779b1 | 0;
export const EARLIER = 0x85ebca6b | 0;
export const SHIFT = 32 - BUCKET_BITS;

/** Two buckets a letter, of the runs that end with it; before the start there is nothing, which counts as zeroes. */
export function bucketsOf(letters: Uint8Array, count: number): Uint16Array {
  const buckets = new Uint16Array(2 * count);
  const ends = new Int32Array(LONG_RUN);
  let four = 0;
  for (let i = 0; i < count; i++) {
    four = (four << 8) | (letters[i] as number);
    ends[i % LONG_RUN] = Math.imul(four, EARLIER);
    const last = Math.imul(four, LAST);
    const short = last ^ (i < SHORT_RUN - 4 ? 0 : (ends[(i + LONG_RUN - SHORT_RUN + 4) % LONG_RUN] as number));
    const long = last ^ (i < LONG_RUN - 4 ? 0 : (ends[(i + 4) % LONG_RUN] as number));
    buckets[2 * i] = short >>> SHIFT;
    buckets[2 * i + 1] = long >>> SHIFT;
  }
  return buckets;
}
