/**
 * One pass over bytes: anchors by trigrams, beginnings of numbers, `@` and `%`, and long runs by samples. Every detector
 * is told a place and looks no further than its own bound, or asks for what the text's sink has found out once, so the
 * cost of a byte is bounded whatever stands there, and nothing is ever left out because there was much of it before.
 */
import { Beginnings } from "./anchor-beginnings.ts";
import { beginsAt, CAPITAL, DIGIT, HEX, KIND, SMALL, TOKEN } from "./bytes.ts";
import { base64Into, hexInto, looksLikeText, percentInto } from "./decodings.ts";
import { preparePlaceholders } from "./placeholder.ts";
import { nearTable } from "./recognizers.ts";
import { shapeAt } from "./shapes.ts";
import type { Sink } from "./sink.ts";
import { BUCKET_SHIFT, MARK, NUMBER, packed, SORT, standsOn, Trigrams } from "./trigrams.ts";
import type { Detector } from "./vendor-keys.ts";

/** Looks at a place where a number or an `@` stands. Answers from where the next is of interest. */
export type PlaceDetector = (bytes: Uint8Array, at: number, sink: Sink) => number;

export interface ScannerParts {
  /** Made in steps. */
  readonly detectors: Generator<void, readonly Detector[]>;
  readonly numbers: PlaceDetector | null;
  readonly ats: PlaceDetector | null;
}

const STRIDE = 8;
/** Shorter runs hold no encoded secret: nothing shorter than 18 bytes is one. */
const MIN_RUN = 24;
const MIN_HEX = 36;
const HEX_STRIDE = 16;
/** Decoded at a time; divisible by three, four and two. The pieces overlap. */
const PIECE = 6 * 1024;
const PIECE_OVERLAP = 768;
const MAX_ESCAPED = 4096;
const QUOTE = 0x22;

const scratch = new Uint8Array(PIECE);

/** Pieces of a text put together one by one. */
export interface Chain {
  readonly text: Uint8Array;
  /** Where the last piece begins. */
  readonly lastStart: number;
  /** From here on it has not been looked for beginnings; those before are in `anchors`. */
  readonly unread: number;
  readonly anchors: number[];
}

export class Scanner {
  #trigrams = new Trigrams([]);
  #detectors: readonly Detector[] = [];
  #beginnings: Beginnings | null = null;
  readonly #numbers: PlaceDetector | null;
  readonly #ats: PlaceDetector | null;
  readonly #steps: Generator<void, void>;
  #ready = false;

  constructor({ detectors, numbers, ats }: ScannerParts) {
    this.#numbers = numbers;
    this.#ats = ats;
    this.#steps = this.#filled(detectors);
  }

