/** What is inspected: any value as bytes, their hash, and Pillar 128 over them without holding the event loop. */
import { portableDigest } from "../crypto/digest.ts";
import { inTurns, WORK_PER_BYTE } from "../decide/inspect-in-turns.ts";
import {
  AT_ONCE,
  INSPECTORS,
  type Inspection,
  inspectSlices,
  inspectWhole,
  Share,
  SliceSize,
  WHOLE_BYTES,
} from "../detect/inspect.ts";

/** Above this the hash is left to Web Crypto, which is slower to start and works off the thread. */
const SYNC_HASH_BYTES = 16 * 1024;

const encoder = new TextEncoder();

/**
 * Text as UTF-8, bytes as a copy, anything else as JSON. Throws TypeError for what JSON would leave out or empty
 * without a word (functions, Map, Blob, streams, nested bytes …): what cannot be read has not been inspected.
 */
export function contentBytes(value: unknown): Uint8Array {
  if (typeof value === "string") return encoder.encode(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  if (value instanceof ArrayBuffer) return new Uint8Array(value).slice();
  const json: unknown = JSON.stringify(value, readable);
  if (typeof json !== "string") throw new TypeError("cannot inspect a value that JSON has no text for");
  return encoder.encode(json);
}

/** Objects say their own JSON with toJSON before this sees `value`; bytes that do so become a list of numbers. */
function readable(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  if (ArrayBuffer.isView(original)) throw new TypeError(`cannot inspect bytes at ${JSON.stringify(key)}`);
  if (typeof value === "object" && value !== null) {
    const kind = Object.prototype.toString.call(value);
    if (kind === "[object Object]" || kind === "[object Array]") return value;
    throw new TypeError(`cannot inspect ${kind} at ${JSON.stringify(key)}`);
  }
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint") {
    throw new TypeError(`cannot inspect a ${typeof value} at ${JSON.stringify(key)}`);
  }
  return value;
}

/** "sha256-" + hex. */
export async function contentHash(bytes: Uint8Array): Promise<string> {
  return `sha256-${await sha256(bytes)}`;
}

/** 64 hex digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  if (bytes.length <= SYNC_HASH_BYTES) return portableDigest.sha256(bytes);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `deadline` as `performance.now()` tells it; passing it is "exhausted", never a pass. */
export async function inspectContent(bytes: Uint8Array, deadline: number): Promise<Inspection> {
  const clock = () => performance.now();
  const budget = { deadline, clock, work: WORK_PER_BYTE * bytes.length * INSPECTORS.length };
  if (bytes.length <= AT_ONCE) {
    const share = new Share();
    const found = inspectWhole(bytes, INSPECTORS, { ...budget, share });
    if (!share.spent) return found;
  }
  const size = new SliceSize();
  // What is one slice at the most stays one, however slow the machine is.
  const slices = bytes.length <= WHOLE_BYTES ? undefined : size;
  return inTurns(inspectSlices(bytes, INSPECTORS, budget, slices), size, clock);
}
