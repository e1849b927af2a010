/** What every view asks of bytes: whether they are text, and what kind of character one is. */

/** 1 for bytes no text has: control characters but tab, newline, return; bytes of no UTF-8. */
const NEVER = new Uint8Array(256).fill(1, 0, 0x20).fill(1, 0xf5);
for (const byte of [0x7f, 0xc0, 0xc1]) NEVER[byte] = 1;
for (const byte of [0x09, 0x0a, 0x0d]) NEVER[byte] = 0;

/** Whether these are UTF-8 without control characters; a character cut off at the end is let be. */
export function isText(bytes: Uint8Array, from: number, to: number): boolean {
  let more = 0;
  let ascii = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (more > 0) {
      if (byte >> 6 !== 2) return false;
      more -= 1;
    } else if (byte < 0x80) {
      if (NEVER[byte] === 1) return false;
      ascii += 1;
    } else {
      if (byte < 0xc2 || byte > 0xf4) return false;
      more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    }
  }
  // Noise passes for a few characters of far away scripts now and then, not for many.
  return ascii > 0 || to - from > 18;
}

/** The first byte in [from, to) with which it is clear that what begins at `from` is no text; `to` when there is none. */
export function faultIn(bytes: Uint8Array, from: number, to: number): number {
  let more = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (more > 0) {
      if (byte >> 6 !== 2) return i;
      more -= 1;
    } else if (!mayBegin(byte)) return i;
    else if (byte >= 0x80) more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  }
  return to;
}

/** Whether a character of a text may begin with the byte. */
export function mayBegin(byte: number): boolean {
  return byte < 0x80 ? NEVER[byte] === 0 : byte >= 0xc2 && byte <= 0xf4;
}

/** Whether four bytes, in one number, may all stand in a text. */
export function areOfText(four: number): boolean {
  const no =
    (NEVER[four >>> 24] as number) |
    (NEVER[(four >>> 16) & 0xff] as number) |
    (NEVER[(four >>> 8) & 0xff] as number) |
    (NEVER[four & 0xff] as number);
  return no === 0;
}

/** Where text ends: the first byte that no text has. */
export function textEnd(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && NEVER[bytes[i] as number] === 0) i += 1;
  return i;
}

/** A table of the bytes of `members`, each with 1. */
export function setOf(members: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < members.length; i++) table[members.charCodeAt(i)] = 1;
  return table;
}

/** The values of an alphabet's characters, 255 for every other byte. */
export function valuesOf(alphabet: string): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i;
  return table;
}

export const LOWER = "abcdefghijklmnopqrstuvwxyz";
export const UPPER = LOWER.toUpperCase();
export const DIGITS = "0123456789";
export const HEX = valuesOf(`${DIGITS}abcdef`);
for (let i = 10; i < 16; i++) HEX[0x41 - 10 + i] = i;
