/** Formats whose pieces are numbered: `"{1}{0}" -f 'b','a'`, `"{1}{0}".format("b", "a")`. */
import type { Draft } from "./draft.ts";

const MAX_PIECES = 32;
const LONGEST = 512;
/** From the format to its first piece, and between two pieces. */
const GAP = 24;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const NEWLINE = 0x0a;

const from = new Int32Array(MAX_PIECES);
const to = new Int32Array(MAX_PIECES);
let end = 0;

/** Undoes every such format in ASCII `text`. Linear: a literal is at most read twice. */
export function undoFormats(text: Uint8Array, draft: Draft): void {
  for (let at = text.indexOf(OPEN); at !== -1; at = text.indexOf(OPEN, at + 1)) {
    if (digitAt(text, at + 1) === -1) continue;
    let open = at - 1;
    while (open >= 0 && at - open < GAP && !isQuote(text[open] as number)) open -= 1;
    if (open < 0 || !isQuote(text[open] as number)) continue;
    const close = closing(text, open);
    if (close === -1) continue;
    const pieces = piecesFrom(text, close + 1);
    if (pieces < 2) continue;
    draft.undo(open, end, "format");
    put(text, open + 1, close, pieces, draft);
    at = end;
  }
}

function put(text: Uint8Array, start: number, close: number, pieces: number, draft: Draft): void {
  for (let i = start; i < close; i++) {
    const piece = text[i] === OPEN ? digitAt(text, i + 1) : -1;
    if (piece === -1 || piece >= pieces) {
      draft.put(text[i] as number);
      continue;
    }
    draft.putAll(text.subarray(from[piece], to[piece]));
    while (i < close && text[i] !== CLOSE) i += 1;
  }
}

function digitAt(text: Uint8Array, at: number): number {
  const tens = (text[at] ?? 0) - 0x30;
  if (tens < 0 || tens > 9) return -1;
  const units = (text[at + 1] ?? 0) - 0x30;
  return units < 0 || units > 9 ? tens : tens * 10 + units;
}

function isQuote(byte: number): boolean {
  return byte === 0x22 || byte === 0x27 || byte === 0x60;
}

function closing(text: Uint8Array, open: number): number {
  const mark = text[open];
  const last = Math.min(text.length, open + 1 + LONGEST);
  let close = open + 1;
  while (close < last && text[close] !== mark) close += 1;
  return close === last ? -1 : close;
}

/** Literals that follow each other; returns how many, `end` is behind the last. */
function piecesFrom(text: Uint8Array, start: number): number {
  let pieces = 0;
  end = start;
  for (let i = start; i < text.length && i - end <= GAP && pieces < MAX_PIECES && text[i] !== NEWLINE; i++) {
    if (!isQuote(text[i] as number)) continue;
    const close = closing(text, i);
    if (close === -1) break;
    from[pieces] = i + 1;
    to[pieces++] = close;
    i = close;
    end = close + 1;
  }
  return pieces;
}
