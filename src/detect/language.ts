/** How much like English letters are: told by which letters follow each other. */
import { BIGRAMS } from "./_bigrams.ts";

/** Index of what is no Latin letter. */
const NONE = 26;
const ROW = 32;

/** Byte → 0 to 25, or `NONE`. */
export const LETTER_INDEX = new Uint8Array(256).fill(NONE);
for (let i = 0; i < 26; i++) {
  LETTER_INDEX[0x61 + i] = i;
  LETTER_INDEX[0x41 + i] = i;
}

/** `a * 32 + b` → quarters of a bit by which b follows a more often than by chance; with 26 for a word's edge. */
export const FOLLOWS = new Int8Array(ROW * ROW);
for (let a = 0; a < 27; a++) {
  for (let b = 0; b < 27; b++) FOLLOWS[a * ROW + b] = (BIGRAMS[a] ?? "").charCodeAt(b) - "U".charCodeAt(0) + gap(a, b);
}

/** The rows are written in A–Z and a–z, between which the code points have a gap of six. */
function gap(a: number, b: number): number {
  return (BIGRAMS[a] ?? "").charCodeAt(b) >= 0x61 ? -6 : 0;
}

/** The same for letters as `readLetters` gives them, indexed by the low five bits of both; 0 beside another script's. */
const PAIR = new Int8Array(ROW * ROW);
/** How much more like language the pair is than the same pair turned round. */
const FORWARD = new Int8Array(ROW * ROW);
/** Both in one number, so that both are summed up at once: `FORWARD` times 65,536, and `PAIR`. */
const BOTH = new Int32Array(ROW * ROW);
for (let a = 1; a <= 26; a++) {
  for (let b = 1; b <= 26; b++) {
    PAIR[a * ROW + b] = FOLLOWS[(a - 1) * ROW + b - 1] as number;
    FORWARD[a * ROW + b] = (FOLLOWS[(a - 1) * ROW + b - 1] as number) - (FOLLOWS[(b - 1) * ROW + a - 1] as number);
    BOTH[a * ROW + b] = (FORWARD[a * ROW + b] as number) * 0x10000 + (PAIR[a * ROW + b] as number);
  }
}

/** Letters summed up together; two such blocks are judged at once. */
export const BLOCK = 16;
/** Quarters of a bit, of two blocks: English has about 210, its rotations and keys of noise are far below 0. */
const UNLIKE = 50;
const BACKWARD = -12;
/** One block alone. */
const QUITE_UNLIKE = 0;
const QUITE_BACKWARD = -36;

/**
 * Marks in `odd` the blocks of letters that are, two by two, unlike language, or like language turned round; returns how
 * many there are. `odd` has room for a number for every block.
 */
export function oddBlocks(letters: Uint8Array, count: number, odd: Uint8Array): number {
  let found = 0;
  let likeBefore = 1000;
  let forwardBefore = 1000;
  const blocks = Math.floor((count - 1) / BLOCK);
  for (let block = 0; block < blocks; block++) {
    let sum = 0;
    let before = (letters[block * BLOCK] as number) & 31;
    for (let i = block * BLOCK + 1, end = i + BLOCK; i < end; i += 4) {
      const a = (letters[i] as number) & 31;
      const b = (letters[i + 1] as number) & 31;
      const c = (letters[i + 2] as number) & 31;
      const d = (letters[i + 3] as number) & 31;
      sum =
        (sum +
          (BOTH[before * ROW + a] as number) +
          (BOTH[a * ROW + b] as number) +
          (BOTH[b * ROW + c] as number) +
          (BOTH[c * ROW + d] as number)) |
        0;
      before = d;
    }
    const like = (sum << 16) >> 16;
    const forward = (sum - like) >> 16;
    odd[block] = 0;
    if (like + likeBefore < UNLIKE || forward + forwardBefore < BACKWARD) {
      found += 2 - (odd[block - 1] as number);
      odd[block - 1] = 1;
      odd[block] = 1;
    }
    if (odd[block] === 0 && (like < QUITE_UNLIKE || forward < QUITE_BACKWARD)) {
      odd[block] = 1;
      found += 1;
    }
    likeBefore = like;
    forwardBefore = forward;
  }
  return found;
}

/** Quarters of a bit of a block of which no part is written forward. English turned round is far below, English far above. */
const TURNED = -10;

/** Whether some letters are like language turned round. Blocks overlap by half, so that a short phrase fills one. */
export function isBackward(letters: Uint8Array, count: number): boolean {
  let forward = 0;
  let half = 1000;
  for (let i = 1; i < count; i++) {
    forward += FORWARD[((letters[i - 1] as number) & 31) * ROW + ((letters[i] as number) & 31)] as number;
    if (i % (BLOCK / 2) !== 0) continue;
    if (half + forward < TURNED) return true;
    half = forward;
    forward = 0;
  }
  return half + forward < TURNED;
}

/** Quarters of a bit a pair, of letters as `readLetters` gives them: English has about 7, noise below 0. */
export function likeness(letters: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from + 1; i < to; i++) {
    sum += PAIR[((letters[i - 1] as number) & 31) * ROW + ((letters[i] as number) & 31)] as number;
  }
  return sum / Math.max(1, to - from - 1);
}

/** The same of every piece of so many of the first `count` letters, and of the piece from its last letter to its first. */
export function likenessOfPieces(
  letters: Uint8Array,
  count: number,
  piece: number,
  { forward, back }: { readonly forward: Float64Array; readonly back: Float64Array },
): void {
  for (let from = 0, n = 0; from < count; from += piece, n++) {
    const to = Math.min(count, from + piece);
    let sum = 0;
    let turned = 0;
    let before = (letters[from] as number) & 31;
    for (let i = from + 1; i < to; i++) {
      const letter = (letters[i] as number) & 31;
      sum += PAIR[before * ROW + letter] as number;
      turned += PAIR[letter * ROW + before] as number;
      before = letter;
    }
    const pairs = Math.max(1, to - from - 1);
    forward[n] = sum / pairs;
    back[n] = turned / pairs;
  }
}
