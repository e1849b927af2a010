/** How a piece of text is written in a body, undone; and the way back, from the text to the bytes it stands in. */
import { hexDigit, readEscape, writeUtf8 } from "./_units.ts";

/**
 * `plain`: as it is. `json`: JSON escapes. `form`: `+` and percent-encoding. `percent`: percent-encoding alone.
 */
export type Coding = "plain" | "json" | "form" | "percent";

/** Undoes one unit and answers the offset after what it wrote; where it read to is `readTo`. */
type Step = (bytes: Uint8Array, at: number, end: number, into: Uint8Array, to: number) => number;

/** Of the last step. Steps are as many as bytes, so no object is made for two numbers. */
let readTo = 0;

const STEPS: Readonly<Record<Coding, Step>> = {
  plain: copy,
  json(bytes, at, end, into, to) {
    if (bytes[at] !== 0x5c) return copy(bytes, at, end, into, to);
    const unit = readEscape(bytes, at);
    if (unit.length === 0 || at + unit.length > end) return copy(bytes, at, end, into, to);
    readTo = at + unit.length;
    return writeUtf8(into, to, unit.code);
  },
  form(bytes, at, end, into, to) {
    if (bytes[at] !== 0x2b) return percent(bytes, at, end, into, to);
    into[to] = 0x20;
    readTo = at + 1;
    return to + 1;
  },
  percent,
};

function copy(bytes: Uint8Array, at: number, _end: number, into: Uint8Array, to: number): number {
  into[to] = bytes[at] as number;
  readTo = at + 1;
  return to + 1;
}

function percent(bytes: Uint8Array, at: number, end: number, into: Uint8Array, to: number): number {
  const high = bytes[at] === 0x25 && at + 2 < end ? hexDigit(bytes[at + 1] as number) : -1;
  const low = high === -1 ? -1 : hexDigit(bytes[at + 2] as number);
  if (low === -1) return copy(bytes, at, end, into, to);
  into[to] = (high << 4) | low;
  readTo = at + 3;
  return to + 1;
}

/** The bytes with the coding undone: never more than went in. For `plain` and where nothing is encoded, a view of `bytes`. */
export function decodeText(coding: Coding, bytes: Uint8Array, start: number, end: number): Uint8Array {
  let first = start;
  while (first < end && !isCoded(coding, bytes[first] as number)) first += 1;
  if (first === end) return bytes.subarray(start, end);
  const into = new Uint8Array(end - start);
  into.set(bytes.subarray(start, first));
  const step = STEPS[coding];
  let to = first - start;
  for (let at = first; at < end; at = readTo) {
    to = step(bytes, at, end, into, to);
  }
  return into.subarray(0, to);
}

/** A JSON string without its quotes, escapes undone, as UTF-8. */
export function decodeJsonText(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return decodeText("json", bytes, start, end);
}

/** From offsets in a decoded text to bytes of the body. */
export interface SourceMap {
  /** The bytes that `[from, to)` of the decoded text stands in, whole escapes: what must be replaced to replace it. */
  range(from: number, to: number): { readonly start: number; readonly end: number };
}

/** Costs a pass and four bytes for every byte of the text; made only when something was found in it. */
export function sourceMap(coding: Coding, bytes: Uint8Array, start: number, end: number): SourceMap {
  const starts = new Int32Array(end - start + 1);
  const ends = new Int32Array(end - start + 1);
  const scratch = new Uint8Array(4);
  const step = STEPS[coding];
  let length = 0;
  for (let at = start; at < end; at = readTo) {
    const wrote = step(bytes, at, end, scratch, 0);
    for (let i = 0; i < wrote; i++) {
      starts[length] = at;
      ends[length] = readTo;
      length += 1;
    }
  }
  starts[length] = end;
  return {
    range(from, to) {
      const first = Math.min(Math.max(from, 0), length);
      const last = Math.min(to, length);
      const begin = starts[first] as number;
      return { start: begin, end: last > first ? (ends[last - 1] as number) : begin };
    },
  };
}

function isCoded(coding: Coding, code: number): boolean {
  if (coding === "json") return code === 0x5c;
  if (coding === "form") return code === 0x25 || code === 0x2b;
  return coding === "percent" && code === 0x25;
}
