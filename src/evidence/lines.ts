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
  let held: Uint8Array = new Uint8Array(0);
  let inLong = false;
  for await (const chunk of chunks) {
    const lines: (string | Damaged)[] = [];
    let bytes = held.length === 0 ? chunk : concat(held, chunk);
    if (inLong) {
      const newline = bytes.indexOf(NEWLINE);
      const to = newline < 0 ? bytes.length : newline;
      lines.push({ bytes: bytes.subarray(0, to), ends: newline >= 0 });
      inLong = newline < 0;
      bytes = bytes.subarray(inLong ? to : to + 1);
    }
    const last = bytes.lastIndexOf(NEWLINE);
    if (last >= 0) decodeLines(bytes.subarray(0, last), lines);
    held = bytes.slice(last + 1);
    if (held.length > MAX_LINE) {
      lines.push({ bytes: held, ends: false });
      held = new Uint8Array(0);
      inLong = true;
    }
    yield { lines, open: false, bytes: chunk.length };
  }
  const lines: (string | Damaged)[] = [];
  if (inLong) lines.push({ bytes: new Uint8Array(0), ends: true });
  else if (held.length > 0) decodeLines(held, lines);
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

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
