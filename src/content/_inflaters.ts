/** Inflaters that are used again, and what stands around packed bytes. */
import { Inflater } from "./inflate.ts";

export function* allOf(bytes: Uint8Array, from: number): Generator<Uint8Array, void> {
  const inflater = takeInflater(bytes, from);
  for (;;) {
    const step = inflater.step();
    yield inflater.made;
    if (step === "more") continue;
    giveInflater(inflater);
    return;
  }
}

/** Each has 100 KB of room: an archive of many files makes one. */
export const spare: Inflater[] = [];
export const MAX_SPARE = 4;

export function takeInflater(bytes: Uint8Array, from: number): Inflater {
  const inflater = spare.pop() ?? new Inflater();
  inflater.open(bytes, from);
  return inflater;
}

export function giveInflater(inflater: Inflater): void {
  if (spare.length < MAX_SPARE) spare.push(inflater.close());
}

/** Of a name or a comment. */
const MAX_NAME = 4096;

/** Where the packed bytes of the gzip at `from` begin, or -1 (RFC 1952 section 2.3). */
export function gzipStart(bytes: Uint8Array, from: number): number {
  const flags = bytes[from + 3] as number;
  let at = from + 10;
  if (flags & 4) at += 2 + (bytes[at] as number) + ((bytes[at + 1] as number) << 8);
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.subarray(at, at + MAX_NAME).indexOf(0);
    if (end === -1) return -1;
    at += end + 1;
  }
  return flags & 2 ? at + 2 : at;
}
