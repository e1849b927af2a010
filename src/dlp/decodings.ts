/** What stands encoded in a text: base64, hex and percent-escapes undone, one level, a piece at a time. */
import { HEX, KIND } from "./bytes.ts";

const INVALID = 255;
const BASE64 = base64Values();

function base64Values(): Uint8Array {
  const table = new Uint8Array(256).fill(INVALID);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (let i = 0; i < 64; i++) table[alphabet.charCodeAt(i)] = i;
  table[0x2d] = 62;
  table[0x5f] = 63;
  return table;
}

/** Base64 of either alphabet from `start` (a beginning of a group) to `end`, into `into`. Answers how many bytes; stops at what is none. */
export function base64Into(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let to = 0;
  let group = 0;
  let held = 0;
  for (let i = start; i < end; i++) {
    const value = BASE64[bytes[i] as number] as number;
    if (value === INVALID) break;
    group = (group << 6) | value;
    if (++held < 4) continue;
    into[to] = group >> 16;
    into[to + 1] = group >> 8;
    into[to + 2] = group;
    to += 3;
    group = held = 0;
  }
  if (held >= 2) into[to++] = group >> (held === 2 ? 4 : 10);
  if (held === 3) into[to++] = group >> 2;
  return to;
}

export function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const small = byte | 0x20;
  return small >= 0x61 && small <= 0x66 ? small - 0x57 : -1;
}

export function hexInto(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let to = 0;
  for (let i = start; i + 1 < end; i += 2) {
    into[to++] = (hexValue(bytes[i] as number) << 4) | hexValue(bytes[i + 1] as number);
  }
  return to;
}

export function percentInto(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let to = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x25 && i + 2 < end && isHex(bytes[i + 1] as number) && isHex(bytes[i + 2] as number)) {
      into[to++] = (hexValue(bytes[i + 1] as number) << 4) | hexValue(bytes[i + 2] as number);
      i += 2;
    } else into[to++] = byte;
  }
  return to;
}

function isHex(byte: number): boolean {
  return ((KIND[byte] as number) & HEX) !== 0;
}

/** How much a byte speaks against a text, in halves. */
const ODD = oddity();

function oddity(): Uint8Array {
  const table = new Uint8Array(256);
  table.fill(2, 0, 0x20);
  table[0x09] = table[0x0a] = table[0x0d] = 0;
  table[0x7f] = 2;
  table.fill(1, 0x80);
  table.fill(2, 0xf5);
  return table;
}

const LOOKED = 64;

/** True when most of it may be text: a look at a few places decides, so pictures cost little. */
export function looksLikeText(bytes: Uint8Array, length: number): boolean {
  const looked = Math.min(length, LOOKED);
  if (looked < 8) return false;
  const step = length / looked;
  // So many halves are too many.
  const most = looked / 3;
  let odd = 0;
  for (let n = 0, at = 0; n < looked; n++, at += step) {
    odd += ODD[bytes[at | 0] as number] as number;
    if (odd > most) return false;
  }
  return true;
}
