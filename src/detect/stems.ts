/**
 * Finds where one of many patterns may begin, in one pass: every pattern says with which bytes it begins, its stems. Four
 * bytes, looked up in a table, find the places where a stem may end; a sticky pattern judges each of them. As long as every
 * part of the patterns is of bounded length the whole is linear in the text, whatever the text.
 */
import { LAST } from "./grams.ts";
import type { AttackVector } from "./vectors.ts";

export interface StemRule {
  readonly vector: AttackVector;
  /** At least five bytes each; the pattern is tried where one of them stands. */
  readonly stems: readonly Uint8Array[];
  /** Sticky; it may look back. Read over bytes as characters, one for one. */
  readonly pattern: RegExp;
  /** Sticky; must hold where the pattern has matched. */
  readonly guard?: RegExp;
}

export interface StemMatch {
  readonly vector: AttackVector;
  /** Positions in the bytes, end exclusive. */
  readonly start: number;
  readonly end: number;
}

interface Stem {
  readonly bytes: Uint8Array;
  /** Bytes of the stem behind the four that are looked up. */
  readonly behind: number;
  /** The byte before the four: most that have the four lack it. -1: the stem begins with the four. */
  readonly before: number;
  readonly rule: StemRule;
}

const SHORTEST_STEM = 5;
/**
 * A word of bits for every hash of a four, in which the bit of the low five bits of the byte before it is set; of a stem that
 * begins with the four all of them are. Small enough to stay beside the processor. Fours that end in a letter of another
 * script have a half of it for themselves: there are many of them.
 */
const WORDS = 1 << 13;
function wordOf(four: number): number {
  return (Math.imul(four, LAST) >>> 20) | ((four & 0x80) << 5);
}

const latin1 = new TextDecoder("latin1");

/** Bytes as the patterns read them, one character each. */
export function asCharacters(bytes: Uint8Array): string {
  return latin1.decode(bytes);
}

export class StemIndex {
  /** Of every two neighbouring places one is looked at, so of the last two fours of a stem one is met. */
  readonly #endings = new Int32Array(WORDS);
  readonly #stems = new Map<number, Stem[]>();
  readonly #fold: number;
  /** What is being searched, as characters; made when a pattern is tried first. */
  #text: string | null = null;

  /** `fold`: bits that are set in every byte before stems are compared; 0x20 makes capitals and small letters one. */
  constructor(fold: number) {
    this.#fold = fold;
  }

  add(rule: StemRule): void {
    for (const stem of rule.stems)
      this.#add(
        rule,
        stem.map((byte) => byte | this.#fold),
      );
  }

