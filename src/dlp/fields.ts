/** Secrets that were cut in pieces and put in neighbouring values of a JSON text. */
import { CAPITAL, DIGIT, JOINER, KIND, TOKEN } from "./bytes.ts";
import { closing, isKey } from "./json-places.ts";
import type { Hit } from "./rule.ts";
import type { Scanner } from "./scanner.ts";
import { release, type Sink, takeSink } from "./sink.ts";

const MIN_PIECE = 4;
const MAX_PIECE = 160;
const MAX_PIECES = 5;
const MIN_JOINED = 18;
const QUOTE = 0x22;
/** More keys cut in pieces than this are no other matter than so many. */
const MAX_JOINED = 2000;
const VALUES_A_TURN = 200;

const scratch = new Uint8Array(MAX_PIECE * MAX_PIECES);

export interface Portions {
  readonly hits: Hit[];
  /** True when the time is up. */
  readonly over: () => boolean;
}

/**
 * Joins the end of each string value with the beginning of the next ones and scans what would then stand there. What is
 * found is told as one range over all of them. False: the time was up.
 */
export function* portionsOf(bytes: Uint8Array, scanner: Scanner, { hits, over }: Portions): Generator<void, boolean> {
  const sink = takeSink();
  const to = { scanner, hits, sink };
  let pieces: number[] = [];
  for (let open = bytes.indexOf(QUOTE), values = 1; open !== -1 && hits.length < MAX_JOINED; values++) {
    if (values % VALUES_A_TURN === 0) {
      yield;
      if (over()) return false;
    }
    const close = closing(bytes, open + 1);
    if (close >= bytes.length) break;
    if (!isKey(bytes, close)) pieces = value(bytes, open + 1, close, pieces, to);
    open = bytes.indexOf(QUOTE, close + 1);
  }
  release(sink);
  return true;
}

interface Joining {
  readonly scanner: Scanner;
  readonly hits: Hit[];
  readonly sink: Sink;
}

/** `pieces`: pairs of start and end that may go on here. Answers those that may go on behind. */
function value(bytes: Uint8Array, start: number, end: number, pieces: number[], to: Joining): number[] {
  let head = start;
  while (head < end && head - start < MAX_PIECE && isToken(bytes[head] as number)) head++;
  const whole = head === end;
  if (pieces.length > 0 && head - start >= MIN_PIECE) {
    pieces.push(start, head);
    joined(bytes, pieces, to);
    if (whole && pieces.length < 2 * MAX_PIECES) return pieces;
  }
  if (end - start < MIN_PIECE) return NONE;
  let tail = end;
  while (tail > start && end - tail < MAX_PIECE && isToken(bytes[tail - 1] as number)) tail--;
  if (end - tail < MIN_PIECE) return NONE;
  // Words in small letters are not the beginning of a key.
  for (let i = tail; i < end; i++)
    if (((KIND[bytes[i] as number] as number) & (DIGIT | CAPITAL | JOINER)) !== 0) return [tail, end];
  return NONE;
}

const NONE: number[] = [];

function joined(bytes: Uint8Array, pieces: readonly number[], { scanner, hits, sink }: Joining): void {
  let length = 0;
  let lastStart = 0;
  for (let p = 0; p < pieces.length; p += 2) {
    lastStart = length;
    const end = pieces[p + 1] as number;
    for (let i = pieces[p] as number; i < end; i++) scratch[length++] = bytes[i] as number;
  }
  if (length < MIN_JOINED) return;
  const text = scratch.subarray(0, length);
  sink.begin(text);
  scanner.vendors(text, lastStart, sink);
  for (const hit of sink.hits) {
    // Only what no value holds alone.
    if (hit.start >= lastStart || hit.end <= lastStart || hit.confidence !== "high") continue;
    hits.push({ ...hit, view: "joined", start: pieces[0] as number, end: pieces[pieces.length - 1] as number });
  }
}

function isToken(byte: number): boolean {
  return ((KIND[byte] as number) & TOKEN) !== 0;
}
