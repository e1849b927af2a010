/** Where runs of one sort of characters end, found once a run: whoever asks for it again, from any place in it, is told at once. */

export interface ByteClass {
  readonly index: number;
  /** Byte → 1 when it is of the class. */
  readonly has: Uint8Array;
  /** How many are. */
  readonly size: number;
}

/** A letter → the characters it stands for. */
const CLASSES = {
  a: "A-Za-z0-9",
  l: "a-z0-9",
  u: "A-Z0-9",
  s: "A-Za-z",
  d: "0-9",
  h: "0-9a-f",
  x: "0-9a-fA-F",
  w: "A-Za-z0-9_-",
  b: "A-Za-z0-9+/",
  B: "A-Za-z0-9+/=",
  g: "A-Za-z0-9_=-",
  t: "A-Za-z0-9_.~-",
  T: "A-Za-z0-9_.=-",
  p: "!-&(-;=?-[]-~",
  r: "A-Z2-7",
  /** Names of settings. */
  N: "A-Za-z0-9_.-",
  /** What tokens are written in. */
  K: "A-Za-z0-9_+/=.~-",
} as const;

const classes = new Map<string, ByteClass>();
for (const [name, ranges] of Object.entries(CLASSES)) {
  const has = new Uint8Array(256);
  for (let i = 0; i < ranges.length; i++) {
    const first = ranges.charCodeAt(i);
    if (ranges[i + 1] === "-" && i + 2 < ranges.length) {
      has.fill(1, first, ranges.charCodeAt(i + 2) + 1);
      i += 2;
    } else has[first] = 1;
  }
  const size = has.reduce((sum, one) => sum + one, 0);
  classes.set(name, { index: classes.size, has, size });
}
const COUNT = classes.size;

/** @throws TypeError when no class is called so. */
export function byteClass(name: string): ByteClass {
  const found = classes.get(name);
  if (found === undefined) throw new TypeError(`no class of characters is called "${name}"`);
  return found;
}

/** Of one text at a time. All questions together cost one pass of the text a class. */
export class Runs {
  #bytes: Uint8Array = new Uint8Array(0);
  readonly #starts = new Int32Array(COUNT);
  readonly #ends = new Int32Array(COUNT);
  /** A rare word → where it stands next. */
  readonly #from: number[] = [];
  readonly #next: number[] = [];

  reset(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#ends.fill(0);
    for (let i = 0; i < this.#from.length; i++) this.#from[i] = -1;
  }

  /** Where the run that goes on at `at` ends; `at` when there is none. */
  end({ index, has }: ByteClass, at: number): number {
    const bytes = this.#bytes;
    const start = this.#starts[index] as number;
    const known = this.#ends[index] as number;
    if (at >= start && at < known) return known;
    const { length } = bytes;
    let end = at;
    while (end < length && has[bytes[end] as number] === 1) {
      end++;
      if (end === start && known > start) {
        end = known;
        break;
      }
    }
    if (end > at) {
      this.#starts[index] = at;
      this.#ends[index] = end;
    }
    return end;
  }

  /** Where `word` stands from `at` on; the text's length when it does not. `index`: the word's own, small. */
  next(index: number, word: Uint8Array, at: number): number {
    const from = this.#from[index] ?? -1;
    const known = this.#next[index] ?? 0;
    if (from !== -1 && at >= from && at <= known) return known;
    const bytes = this.#bytes;
    const first = word[0] as number;
    let found = bytes.indexOf(first, at);
    for (; found !== -1; found = bytes.indexOf(first, found + 1)) {
      let i = 1;
      while (i < word.length && bytes[found + i] === word[i]) i++;
      if (i === word.length) break;
    }
    if (found === -1) found = bytes.length;
    while (this.#from.length <= index) {
      this.#from.push(-1);
      this.#next.push(0);
    }
    this.#from[index] = at;
    this.#next[index] = found;
    return found;
  }
}
