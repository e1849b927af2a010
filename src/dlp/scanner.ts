/**
 * One pass over bytes: anchors by trigrams, beginnings of numbers, `@` and `%`, and long runs by samples. Every detector
 * is told a place and looks no further than its own bound, so the cost of a byte is bounded.
 */
import { ALNUM, CAPITAL, DIGIT, HEX, KIND, SMALL, TOKEN } from "./bytes.ts";
import { base64Into, hexInto, looksLikeText, percentInto } from "./decodings.ts";
import { shapeAt } from "./shapes.ts";
import type { Sink } from "./sink.ts";
import { MARK, NUMBER, SORT, Trigrams } from "./trigrams.ts";
import type { Detector } from "./vendor-keys.ts";

/** Looks at a place where a number or an `@` stands. Answers from where the next is of interest. */
export type PlaceDetector = (bytes: Uint8Array, at: number, sink: Sink) => number;

export interface ScannerParts {
  readonly detectors: readonly Detector[];
  readonly numbers: PlaceDetector | null;
  readonly ats: PlaceDetector | null;
}

const STRIDE = 16;
/** Shorter runs hold no encoded secret: nothing shorter than 18 bytes is one. */
const MIN_RUN = 24;
/** Decoded at a time; divisible by three, four and two. The pieces overlap. */
const PIECE = 12 * 1024;
const PIECE_OVERLAP = 768;
const MAX_ESCAPED = 4096;

export class Scanner {
  readonly #trigrams: Trigrams;
  readonly #detectors: readonly Detector[];
  readonly #numbers: PlaceDetector | null;
  readonly #ats: PlaceDetector | null;
  readonly #scratch = new Uint8Array(PIECE);
  #numbersFrom = 0;
  #atsFrom = 0;
  #escapesFrom = 0;
  #nested = false;

  constructor({ detectors, numbers, ats }: ScannerParts) {
    this.#detectors = detectors;
    this.#numbers = numbers;
    this.#ats = ats;
    this.#trigrams = new Trigrams(detectors, { numbers: numbers !== null, marks: true });
  }

  /** Tells `sink` everything that begins in `bytes`. Positions are those of `bytes`. */
  scan(bytes: Uint8Array, sink: Sink): void {
    this.#numbersFrom = this.#atsFrom = this.#escapesFrom = 0;
    if (this.#numbers !== null && ((KIND[bytes[0] ?? 0] as number) & DIGIT) !== 0) this.#number(bytes, 0, sink);
    this.#places(bytes, bytes.length, sink);
    if (this.#detectors.length > 0) this.#runs(bytes, sink);
  }

  /** Only what is found by its own beginning. */
  scanAnchors(bytes: Uint8Array, sink: Sink): void {
    const nested = this.#nested;
    this.#nested = true;
    this.#places(bytes, bytes.length, sink);
    this.#nested = nested;
  }

  #places(bytes: Uint8Array, length: number, sink: Sink): void {
    const { table } = this.#trigrams;
    const sort = SORT;
    let first = sort[bytes[0] ?? 0] as number;
    const last = length - 2;
    for (let i = 0; i < last; i += 2) {
      const third = sort[bytes[i + 2] as number] as number;
      const told = table[(first << 10) | ((sort[bytes[i + 1] as number] as number) << 5) | third] as number;
      first = third;
      if (told !== 0) this.#told(told, bytes, i, sink);
    }
    // The last three bytes, when the steps of two ended before them.
    if (length >= 3 && (length & 1) === 0) {
      const i = length - 3;
      const told = table[
        ((sort[bytes[i] as number] as number) << 10) |
          ((sort[bytes[i + 1] as number] as number) << 5) |
          (sort[bytes[i + 2] as number] as number)
      ] as number;
      if (told !== 0) this.#told(told & ~(NUMBER | MARK), bytes, i, sink);
    }
  }

  #told(told: number, bytes: Uint8Array, i: number, sink: Sink): void {
    if ((told & NUMBER) !== 0 && this.#numbers !== null && !this.#nested) {
      this.#number(
        bytes,
        ((KIND[bytes[i + 1] as number] as number) & DIGIT) !== 0 && ((KIND[bytes[i] as number] as number) & DIGIT) === 0
          ? i + 1
          : i + 2,
        sink,
      );
    }
    if ((told & MARK) !== 0) {
      this.#mark(bytes, i + 1, sink);
      this.#mark(bytes, i + 2, sink);
    }
    const bucket = Trigrams.bucketOf(told);
    if (bucket === 0) return;
    const list = this.#trigrams.buckets[bucket] as number[];
    for (let n = 0; n < list.length; n += 2) {
      const index = list[n] as number;
      const at = i - (list[n + 1] as number);
      if (this.#trigrams.stands(index, bytes, at)) this.#detectors[index]?.found(bytes, at, sink);
    }
  }

