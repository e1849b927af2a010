/** Vendors' key formats as specifications that are matched over bytes, without backtracking over more than one length. */
import { ALNUM, ascii, KIND } from "./bytes.ts";
import type { Rule } from "./rule.ts";
import { type ByteClass, byteClass } from "./runs.ts";
import type { Sink } from "./sink.ts";

interface Part {
  /** Exact bytes, or null for a run of a class. */
  readonly literal: Uint8Array | null;
  readonly of: ByteClass | null;
  readonly min: number;
  readonly max: number;
}

/** A word further on in it that little else holds. */
interface Rare {
  readonly index: number;
  readonly literal: Uint8Array;
  readonly least: number;
  readonly most: number;
}

const NOTHING = new Uint8Array(0);
const MIN_RARE = 4;
const rareWords: string[] = [];

/** A match that says less by itself is one that bytes written in base64 come to now and then. */
const MIN_BITS = 32;
/** Of a character of base64. */
const BITS = 6;

/** A compiled specification. */
export class Format {
  readonly rule: Rule;
  readonly #parts: readonly Part[];
  readonly #rare: Rare | null;
  /** The bytes it is found by, and how many stand before them. */
  readonly anchor: Uint8Array;
  readonly lead: number;
  /** How many of `next` have to follow. */
  readonly least: number;
  /** What has to follow the anchor; null when the part behind it may be empty. */
  readonly next: ByteClass | null;
  /** It does not match by chance, in however much base64: five letters that have to stand there, or many that may not. */
  readonly unlikely: boolean;

  /**
   * `spec`: literal characters, and `<class min-max>` as in `ghp_<a36>`, `<w20-60>`. What stands before the first literal
   * of two characters or more has one length.
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
    this.next = behind === undefined || behind.min === 0 ? null : behind.of;
    this.least = behind?.min ?? 0;
    this.unlikely = bitsOf(this.#parts) >= MIN_BITS;
    this.#rare = rareOf(this.#parts, first);
  }

  /** Where a match that starts at `start` ends, or -1. A word has to begin there. `sink` knows the runs of `bytes`. */
  match(bytes: Uint8Array, start: number, sink: Sink): number {
    const { runs } = sink;
    const { length } = bytes;
    let rare = this.#rare;
    let at = start;
    const parts = this.#parts;
    for (let p = 0; p < parts.length; p++) {
      const { literal, of, min, max } = parts[p] as Part;
      if (literal !== null || of === null) {
        if (literal !== null && !standsAt(bytes, at, literal)) {
          if (beginsToStand(bytes, at, literal)) sink.opens(start);
          return -1;
        }
        at += min;
        continue;
      }
      const end = runs.end(of, at);
      const next = parts[p + 1];
      if (end === length && (next !== undefined || end - at <= max)) sink.opens(start);
      if (end - at < min) return -1;
      // Asked when something has stood already: that tells of most that it is nothing.
      if (rare !== null) {
        if (runs.next(rare.index, rare.literal, start + rare.least) > start + rare.most) {
          if (start + rare.most + rare.literal.length > length) sink.opens(start);
          return -1;
        }
        rare = null;
      }
      // One more of its characters: a longer word that only begins alike.
      if (next === undefined) return end - at > max ? -1 : end;
      if (next.literal === null) {
        at += Math.min(end - at, max);
        continue;
      }
      const first = next.literal[0];
      let i = Math.min(end, at + max);
      for (const least = at + min; i >= least; i--) if (bytes[i] === first && standsAt(bytes, i, next.literal)) break;
      if (i < at + min) {
        if (beginsToStand(bytes, end, next.literal)) sink.opens(start);
        return -1;
      }
      at = i;
    }
    if (at === length) sink.opens(start);
    return at < length && ((KIND[bytes[at] as number] as number) & ALNUM) !== 0 ? -1 : at;
  }

  /** Where the match is without its first literal, for judging whether it is an example. */
  payload(start: number): number {
    return this.lead === 0 ? start + this.anchor.length : start;
  }
}

export function standsAt(bytes: Uint8Array, at: number, literal: Uint8Array): boolean {
  if (at + literal.length > bytes.length) return false;
  for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false;
  return true;
}

/** True: the text ends within what would be `literal` at `at`. */
export function beginsToStand(bytes: Uint8Array, at: number, literal: Uint8Array): boolean {
  const { length } = bytes;
  if (at > length || at + literal.length <= length) return false;
  for (let i = at; i < length; i++) if (bytes[i] !== literal[i - at]) return false;
  return true;
}

function bitsOf(parts: readonly Part[]): number {
  let bits = 0;
  for (const { of, min } of parts) bits += min * (of === null ? BITS : Math.max(0, BITS - Math.log2(of.size)));
  return bits;
}

function rareOf(parts: readonly Part[], anchor: number): Rare | null {
  let least = 0;
  let most = 0;
  let rare: Rare | null = null;
  parts.forEach(({ literal, min, max }, p) => {
    if (literal !== null && p > anchor && literal.length >= MIN_RARE && literal.length > (rare?.literal.length ?? 0)) {
      const word = String.fromCharCode(...literal);
      if (!rareWords.includes(word)) rareWords.push(word);
      rare = { index: rareWords.indexOf(word), literal, least, most };
    }
    least += min;
    most += max;
  });
  return rare;
}

/** Read by hand: there are hundreds, and a gateway waits for them. */
function partsOf(spec: string): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < spec.length; ) {
    if (spec.charCodeAt(at) !== 0x3c) {
      let end = spec.indexOf("<", at);
      if (end === -1) end = spec.length;
      parts.push({ literal: ascii(spec.slice(at, end)), of: null, min: end - at, max: end - at });
      at = end;
      continue;
    }
    const close = spec.indexOf(">", at);
    const dash = spec.indexOf("-", at);
    const split = dash !== -1 && dash < close;
    const min = Number(spec.slice(at + 2, split ? dash : close));
    const max = split ? Number(spec.slice(dash + 1, close)) : min;
    parts.push({ literal: null, of: byteClass(spec.charAt(at + 1)), min, max });
    at = close + 1;
  }
  return parts;
}
