/** Secrets that were cut in pieces and put in neighbouring values of a JSON text. */
import { CAPITAL, DIGIT, JOINER, KIND, TOKEN } from "./bytes.ts";
import { closing, isKey } from "./json-places.ts";
import type { Hit } from "./rule.ts";
import type { Scanner } from "./scanner.ts";
import { MAX_HITS, Sink } from "./sink.ts";

const MIN_PIECE = 4;
const MAX_PIECE = 160;
const MAX_PIECES = 5;
const MIN_JOINED = 18;
const QUOTE = 0x22;

const scratch = new Uint8Array(MAX_PIECE * MAX_PIECES);

/**
 * Joins the end of each string value with the beginning of the next ones and scans what would then stand there. What is
 * found is told as one range over all of them.
 */
export function portionsOf(bytes: Uint8Array, scanner: Scanner, hits: Hit[]): void {
  let pieces: number[] = [];
  for (let open = bytes.indexOf(QUOTE); open !== -1; ) {
    const close = closing(bytes, open + 1);
    if (close >= bytes.length) return;
    if (!isKey(bytes, close)) pieces = value(bytes, open + 1, close, pieces, { scanner, hits });
    open = bytes.indexOf(QUOTE, close + 1);
  }
}

/** `pieces`: pairs of start and end that may go on here. Answers those that may go on behind. */
function value(
  bytes: Uint8Array,
  start: number,
  end: number,
  pieces: number[],
  to: { readonly scanner: Scanner; readonly hits: Hit[] },
): number[] {
  let head = start;
  while (head < end && head - start < MAX_PIECE && isToken(bytes[head] as number)) head++;
  const whole = head === end;
  if (pieces.length > 0 && head - start >= MIN_PIECE) {
    const all = [...pieces, start, head];
    joined(bytes, all, to);
    if (whole && all.length < 2 * MAX_PIECES) return all;
  }
  if (end - start < MIN_PIECE) return [];
  let tail = end;
  while (tail > start && end - tail < MAX_PIECE && isToken(bytes[tail - 1] as number)) tail--;
  if (end - tail < MIN_PIECE) return [];
  // Words in small letters are not the beginning of a key.
  for (let i = tail; i < end; i++)
    if (((KIND[bytes[i] as number] as number) & (DIGIT | CAPITAL | JOINER)) !== 0) return [tail, end];
  return [];
}

function joined(
  bytes: Uint8Array,
  pieces: readonly number[],
  { scanner, hits }: { readonly scanner: Scanner; readonly hits: Hit[] },
): void {
  let length = 0;
  let lastStart = 0;
  for (let p = 0; p < pieces.length; p += 2) {
    lastStart = length;
    const piece = bytes.subarray(pieces[p], pieces[p + 1]);
    scratch.set(piece, length);
    length += piece.length;
  }
  if (length < MIN_JOINED) return;
  const sink = new Sink();
  scanner.scanAnchors(scratch.subarray(0, length), sink);
  for (const hit of sink.hits) {
    // Only what no value holds alone.
    if (hit.start >= lastStart || hit.end <= lastStart || hit.confidence !== "high" || hits.length >= MAX_HITS)
      continue;
    hits.push({ ...hit, view: "joined", start: pieces[0] as number, end: pieces[pieces.length - 1] as number });
  }
}

function isToken(byte: number): boolean {
  return ((KIND[byte] as number) & TOKEN) !== 0;
}