  #number(bytes: Uint8Array, at: number, sink: Sink): void {
    if (at < this.#numbersFrom || this.#numbers === null) return;
    this.#numbersFrom = this.#numbers(bytes, at, sink);
  }

  #mark(bytes: Uint8Array, at: number, sink: Sink): void {
    const byte = bytes[at];
    if (this.#nested) return;
    if (byte === 0x40) {
      if (this.#ats !== null && at >= this.#atsFrom) this.#atsFrom = this.#ats(bytes, at, sink);
    } else if (byte === 0x25 && at >= this.#escapesFrom) this.#escaped(bytes, at, sink);
  }

  /** A word with percent-escapes in it, read without them. */
  #escaped(bytes: Uint8Array, at: number, sink: Sink): void {
    this.#escapesFrom = at + 1;
    if (((KIND[bytes[at + 1] ?? 0] as number) & HEX) === 0 || ((KIND[bytes[at + 2] ?? 0] as number) & HEX) === 0)
      return;
    let start = at;
    while (start > 0 && at - start < 256 && isEscapable(bytes[start - 1] as number)) start--;
    let end = at;
    while (end < bytes.length && end - start < MAX_ESCAPED && isEscapable(bytes[end] as number)) end++;
    this.#escapesFrom = end;
    if (end - start < MIN_RUN) return;
    this.#nestedScan(percentInto(bytes, start, end, this.#scratch), { start, end, view: "percent", sink });
  }

  #runs(bytes: Uint8Array, sink: Sink): void {
    const { length } = bytes;
    const kinds = KIND;
    let from = 0;
    for (let i = 0; i < length; i += STRIDE) {
      if (((kinds[bytes[i] as number] as number) & TOKEN) === 0) continue;
      let start = i;
      while (start > from && ((kinds[bytes[start - 1] as number] as number) & TOKEN) !== 0) start--;
      let end = i + 1;
      while (end < length && ((kinds[bytes[end] as number] as number) & TOKEN) !== 0) end++;
      from = end;
      if (end - start >= MIN_RUN) this.#run(bytes, start, end, sink);
      if (end > i + STRIDE) i += (end - i) & ~(STRIDE - 1);
    }
  }

  /** A long run of what tokens are written in: what it says as hex or as base64. */
  #run(bytes: Uint8Array, start: number, end: number, sink: Sink): void {
    shapeAt(bytes, start, end, sink);
    let at = start;
    while (at < end) {
      // The parts between signs that are in no alphabet: `key=…`, `a.b`.
      let kinds = 0;
      let hex = true;
      let stop = at;
      for (; stop < end; stop++) {
        const byte = bytes[stop] as number;
        if (byte === 0x2e || byte === 0x7e || byte === 0x3d) break;
        const kind = KIND[byte] as number;
        kinds |= kind & ALNUM;
        if ((kind & HEX) === 0) hex = false;
      }
      const length = stop - at;
      if (length >= MIN_RUN) {
        if (hex && length % 2 === 0 && length >= 36)
          this.#pieces(bytes, { start: at, end: stop, view: "hex", sink }, hexInto, 2);
        else if ((kinds & DIGIT) !== 0 || (kinds & (CAPITAL | SMALL)) === (CAPITAL | SMALL)) {
          this.#pieces(bytes, { start: at, end: stop + padding(bytes, stop), view: "base64", sink }, base64Into, 4 / 3);
        }
      }
      at = stop + 1;
    }
  }

  #pieces(
    bytes: Uint8Array,
    { start, end, view, sink }: Encoded,
    decode: (bytes: Uint8Array, start: number, end: number, into: Uint8Array) => number,
    ratio: number,
  ): void {
    const size = PIECE * ratio;
    for (let at = start; ; at += size - PIECE_OVERLAP * ratio) {
      const stop = Math.min(end, at + size);
      this.#nestedScan(decode(bytes, at, stop, this.#scratch), { start, end, view, sink });
      if (stop === end) return;
    }
  }

  #nestedScan(length: number, { start, end, view, sink }: Encoded): void {
    if (this.#nested || !looksLikeText(this.#scratch, length)) return;
    this.#nested = true;
    // A percent-sign may be all that was undone; padding needs no telling.
    const decoded = this.#scratch.subarray(0, length);
    sink.within(start, end, view, () => this.#places(decoded, length, sink));
    this.#nested = false;
  }
}

/** Signs of equality that belong to what stands before them. */
function padding(bytes: Uint8Array, at: number): number {
  return bytes[at] !== 0x3d ? 0 : bytes[at + 1] === 0x3d ? 2 : 1;
}

interface Encoded {
  readonly start: number;
  readonly end: number;
  readonly view: string;
  readonly sink: Sink;
}

function isEscapable(byte: number): boolean {
  // A sign of equality within would be escaped: one that stands parts a name from its value.
  return (((KIND[byte] as number) & TOKEN) !== 0 && byte !== 0x3d) || byte === 0x25;
}
