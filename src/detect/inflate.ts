/** Packed bytes unpacked, to a bound: what is beyond it is never made. */
import { Inflate, inflateSync } from "fflate/browser";

/** What is unpacked of one pack; a text of the same size is inspected at a time. */
export const MAX_INFLATED = 64 * 1024;
/** Packs of more than this many times their own bytes are made to be a burden. */
const ABSURD = 64;
const STEP = 1024;
/** Up to this there is no need for steps: it cannot come to more than a few hundred kilobytes, of which the most go nowhere. */
const SMALL = 512;
const out = new Uint8Array(MAX_INFLATED);

/** How far what fills its room is counted on, to tell a large text from a bomb. */
const MAX_COUNTED = 256 * 1024;
let counted = 0;

/** Whether the last pack, of so many bytes, came to more than any honest one. */
export function isBomb(packed: number): boolean {
  return counted >= MAX_INFLATED && packed * ABSURD < counted;
}

/** The first `MAX_INFLATED` bytes of what gzip or zlib holds, valid until the next call, or null when it is neither. */
export function inflated(bytes: Uint8Array): Uint8Array | null {
  const from = bytes[0] === 0x1f ? gzipHeader(bytes) : 2;
  if (from === -1) return null;
  if (bytes.length <= SMALL) return smallInflated(bytes.subarray(from));
  let count = 0;
  const inflate = new Inflate((chunk) => {
    const part = chunk.subarray(0, MAX_INFLATED - count);
    out.set(part, count);
    count += part.length;
    counted += chunk.length;
  });
  counted = 0;
  try {
    // In steps: a few bytes may stand for thousands each.
    for (let at = from; at < bytes.length && mayGoOn(at, count); at += STEP) {
      inflate.push(bytes.subarray(at, at + STEP), at + STEP >= bytes.length);
    }
  } catch {
    // What came before the damage is read: a reader may do the same.
  }
  return count === 0 ? null : out.subarray(0, count);
}

function mayGoOn(read: number, count: number): boolean {
  return count < MAX_INFLATED || (counted < MAX_COUNTED && (read * ABSURD) / 4 < counted);
}

function smallInflated(bytes: Uint8Array): Uint8Array | null {
  try {
    const whole = inflateSync(bytes, { out });
    counted = whole.length;
    return whole.length === 0 ? null : out.subarray(0, Math.min(whole.length, MAX_INFLATED));
  } catch {
    return null;
  }
}

/** Where the packed bytes begin, or -1. */
function gzipHeader(bytes: Uint8Array): number {
  if (bytes.length < 18 || bytes[2] !== 8) return -1;
  const flags = bytes[3] as number;
  let at = 10;
  if (flags & 4) at += 2 + (bytes[10] as number) + ((bytes[11] as number) << 8);
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end === -1) return -1;
    at = end + 1;
  }
  return flags & 2 ? at + 2 : at;
}
