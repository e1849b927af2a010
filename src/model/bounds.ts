/** Bounds that more than one room must keep alike. */

/**
 * Bytes that slices of a long text share, so that what begins in one is whole in the next: no detector, of attacks or of
 * data, may need more of a text at once.
 */
export const OVERLAP = 8 * 1024;

/** What may come out of any body, in bytes, however it is packed. */
export const MAX_UNFOLDED = 64 * 1024 * 1024;

const FREE_UNFOLDED = 1024 * 1024;
const MAX_RATIO = 100;

/** How many bytes may come out of so many: more is a bomb. */
export function mostUnfolded(bytes: number): number {
  return Math.max(FREE_UNFOLDED, MAX_RATIO * bytes);
}
