/** Where in a JSON text a range stands: in a string, a number, a key. One pass, made only when something was found. */
import { END, FOUND, isKey, JsonStrings, MORE } from "./json-strings.ts";

export type Place = "string" | "key" | "scalar" | "structure";

export interface Placed {
  readonly place: Place;
  /** The range within its string, or the whole scalar. */
  readonly start: number;
  readonly end: number;
  /** Of a string, where its text begins; -1 otherwise. */
  readonly text: number;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

const RANGES_A_TURN = 1000;
/** What goes on for longer, to either side, is no number. */
const MAX_SCALAR = 64 * 1024;

/** `ranges` in the order of their starts. Texts that are no JSON are read as far as strings can be told. */
export function* jsonPlaces(bytes: Uint8Array, ranges: readonly Range[]): Generator<void, Placed[]> {
  const placed: Placed[] = [];
  if (ranges.length === 0) return placed;
  const strings = new JsonStrings(bytes);
  const scalars = new Scalars(bytes);
  for (let next = 0; next < ranges.length; ) {
    const state = strings.next();
    if (state === MORE) {
      yield;
      continue;
    }
    const quote = state === END ? -1 : strings.open;
    const outside = quote === -1 ? bytes.length : quote;
    for (; next < ranges.length; next++) {
      const range = ranges[next];
      if (range === undefined || range.start > outside) break;
      placed.push(range.start === quote ? structure(range) : scalars.at(range));
      if (placed.length % RANGES_A_TURN === 0) yield;
    }
    if (state !== FOUND) break;
    const { close } = strings;
    if ((ranges[next]?.start ?? Number.POSITIVE_INFINITY) > close) continue;
    const place = isKey(bytes, close) ? "key" : "string";
    for (; next < ranges.length; next++) {
      const range = ranges[next];
      if (range === undefined || range.start > close) break;
      const { start, end } = range;
      placed.push(end > close ? structure(range) : { place, start, end, text: quote + 1 });
      if (placed.length % RANGES_A_TURN === 0) yield;
    }
  }
  for (let next = placed.length; next < ranges.length; next++) {
    placed.push(structure(ranges[next] as Range));
    if (placed.length % RANGES_A_TURN === 0) yield;
  }
  return placed;
}

function structure({ start, end }: Range): Placed {
  return { place: "structure", start, end, text: -1 };
}

/** Numbers, and what stands in one's place. Each is measured once, however much stands in it. */
class Scalars {
  readonly #bytes: Uint8Array;
  #start = 0;
  #end = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  at(range: Range): Placed {
    const bytes = this.#bytes;
    if (range.start < this.#start || range.start >= this.#end) {
      let start = range.start;
      const least = Math.max(this.#end, start - MAX_SCALAR);
      while (start > least && isScalar(bytes[start - 1] as number)) start--;
      let end = range.start;
      const most = Math.min(bytes.length, end + MAX_SCALAR);
      while (end < most && isScalar(bytes[end] as number)) end++;
      this.#start = start;
      this.#end = end;
    }
    const [start, end] = [this.#start, this.#end];
    const long = isScalar(bytes[start - 1] ?? 0) || isScalar(bytes[end] ?? 0);
    if (end < range.end || start === end || long) return structure(range);
    return { place: "scalar", start, end, text: -1 };
  }
}

function isScalar(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e
  );
}
