/**
 * What stands at given places of a JSON text, as it was written: numbers keep their digits, which a parsed number does
 * not, and a name that stands twice is seen, which a parsed object hides. Strict: what is no JSON, or could be read in two
 * ways at a place that was asked for, is no answer.
 */
import { folded, mayMean, type Wanted, wantedOf } from "./amount-names.ts";
import type { Path } from "./amount-path.ts";

export interface Leaf {
  readonly kind: "number" | "string" | "other";
  /** Of a number its digits, of a string its value, else "". */
  readonly text: string;
}

/** The leaves of each path in the order of the text; null when the text cannot be read in one way. */
export type Places = readonly (readonly Leaf[])[];

const MAX_DEPTH = 128;
/** Leaves kept of one text; more at one place is no payment anybody makes. */
const MAX_LEAVES = 10_000;
const MAX_LEAF = 1024;
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** At most 30 paths. Linear in the text. */
export function jsonPlaces(bytes: Uint8Array, paths: readonly Path[]): Places | null {
  const scan = new Scan(bytes, paths);
  return scan.run() ? scan.found : null;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

class Scan {
  readonly found: Leaf[][];
  readonly #bytes: Uint8Array;
  readonly #paths: readonly Path[];
  /** Of each path, from each of its parts on. */
  readonly #wanted: readonly (readonly Wanted[])[];
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Bytes that are no text are dropped by some readers. */
  readonly #strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #at = 0;
  #leaves = 0;

  constructor(bytes: Uint8Array, paths: readonly Path[]) {
    this.#bytes = bytes;
    this.#paths = paths;
    this.#wanted = paths.map((path) => path.map((_, depth) => wantedOf(path.slice(depth))));
    this.found = paths.map(() => []);
  }

  run(): boolean {
    const all = (1 << this.#paths.length) - 1;
    if (!this.#value(all, 0)) return false;
    this.#space();
    return this.#at === this.#bytes.length;
  }

  #space(): void {
    for (let byte = this.#bytes[this.#at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) {
      byte = this.#bytes[++this.#at];
    }
  }

  /** `mask`: the paths that lead here, whose part at `depth` names a member of this value. */
  #value(mask: number, depth: number): boolean {
    this.#space();
    const byte = this.#bytes[this.#at];
    const done = mask === 0 ? 0 : this.#ending(mask, depth);
    if (byte === 0x7b || byte === 0x5b) {
      if (depth >= MAX_DEPTH || !this.#keep(done, "other", "")) return false;
      this.#at++;
      return byte === 0x7b ? this.#object(mask & ~done, depth) : this.#array(mask & ~done, depth);
    }
    // A text may be JSON again to its reader.
    if ((mask & ~done) !== 0) return false;
    if (byte === QUOTE) {
      const from = this.#at;
      if (!this.#skipString()) return false;
      if (done === 0) return true;
      const text = this.#at - from > MAX_LEAF ? null : this.#text(from);
      return this.#keep(done, text === null ? "other" : "string", text ?? "");
    }
    const from = this.#at;
    while (this.#at < this.#bytes.length && !ends(this.#bytes[this.#at] as number)) this.#at++;
    const length = this.#at - from;
    if (length === 0 || length > MAX_LEAF) return false;
    const token = this.#decoder.decode(this.#bytes.subarray(from, this.#at));
    if (token === "true" || token === "false" || token === "null") return this.#keep(done, "other", "");
    return NUMBER.test(token) && this.#keep(done, "number", token);
  }

  #object(mask: number, depth: number): boolean {
    // Some readers take the members of an object for a list.
    if (this.#lists(mask, depth) !== 0) return false;
    let seen = 0;
    this.#space();
    if (this.#bytes[this.#at] === 0x7d) {
      this.#at++;
      return true;
    }
    for (;;) {
      this.#space();
      const from = this.#at;
      if (this.#bytes[from] !== QUOTE || !this.#skipString()) return false;
      let inner = 0;
      if (mask !== 0) {
        // No name that is asked for is nearly as long, however it is escaped.
        const name = this.#at - from > MAX_LEAF ? null : this.#text(from);
        if (name === null) return false;
        inner = this.#named(mask, depth, folded(name));
        // Which of two members counts, and whether case does, depends on who reads.
        if ((seen & inner) !== 0) return false;
        seen |= inner;
        if (this.#mistakable(mask & ~inner, depth, name)) return false;
      }
      this.#space();
      if (this.#bytes[this.#at++] !== 0x3a || !this.#value(inner, depth + 1)) return false;
      this.#space();
      const next = this.#bytes[this.#at++];
      if (next === 0x7d) return true;
      if (next !== 0x2c) return false;
    }
  }

  #array(mask: number, depth: number): boolean {
    const inner = this.#lists(mask, depth);
    // Some readers look for a name in every element.
    if (inner !== mask) return false;
    this.#space();
    if (this.#bytes[this.#at] === 0x5d) {
      this.#at++;
      return true;
    }
    for (;;) {
      if (!this.#value(inner, depth + 1)) return false;
      this.#space();
      const next = this.#bytes[this.#at++];
      if (next === 0x5d) return true;
      if (next !== 0x2c) return false;
    }
  }

  /** Those of `mask` that end at `depth`. */
  #ending(mask: number, depth: number): number {
    let ending = 0;
    this.#paths.forEach((path, i) => {
      if ((mask & (1 << i)) !== 0 && path.length === depth) ending |= 1 << i;
    });
    return ending;
  }

  /** Those of `mask` that ask for the elements of a list at `depth`. */
  #lists(mask: number, depth: number): number {
    let lists = 0;
    this.#paths.forEach((path, i) => {
      if ((mask & (1 << i)) !== 0 && path[depth] === "*") lists |= 1 << i;
    });
    return lists;
  }

  /** Whether some reader takes this name for that of a place of `mask`, which it is not. */
  #mistakable(mask: number, depth: number, name: string): boolean {
    return this.#wanted.some((wanted, i) => {
      const rest = (mask & (1 << i)) === 0 ? undefined : wanted[depth];
      return rest !== undefined && mayMean(name, rest);
    });
  }

  #named(mask: number, depth: number, name: string): number {
    let named = 0;
    this.#paths.forEach((path, i) => {
      if ((mask & (1 << i)) !== 0 && folded(path[depth] ?? "") === name) named |= 1 << i;
    });
    return named;
  }

  #keep(mask: number, kind: Leaf["kind"], text: string): boolean {
    if (mask === 0) return true;
    if (++this.#leaves > MAX_LEAVES) return false;
    this.found.forEach((leaves, i) => {
      if ((mask & (1 << i)) !== 0) leaves.push({ kind, text });
    });
    return true;
  }

  /** From a quote to behind the next that ends it; false when none does. */
  #skipString(): boolean {
    const bytes = this.#bytes;
    for (let i = this.#at + 1; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) {
        this.#at = i + 1;
        return true;
      } else if (byte < 0x20) return false;
    }
    return false;
  }

  /** The value of the string from `from` to here. */
  #text(from: number): string | null {
    try {
      return JSON.parse(this.#strict.decode(this.#bytes.subarray(from, this.#at))) as string;
    } catch {
      return null;
    }
  }
}

function ends(byte: number): boolean {
  return byte === 0x2c || byte === 0x7d || byte === 0x5d || byte <= 0x20;
}