  *#filled(steps: Generator<void, readonly Detector[]>): Generator<void, void> {
    const detectors = yield* steps;
    const trigrams = new Trigrams(detectors);
    const numbers = this.#numbers !== null;
    yield* trigrams.fill({ numbers });
    // Made here rather than by the first number or key that needs them.
    preparePlaceholders();
    yield;
    if (numbers) nearTable();
    this.#detectors = detectors;
    this.#trigrams = trigrams;
  }

  /** One step of what has to be done before the first text. True when nothing is left to do. */
  prepare(): boolean {
    if (!this.#ready) this.#ready = this.#steps.next().done === true;
    return this.#ready;
  }

  /** Tells `sink`, begun for `bytes`, everything that begins in them. For short ones. */
  scan(bytes: Uint8Array, sink: Sink): void {
    this.places(bytes, 0, bytes.length, sink);
    for (let from = 0; from < bytes.length; ) from = this.runs(bytes, from, sink);
  }

  /** Tells `sink` where what the end of `bytes` cuts may begin, besides what detectors have told of it. */
  ends(bytes: Uint8Array, sink: Sink): void {
    if (this.#detectors.length === 0) return;
    this.#beginnings ??= new Beginnings(this.#detectors);
    this.#beginnings.look(bytes, sink);
  }

  /** What begins at the places from `from` (even) to before `to`. */
  places(bytes: Uint8Array, from: number, to: number, sink: Sink): void {
    if (!this.#ready) while (!this.prepare());
    const { length } = bytes;
    const nested = sink.nested;
    const detectsNumbers = this.#numbers !== null && !nested;
    if (from === 0 && detectsNumbers && ((KIND[bytes[0] ?? 0] as number) & DIGIT) !== 0) this.#number(bytes, 0, sink);
    const { table } = this.#trigrams;
    const sort = SORT;
    let first = sort[bytes[from] ?? 0] as number;
    const last = Math.min(to, length - 2);
    for (let i = from; i < last; i += 2) {
      const third = sort[bytes[i + 2] as number] as number;
      const told = table[(first << 10) | ((sort[bytes[i + 1] as number] as number) << 5) | third] as number;
      first = third;
      // Most digits of a long number are within it.
      if (told !== 0 && (told !== NUMBER || i + 2 >= sink.numbersFrom)) this.#told(told, bytes, i, sink);
    }
    // The last three bytes, when the steps of two ended before them.
    if (to >= length && length >= 3 && (length & 1) === 0) {
      const i = length - 3;
      const told = table[
        ((sort[bytes[i] as number] as number) << 10) |
          ((sort[bytes[i + 1] as number] as number) << 5) |
          (sort[bytes[i + 2] as number] as number)
      ] as number;
      if (told !== 0) this.#told(told & ~(NUMBER | MARK), bytes, i, sink);
    }
  }

  /** Vendors' keys that begin in what `chain` holds, before its last piece. */
  vendors(chain: Chain, sink: Sink): void {
    if (!this.#ready) while (!this.prepare());
    const { text, anchors } = chain;
    const { table } = this.#trigrams;
    const from = chain.unread;
    const last = text.length - 2;
    for (let i = from & ~1; i < last; i += 2) {
      const told = table[
        ((SORT[text[i] as number] as number) << 10) |
          ((SORT[text[i + 1] as number] as number) << 5) |
          (SORT[text[i + 2] as number] as number)
      ] as number;
      if (told >> BUCKET_SHIFT !== 0) this.#bucket(told >> BUCKET_SHIFT, text, i, sink, anchors);
    }
    for (let n = 0; n < anchors.length; n += 2) {
      const at = anchors[n + 1] as number;
      if (at < chain.lastStart) (this.#detectors[anchors[n] as number] as Detector).found(text, at, sink);
    }
  }

  #told(told: number, bytes: Uint8Array, i: number, sink: Sink): void {
    if ((told & (NUMBER | MARK)) !== 0 && !sink.nested) {
      if ((told & NUMBER) !== 0 && i + 2 >= sink.numbersFrom) {
        const early =
          ((KIND[bytes[i + 1] as number] as number) & DIGIT) !== 0 &&
          ((KIND[bytes[i] as number] as number) & DIGIT) === 0;
        this.#number(bytes, early ? i + 1 : i + 2, sink);
      }
      if ((told & MARK) !== 0) {
        this.#mark(bytes, i + 1, sink);
        this.#mark(bytes, i + 2, sink);
      }
    }
    const bucket = told >> BUCKET_SHIFT;
    if (bucket !== 0) this.#bucket(bucket, bytes, i, sink, null);
  }

  /** `anchors`: where vendors' keys may begin is put there, as pairs of detector and place, and nothing else is done. */
  #bucket(bucket: number, bytes: Uint8Array, i: number, sink: Sink, anchors: number[] | null): void {
    const { starts, indices, backs, keys, masks, folds, commonKeys, commonMasks } = this.#trigrams;
    const here = packed(bytes, i);
    // Most are told by sorts alone, such as letters of the other case: no entry can stand there.
    if (((here ^ (commonKeys[bucket] as number)) & (commonMasks[bucket] as number)) !== 0) return;
    const end = starts[bucket + 1] as number;
    for (let e = starts[bucket] as number; e < end; e++) {
      const back = backs[e] as number;
      const at = i - back;
      const text = back === 0 ? here : at < 0 ? 0 : packed(bytes, at);
      const differs = ((text | (folds[e] as number)) & (masks[e] as number)) ^ (keys[e] as number);
      if (differs !== 0) {
        // The first three stand, and then a string ends: it may go on in another.
        if ((differs & 0xffffff) === 0 && text >>> 24 === QUOTE) sink.promising = true;
        continue;
      }
      const index = indices[e] as number;
      const detector = this.#detectors[index] as Detector;
      if (anchors !== null && detector.vendor !== true) continue;
      if (detector.word === true && !beginsAt(bytes, at)) continue;
      const stood = standsOn(bytes, at, detector);
      if (anchors !== null) {
        if (stood === detector.literal.length) anchors.push(index, at);
      } else if (stood === detector.literal.length) {
        if (detector.vendor === true) sink.promising = true;
        detector.found(bytes, at, sink);
      } else if (bytes[at + stood] === QUOTE && detector.vendor === true) sink.promising = true;
    }
  }

  #number(bytes: Uint8Array, at: number, sink: Sink): void {
    if (at < sink.numbersFrom || this.#numbers === null) return;
    sink.numbersFrom = this.#numbers(bytes, at, sink);
  }

  #mark(bytes: Uint8Array, at: number, sink: Sink): void {
    const byte = bytes[at];
    if (byte === 0x40) {
      if (this.#ats !== null && at >= sink.atsFrom) sink.atsFrom = this.#ats(bytes, at, sink);
    } else if (byte === 0x25 && at >= sink.escapesFrom) this.#escaped(bytes, at, sink);
  }

  /** A word with percent-escapes in it, read without them. */
  #escaped(bytes: Uint8Array, at: number, sink: Sink): void {
    sink.escapesFrom = at + 1;
    if (((KIND[bytes[at + 1] ?? 0] as number) & HEX) === 0 || ((KIND[bytes[at + 2] ?? 0] as number) & HEX) === 0)
      return;
    let start = at;
    while (start > 0 && at - start < 256 && isEscapable(bytes[start - 1] as number)) start--;
    let end = at;
    while (end < bytes.length && end - start < MAX_ESCAPED && isEscapable(bytes[end] as number)) end++;
    sink.escapesFrom = end;
    if (end - start < MIN_RUN) return;
    this.#nested(percentInto(bytes, start, end, scratch), { start, end, view: "percent", sink });
  }

  /**
   * Long runs of what tokens are written in, from `from` on: what they say as hex or as base64. Answers where it goes on
   * after some work, the text's length in the end.
   */
  runs(bytes: Uint8Array, from: number, sink: Sink): number {
    const { length } = bytes;
    if (this.#detectors.length === 0) return length;
    const kinds = KIND;
    const until = from + 2 * PIECE;
    let seen = from;
    const last = length - 2 * STRIDE;
    for (let i = from; i < last; i += STRIDE) {
      // Whatever is long enough holds all bytes from such a place to two strides on. Without a branch that words mislead.
      const all =
        (kinds[bytes[i] as number] as number) &
        (kinds[bytes[i + 2] as number] as number) &
        (kinds[bytes[i + 4] as number] as number) &
        (kinds[bytes[i + 6] as number] as number) &
        (kinds[bytes[i + 8] as number] as number) &
        (kinds[bytes[i + 10] as number] as number) &
        (kinds[bytes[i + 12] as number] as number) &
        (kinds[bytes[i + 14] as number] as number) &
        (kinds[bytes[i + 16] as number] as number);
      if ((all & TOKEN) === 0) {
        if (i >= until) return i;
        continue;
      }
      let start = i;
      while (start > seen && ((kinds[bytes[start - 1] as number] as number) & TOKEN) !== 0) start--;
      let end = i + 1;
      const most = Math.min(length, start + PIECE);
      while (end < most && ((kinds[bytes[end] as number] as number) & TOKEN) !== 0) end++;
      if (end - start >= MIN_RUN) this.#run(bytes, start, end, sink);
      if (end === most && end < length && ((kinds[bytes[end] as number] as number) & TOKEN) !== 0) {
        // The next piece of the same run, at a distance that keeps groups of four and three together.
        return start + PIECE - PIECE_OVERLAP;
      }
      seen = end;
      if (end > i + STRIDE) i += (end - i) & ~(STRIDE - 1);
      if (i >= until) return Math.max(i, end);
    }
    return length;
  }

  /** What a run, or a piece of one, says as hex or as base64. */
  #run(bytes: Uint8Array, start: number, end: number, sink: Sink): void {
    if (end - start <= 80) shapeAt(bytes, start, end, sink);
    let at = start;
    while (at < end) {
      // The parts between signs that are in no alphabet: `key=…`, `a.b`.
      let kinds = 0;
      let stop = at;
      let all = HEX;
      for (; stop < end; stop++) {
        const byte = bytes[stop] as number;
        if (byte === 0x2e || byte === 0x7e || byte === 0x3d) break;
        const kind = KIND[byte] as number;
        kinds |= kind;
        all &= kind;
      }
      const length = stop - at;
      if (length >= MIN_RUN) {
        if (all !== 0 && length % 2 === 0 && length >= MIN_HEX) this.#hex(bytes, at, stop, sink);
        else if ((kinds & DIGIT) !== 0 || (kinds & (CAPITAL | SMALL)) === (CAPITAL | SMALL)) {
          const padded = stop + padding(bytes, stop);
          this.#nested(base64Into(bytes, at, padded, scratch), { start: at, end: padded, view: "base64", sink });
          if (all === 0 && length > MIN_HEX) this.#hexWithin(bytes, at, stop, sink);
        }
      }
      at = stop + 1;
    }
  }

  #hex(bytes: Uint8Array, start: number, end: number, sink: Sink): void {
    this.#nested(hexInto(bytes, start, end, scratch), { start, end, view: "hex", sink });
  }

  /** Hex that stands among other such characters: `/v1/6b65…`, `0x6b65…`. */
  #hexWithin(bytes: Uint8Array, from: number, to: number, sink: Sink): void {
    for (let i = from + HEX_STRIDE; i < to; i += HEX_STRIDE) {
      // What is long enough holds two such places, whatever stands between.
      const both = (KIND[bytes[i] as number] as number) & (KIND[bytes[i - HEX_STRIDE] as number] as number) & HEX;
      if (both === 0) continue;
      let start = i;
      while (start > from && ((KIND[bytes[start - 1] as number] as number) & HEX) !== 0) start--;
      let end = i + 1;
      while (end < to && ((KIND[bytes[end] as number] as number) & HEX) !== 0) end++;
      if (end - start >= MIN_HEX && (end - start) % 2 === 0) this.#hex(bytes, start, end, sink);
      i = Math.max(i, end - 1);
    }
  }

  #nested(length: number, { start, end, view, sink }: Encoded): void {
    if (sink.nested || !looksLikeText(scratch, length)) return;
    const decoded = scratch.subarray(0, length);
    sink.enter(decoded, start, end, view);
    this.places(decoded, 0, length, sink);
    sink.leave();
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
