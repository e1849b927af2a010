import { concat } from "../wire/concat.ts";

/** Part or all of a line that is no text: invalid UTF-8, or longer than any line may be. */
export interface Damaged {
  readonly bytes: Uint8Array;
  /** False when more of the same line follows. */
  readonly ends: boolean;
}

export interface LineBatch {
  readonly lines: readonly (string | Damaged)[];
  /** True in the last batch when its last line had no newline. */
  readonly open: boolean;
  /** Bytes read for this batch. */
  readonly bytes: number;
}

const MAX_LINE = 64 * 1024;
const NEWLINE = 10;

/** Cuts a stream of bytes into lines, a chunk's worth at a time, in memory bounded by the chunk and MAX_LINE. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<LineBatch> {
  // The beginning of a line whose end has not come; joined once, however small the pieces are.
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let inLong = false;
  for await (const chunk of chunks) {
    const lines: (string | Damaged)[] = [];
    let rest = chunk;
    if (inLong) {
      const newline = rest.indexOf(NEWLINE);
      inLong = newline < 0;
      lines.push({ bytes: inLong ? rest : rest.subarray(0, newline), ends: !inLong });
      rest = rest.subarray(inLong ? rest.length : newline + 1);
    }
    const last = rest.lastIndexOf(NEWLINE);
    if (last >= 0) {
      held.push(rest.subarray(0, last));
      decodeLines(concat(held), lines);
      held = [];
      heldBytes = 0;
    }
    // A copy: the rest of a line must not keep a whole chunk alive.
    if (last + 1 < rest.length) held.push(rest.slice(last + 1));
    heldBytes += rest.length - last - 1;
    if (heldBytes > MAX_LINE) {
      lines.push({ bytes: concat(held), ends: false });
      held = [];
      heldBytes = 0;
      inLong = true;
    }
    yield { lines, open: false, bytes: chunk.length };
  }
  const lines: (string | Damaged)[] = [];
  if (inLong) lines.push({ bytes: new Uint8Array(0), ends: true });
  else if (heldBytes > 0) decodeLines(concat(held), lines);
  yield { lines, open: lines.length > 0, bytes: 0 };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeLines(bytes: Uint8Array, into: (string | Damaged)[]): void {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    decodeOneByOne(bytes, into);
    return;
  }
  for (const line of text.split("\n")) {
    into.push(line.length > MAX_LINE ? { bytes: encoder.encode(line), ends: true } : line);
  }
}

const encoder = new TextEncoder();

function decodeOneByOne(bytes: Uint8Array, into: (string | Damaged)[]): void {
  for (let from = 0; from <= bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, from);
    const to = newline < 0 ? bytes.length : newline;
    const line = bytes.subarray(from, to);
    try {
      if (line.length > MAX_LINE) throw new RangeError("line too long");
      into.push(decoder.decode(line));
    } catch {
      into.push({ bytes: line, ends: true });
    }
    from = to + 1;
  }
}
