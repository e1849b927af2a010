/** Secrets that were cut in pieces and put in neighbouring values of a JSON text. */
import { CAPITAL, DIGIT, JOINER, KIND, TOKEN } from "./bytes.ts";
import { END, isKey, JsonStrings, MORE } from "./json-strings.ts";
import type { Hit } from "./rule.ts";
import type { Scanner } from "./scanner.ts";
import { release, type Sink, takeSink } from "./sink.ts";

const MIN_PIECE = 4;
const MAX_PIECE = 160;
const MAX_PIECES = 5;
const MIN_JOINED = 18;
/** No literal that a key begins with is longer. */
const MAX_ANCHOR = 64;
const VALUES_A_TURN = 200;
const HITS_A_TURN = 200;

export interface Portions {
  /** What was found since it was called last: however many keys are cut in pieces, all of them are told. */
  readonly tell: (hits: readonly Hit[]) => Generator<void, void>;
  /** True when the time is up. */
  readonly over: () => boolean;
}

/**
 * Joins the end of each string value with the beginning of the next ones and scans what would then stand there. What is
 * found is told as one range over all of them. False: the time was up.
 */
export function* portionsOf(bytes: Uint8Array, scanner: Scanner, { tell, over }: Portions): Generator<void, boolean> {
  const sink = takeSink();
  const to: Joining = { scanner, hits: [], sink };
  const chain = new Chained();
  const strings = new JsonStrings(bytes);
  for (let values = 1; ; values++) {
    const state = strings.next();
    if (state === MORE || values % VALUES_A_TURN === 0) {
      yield;
      if (over()) return false;
    }
    if (state === MORE) continue;
    const { open, close } = strings;
    if (state === END || close >= bytes.length) break;
    if (!isKey(bytes, close)) value(bytes, open + 1, close, chain, to);
    if (to.hits.length < HITS_A_TURN) continue;
    yield* tell(to.hits);
    to.hits.length = 0;
  }
  release(sink);
  if (to.hits.length > 0) yield* tell(to.hits);
  return true;
}

interface Joining {
  readonly scanner: Scanner;
  readonly hits: Hit[];
  readonly sink: Sink;
}

/** Pieces that may go on: where they stand in the text, and what they say together. */
class Chained {
  readonly #text = new Uint8Array(MAX_PIECE * MAX_PIECES);
  #length = 0;
  #first = 0;
  #anchors: number[] = [];
  count = 0;

  clear(): void {
    this.count = this.#length = 0;
    if (this.#anchors.length > 0) this.#anchors = [];
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    if (this.count++ === 0) this.#first = start;
    const text = this.#text;
    let to = this.#length;
    for (let i = start; i < end; i++) text[to++] = bytes[i] as number;
    this.#length = to;
  }

  /** One more, and what stands there then. */
  join(bytes: Uint8Array, start: number, end: number, { scanner, hits, sink }: Joining): void {
    const lastStart = this.#length;
    this.add(bytes, start, end);
    if (this.#length < MIN_JOINED) return;
    const text = this.#text.subarray(0, this.#length);
    sink.begin(text);
    // A beginning that was cut may be whole now.
    const unread = this.count === 2 ? 0 : Math.max(0, lastStart - MAX_ANCHOR) & ~1;
    const anchors = this.#anchors;
    while (anchors.length > 0 && (anchors[anchors.length - 1] as number) >= unread - 1) anchors.length -= 2;
    scanner.vendors({ text, lastStart, unread, anchors }, sink);
    for (const hit of sink.hits) {
      // Only what no value holds alone.
      if (hit.end <= lastStart || hit.confidence !== "high") continue;
      hits.push({ ...hit, view: "joined", start: this.#first, end });
    }
  }
}

/** Joins the value with `chain`, if it goes on, and leaves there what may go on behind it. */
function value(bytes: Uint8Array, start: number, end: number, chain: Chained, to: Joining): void {
  let head = start;
  while (head < end && head - start < MAX_PIECE && isToken(bytes[head] as number)) head++;
  const whole = head === end;
  if (chain.count > 0 && head - start >= MIN_PIECE) {
    chain.join(bytes, start, head, to);
    if (whole && chain.count < MAX_PIECES) return;
  }
  chain.clear();
  if (end - start < MIN_PIECE) return;
  let tail = end;
  while (tail > start && end - tail < MAX_PIECE && isToken(bytes[tail - 1] as number)) tail--;
  if (end - tail < MIN_PIECE) return;
  // Words in small letters are not the beginning of a key.
  for (let i = tail; i < end; i++)
    if (((KIND[bytes[i] as number] as number) & (DIGIT | CAPITAL | JOINER)) !== 0) {
      chain.add(bytes, tail, end);
      return;
    }
}

function isToken(byte: number): boolean {
  return ((KIND[byte] as number) & TOKEN) !== 0;
}
