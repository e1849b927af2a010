/** Vendors' key formats as specifications that are matched over bytes, without backtracking over more than one length. */
import { ALNUM, beginsAt, KIND, latin1 } from "./bytes.ts";
import type { Rule } from "./rule.ts";

/** A name in a specification → the characters it stands for. */
const CLASSES: Readonly<Record<string, string>> = {
  a: "A-Za-z0-9",
  l: "a-z0-9",
  u: "A-Z0-9",
  c: "A-Z",
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
};

interface Part {
  /** Exact bytes, or null for a run of a class. */
  readonly literal: Uint8Array | null;
  readonly allowed: Uint8Array;
  readonly min: number;
  readonly max: number;
}

const NOTHING = new Uint8Array(0);
const MAX_RUN = 4096;

/** A compiled specification. */
export class Format {
  readonly rule: Rule;
  readonly #parts: readonly Part[];
  /** The bytes it is found by, and how many stand before them. */
  readonly anchor: Uint8Array;
  readonly lead: number;
  /** Which bytes may follow the anchor; null when the part behind it may be empty. */
  readonly next: Uint8Array | null;

  /**
   * `spec`: literal characters, and `<class min-max>` as in `ghp_<a36>`, `<w20-60>`, `<w20+>`. What stands before the
   * first literal has one length.
   */
  constructor(rule: Rule, spec: string) {
    this.rule = rule;
    this.#parts = partsOf(spec);
    let lead = 0;
    let first = 0;
    for (; first < this.#parts.length; first++) {
      const part = this.#parts[first] as Part;
      if (part.literal !== null && part.literal.length > 1) break;
      if (part.min !== part.max) throw new TypeError(`${rule.name}: nothing is at a known place in it`);
      lead += part.literal?.length ?? part.min;
    }
    this.anchor = this.#parts[first]?.literal ?? NOTHING;
    if (this.anchor.length < 2) throw new TypeError(`${rule.name} has nothing to be found by`);
    this.lead = lead;
    const behind = this.#parts[first + 1];
    this.next = behind === undefined || behind.min === 0 ? null : behind.allowed;
  }

  /** Where a match that starts at `start` ends, or -1. */
  match(bytes: Uint8Array, start: number): number {
    if (start < 0 || !beginsAt(bytes, start)) return -1;
    let at = start;
    const parts = this.#parts;
    for (let p = 0; p < parts.length; p++) {
      const part = parts[p] as Part;
      if (part.literal !== null) {
        if (!standsAt(bytes, at, part.literal)) return -1;
        at += part.literal.length;
        continue;
      }
      let end = at;
      const limit = Math.min(bytes.length, at + part.max + 1);
      while (end < limit && part.allowed[bytes[end] as number] === 1) end++;
      if (end - at < part.min) return -1;
      const next = parts[p + 1];
      if (next === undefined) {
        // One more of its characters: a longer word that only begins alike.
        if (end - at > part.max) return -1;
        return end;
      }
      if (next.literal === null) {
        at += Math.min(end - at, part.max);
        continue;
      }
      let found = -1;
      for (let i = Math.min(end, at + part.max); i >= at + part.min; i--) {
        if (standsAt(bytes, i, next.literal)) {
          found = i;
          break;
        }
      }
      if (found === -1) return -1;
      at = found;
    }
    return at < bytes.length && ((KIND[bytes[at] as number] as number) & ALNUM) !== 0 ? -1 : at;
  }

  /** The match without its first literal, for judging whether it is an example. */
  payload(bytes: Uint8Array, start: number, end: number): string {
    const from = this.lead === 0 ? start + this.anchor.length : start;
    return latin1(bytes, from, Math.min(end, from + 512));
  }
}

export function standsAt(bytes: Uint8Array, at: number, literal: Uint8Array): boolean {
  if (at + literal.length > bytes.length) return false;
  for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false;
  return true;
}

function partsOf(spec: string): Part[] {
  const parts: Part[] = [];
  for (const [, literal, name, min, plus, max] of spec.matchAll(/([^<>]+)|<(\w)(\d+)(\+?)(?:-(\d+))?>/g)) {
    if (literal !== undefined) {
      parts.push({ literal: new TextEncoder().encode(literal), allowed: NOTHING, min: 0, max: 0 });
      continue;
    }
    const low = Number(min);
    const high = plus === "+" ? MAX_RUN : max === undefined ? low : Number(max);
    parts.push({ literal: null, allowed: allowedOf(name ?? ""), min: low, max: high });
  }
  return parts;
}

const tables = new Map<string, Uint8Array>();

function allowedOf(name: string): Uint8Array {
  const known = tables.get(name);
  if (known !== undefined) return known;
  const ranges = CLASSES[name];
  if (ranges === undefined) throw new TypeError(`no class of characters is called "${name}"`);
  const table = new Uint8Array(256);
  const pattern = new RegExp(`[${ranges.replace("[]", "[\\]")}]`);
  for (let code = 0; code < 128; code++) if (pattern.test(String.fromCharCode(code))) table[code] = 1;
  tables.set(name, table);
  return table;
}