  #add(rule: StemRule, bytes: Uint8Array): void {
    if (bytes.length < SHORTEST_STEM) throw new RangeError(`a stem of vector ${rule.vector} is too short`);
    for (const behind of [0, 1]) {
      const at = bytes.length - 1 - behind;
      const four = bytes.subarray(at - 3, at + 1).reduce((code, byte) => (code << 8) | byte, 0);
      const before = bytes[at - 4] ?? -1;
      const word = wordOf(four);
      this.#endings[word] = (this.#endings[word] as number) | (before === -1 ? -1 : 1 << (before & 31));
      const stem = { bytes, behind, before, rule };
      const stems = this.#stems.get(four);
      if (stems === undefined) this.#stems.set(four, [stem]);
      else stems.push(stem);
    }
  }

  /** The first match in [from, to), or null. */
  find(bytes: Uint8Array, from: number, to: number): StemMatch | null {
    this.#text = null;
    for (let at = from + 1; ; at += 2) {
      at = nextEnding(this.#endings, bytes, at, to, this.#fold);
      if (at === -1) return null;
      const match = this.#matchAt(bytes, from, to, at);
      if (match !== null) return match;
    }
  }

  #matchAt(bytes: Uint8Array, from: number, to: number, at: number): StemMatch | null {
    const stems = this.#stems.get(fourUpTo(bytes, at, this.#fold));
    if (stems === undefined) return null;
    const before = at > 3 ? (bytes[at - 4] as number) | this.#fold : 0;
    for (let n = 0; n < stems.length; n++) {
      const stem = stems[n] as Stem;
      if (stem.before !== before && stem.before !== -1) continue;
      if (only !== null && !only.has(stem.rule.vector)) continue;
      const start = this.#startOf(stem, bytes, at);
      if (start < from || start + stem.bytes.length > to) continue;
      this.#text ??= asCharacters(bytes.subarray(from, to));
      const { pattern, guard, vector } = stem.rule;
      pattern.lastIndex = start - from;
      const match = pattern.exec(this.#text);
      if (match === null) continue;
      if (guard !== undefined) {
        guard.lastIndex = match.index;
        if (!guard.test(this.#text)) continue;
      }
      return { vector, start: from + match.index, end: from + match.index + match[0].length };
    }
    return null;
  }

  /** Where the stem that has its four bytes at `at` begins, or -1. */
  #startOf({ bytes: stem, behind }: Stem, bytes: Uint8Array, at: number): number {
    const start = at + 1 + behind - stem.length;
    if (start < 0) return -1;
    for (let i = 0; i < stem.length; i++) if (((bytes[start + i] ?? 0) | this.#fold) !== stem[i]) return -1;
    return start;
  }
}

let only: ReadonlySet<string> | null = null;

/** Runs something that looks for nothing but these vectors, however deep it does so; what only resembles attacks is none of them. */
export function lookingOnlyFor<T>(vectors: ReadonlySet<string>, run: () => T): T {
  only = vectors;
  try {
    return run();
  } finally {
    only = null;
  }
}

export function looksForAll(): boolean {
  return only === null;
}

/** Four bytes up to `at`; what is before the first is nothing. */
function fourUpTo(bytes: Uint8Array, at: number, fold: number): number {
  let four = 0;
  for (let i = Math.max(0, at - 3); i <= at; i++) four = (four << 8) | (bytes[i] as number);
  return four | (fold << 24) | (fold << 16) | (fold << 8) | fold;
}

/**
 * The next of every second place from `at` on where a stem may end, or -1. Alone, so that it is compiled as the loop it is;
 * four places a turn, or the turns would cost as much as what they do.
 */
function nextEnding(endings: Int32Array, bytes: Uint8Array, at: number, to: number, fold: number): number {
  const both = (fold << 8) | fold;
  let four = at < 3 ? 0 : ((bytes[at - 3] as number) << 8) | (bytes[at - 2] as number) | both;
  if (at > 3) four |= ((bytes[at - 4] as number) | fold) << 16;
  let i = at;
  for (const last = to - 6; i < last; i += 8) {
    const a = (four << 16) | ((bytes[i - 1] as number) << 8) | (bytes[i] as number) | both;
    const b = (a << 16) | ((bytes[i + 1] as number) << 8) | (bytes[i + 2] as number) | both;
    const c = (b << 16) | ((bytes[i + 3] as number) << 8) | (bytes[i + 4] as number) | both;
    const d = (c << 16) | ((bytes[i + 5] as number) << 8) | (bytes[i + 6] as number) | both;
    const ends =
      ((endings[wordOf(a)] as number) >>> (four >>> 16)) |
      ((endings[wordOf(b)] as number) >>> (a >>> 16)) |
      ((endings[wordOf(c)] as number) >>> (b >>> 16)) |
      ((endings[wordOf(d)] as number) >>> (c >>> 16));
    if ((ends & 1) !== 0) break;
    four = d;
  }
  for (; i < to; i += 2) {
    const before = four >>> 16;
    four = (four << 16) | ((bytes[i - 1] as number) << 8) | (bytes[i] as number) | both;
    if ((((endings[wordOf(four)] as number) >>> before) & 1) !== 0) return i;
  }
  return -1;
}
