/** Beginnings of what detectors are found by, at the end of a text: the rest of them may be what comes next. */
import { ALNUM, beginsAt, CAPITAL, DIGIT, KIND, lowered, SMALL, TOKEN, WORD } from "./bytes.ts";
import { beginsToStand } from "./format.ts";
import { byteClass } from "./runs.ts";
import type { Sink } from "./sink.ts";
import type { Detector } from "./vendor-keys.ts";

const HEX = byteClass("h");

/** What stands before the first literal of a key says nothing while it is shorter, nor does an encoded one. */
const MIN_TELLING = 16;

/** A tree of bytes: an object a byte, for a few hundred literals. */
interface Node {
  readonly next: Map<number, Node>;
}

export class Beginnings {
  readonly #words: Node = { next: new Map() };
  readonly #anywhere: Node = { next: new Map() };
  /** Literals within keys, and how much of the key stands before them. */
  readonly #within: { readonly literal: Uint8Array; readonly lead: number }[] = [];
  #longest = 0;

  constructor(detectors: readonly Detector[]) {
    for (const { literal, word, inside, held, lead = 0 } of detectors) {
      if (lead > 0) this.#within.push({ literal, lead });
      if (inside === true || (word !== true && held !== true)) continue;
      this.#longest = Math.max(this.#longest, literal.length);
      let at = word === true ? this.#words : this.#anywhere;
      for (let i = 0; i < literal.length; i++) {
        const byte = literal[i] as number;
        let next = at.next.get(byte);
        if (next === undefined) {
          next = { next: new Map() };
          at.next.set(byte, next);
        }
        at = next;
      }
    }
  }

  /** Tells `sink` the first place from which the text's end begins an anchor, or a run that may be encoded. */
  look(bytes: Uint8Array, sink: Sink): void {
    const { length } = bytes;
    let start = length;
    while (start > 0 && ((KIND[bytes[start - 1] as number] as number) & TOKEN) !== 0) start--;
    // What is decoded is told as all of its run; of a longer one only the end can still be part of something.
    if (length - start >= MIN_TELLING && mayBeEncoded(bytes, start)) sink.opens(Math.max(start, length - MAX_ENCODED));
    for (const { literal, lead } of this.#within) {
      for (let k = 1; k < literal.length && length - k - lead >= 0; k++) {
        if (bytes[length - 1] !== literal[k - 1] || !beginsToStand(bytes, length - k, literal)) continue;
        if (isLead(bytes, length - k - lead, length - k)) sink.opens(length - k - lead);
      }
    }
    for (let at = Math.max(0, length - this.#longest + 1); at < length; at++) {
      if (stands(this.#anywhere, bytes, at) || (beginsAt(bytes, at) && stands(this.#words, bytes, at))) {
        sink.opens(at);
        return;
      }
    }
  }
}

const MAX_ENCODED = 2048;

function stands(tree: Node, bytes: Uint8Array, from: number): boolean {
  let at: Node | undefined = tree;
  for (let i = from; i < bytes.length && at !== undefined; i++) at = at.next.get(bytes[i] as number);
  return at !== undefined;
}

/** Hex, or letters of both cases or digits among each other: a name of small letters, with dashes or not, is neither. */
function mayBeEncoded(bytes: Uint8Array, start: number): boolean {
  let hex = true;
  let kinds = 0;
  let run = 0;
  let longest = 0;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (HEX.has[lowered(byte)] === 0) hex = false;
    const kind = (KIND[byte] as number) & ALNUM;
    kinds |= kind;
    run = kind === 0 && byte !== 0x2d && byte !== 0x5f && byte !== 0x2b ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  const mixed = kinds !== DIGIT && kinds !== SMALL && kinds !== CAPITAL;
  return hex || (mixed && longest >= MIN_TELLING);
}

/** So many letters, digits and signs between them stand before `at`, and nothing that would make them more. */
function isLead(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (((KIND[bytes[i] as number] as number) & WORD) === 0) return false;
  return beginsAt(bytes, start);
}
