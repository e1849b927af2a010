/**
 * Where in a JSON text a range stands: in a string, a number, a key. One pass, made only when something was found; it yields
 * every so many strings.
 */

export type Place = "string" | "key" | "scalar" | "structure";

export interface Placed {
  readonly place: Place;
  /** The range within its string, or the whole scalar. */
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const STRINGS_A_TURN = 2000;

/** `ranges` in the order of their starts. Texts that are no JSON are read as far as strings can be told. */
export function* jsonPlaces(
  bytes: Uint8Array,
  ranges: readonly { readonly start: number; readonly end: number }[],
): Generator<void, Placed[]> {
  const placed: Placed[] = [];
  let next = 0;
  let at = 0;
  for (let turn = 1; next < ranges.length && at < bytes.length; turn++) {
    if (turn % STRINGS_A_TURN === 0) yield;
    const quote = bytes.indexOf(QUOTE, at);
    const outside = quote === -1 ? bytes.length : quote;
    for (; next < ranges.length; next++) {
      const range = ranges[next];
      if (range === undefined || range.start >= outside + 1) break;
      placed.push(
        range.start === quote
          ? { place: "structure", start: range.start, end: range.end }
          : scalar(bytes, range.start, range.end),
      );
    }
    if (quote === -1) break;
    const close = closing(bytes, quote + 1);
    for (; next < ranges.length; next++) {
      const range = ranges[next];
      if (range === undefined || range.start > close) break;
      if (range.end > close) placed.push({ place: "structure", start: range.start, end: range.end });
      else placed.push({ place: isKey(bytes, close) ? "key" : "string", start: range.start, end: range.end });
    }
    at = close + 1;
  }
  for (; next < ranges.length; next++)
    placed.push({ place: "structure", start: ranges[next]?.start ?? 0, end: ranges[next]?.end ?? 0 });
  return placed;
}

/** Where the string that was opened before `from` is closed; the end when it is not. */
export function closing(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(QUOTE, from);
  while (at !== -1) {
    let slashes = 0;
    while (at - 1 - slashes >= from && bytes[at - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
    at = bytes.indexOf(QUOTE, at + 1);
  }
  return bytes.length;
}

export function isKey(bytes: Uint8Array, close: number): boolean {
  let i = close + 1;
  while (i < bytes.length && (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09)) i++;
  return bytes[i] === 0x3a;
}

/** A number, or what stands in one's place. */
function scalar(bytes: Uint8Array, from: number, to: number): Placed {
  let start = from;
  while (start > 0 && isScalar(bytes[start - 1] as number)) start--;
  let end = start;
  while (end < bytes.length && isScalar(bytes[end] as number)) end++;
  if (end < to || start === end) return { place: "structure", start: from, end: to };
  return { place: "scalar", start, end };
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
