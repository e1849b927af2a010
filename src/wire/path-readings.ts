/**
 * The ways a server may read a path. Percent escapes, dot segments, backslashes, path parameters and doubled slashes are
 * undone by some servers and kept by others; a rule on paths must hold for all of them.
 */

export interface PathReadings {
  /** Segments without the slashes; one list a reading, the first the usual one. */
  readonly readings: readonly (readonly string[])[];
  /** The same in lower case. */
  readonly lowered: readonly (readonly string[])[];
}

const MAX_SEGMENTS = 512;
const MAX_LENGTH = 16_384;
const ODD = /[%\\;]|\/\/|\.(?:\/|$)|[^\x21-\x7e]/;
/** Escapes undone by everybody: of characters that mean nothing in a path. */
const PLAIN_ESCAPE = /%(?:2[01247-9A-Da-d]|3[0-9AaCcEeDd]|4[0-9A-Fa-f]|5[0-9AaBbD-Fd-f]|6[0-9A-Fa-f]|7[0-9A-Ea-e])/g;

/** Cut off by some, a letter to others; `%u0041` is a letter to a few. */
const UNCLEAR = /[\0-\x1f\x7f]|%u[0-9a-f]{4}/i;

/** Null: nobody knows what it is, such as one too long to be read in every way. */
export function readPath(path: string): PathReadings | null {
  if (path.length > MAX_LENGTH) return null;
  if (!ODD.test(path)) return withLowered([path.split("/").filter(isNotEmpty)]);
  const readings: string[][] = [];
  const add = (segments: readonly string[]): void => {
    if (!readings.some((known) => known.length === segments.length && known.every((part, i) => part === segments[i])))
      readings.push([...segments]);
  };
  const plain = path.replace(PLAIN_ESCAPE, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  // A slash that is escaped belongs to its segment, and dots are dots.
  add(resolved(plain.split("/").map(decoded)));
  add(plain.replace(/^\/|\/$/g, "").split("/"));
  add(resolved(plain.split("/")));
  let undone = plain;
  for (let round = 0; round < 3; round++) {
    const before = undone;
    undone = decoded(before);
    const slashed = undone.replaceAll("\\", "/");
    for (const text of [undone, slashed]) {
      add(resolved(text.split("/")));
      add(resolved(text.split("/").map(withoutParameters)));
      add(resolved(text.split("/").map(withoutTail)));
    }
    if (UNCLEAR.test(undone)) return null;
    if (undone === before) break;
  }
  if (readings.some((segments) => segments.length > MAX_SEGMENTS)) return null;
  return withLowered(readings);
}

function withLowered(readings: readonly (readonly string[])[]): PathReadings | null {
  if (readings.some((segments) => segments.length > MAX_SEGMENTS)) return null;
  return { readings, lowered: readings.map((segments) => segments.map((segment) => segment.toLowerCase())) };
}

function resolved(segments: readonly string[]): string[] {
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") kept.pop();
    else kept.push(segment);
  }
  return kept;
}

function withoutParameters(segment: string): string {
  const semicolon = segment.indexOf(";");
  return semicolon === -1 ? segment : segment.slice(0, semicolon);
}

/** As file systems do that end no name in a dot or a space. */
function withoutTail(segment: string): string {
  return /^\.{1,2}$/.test(segment) ? segment : segment.replace(/[. ]+$/, "");
}

function decoded(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // Part of it is no UTF-8: each escape for itself.
    return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}

function isNotEmpty(segment: string): boolean {
  return segment !== "";
}
