/** The smallest units of a text: one escape, one character. */

export interface Escape {
  /** Bytes of the escape, a whole surrogate pair when there is one; 0: no JSON escape. */
  length: number;
  /** The character. */
  code: number;
  /** Half a surrogate pair. */
  lone: boolean;
}

const found: Escape = { length: 0, code: 0, lone: false };

const SHORT = new Uint8Array(128);
for (const [letter, code] of [
  ['"', 0x22],
  ["\\", 0x5c],
  ["/", 0x2f],
  ["b", 8],
  ["f", 12],
  ["n", 10],
  ["r", 13],
  ["t", 9],
] as const) {
  SHORT[letter.charCodeAt(0)] = code;
}

/** The JSON escape that begins with the backslash at `at`. The answer is overwritten by the next call. */
export function readEscape(bytes: Uint8Array, at: number): Escape {
  const letter = bytes[at + 1] ?? 0;
  found.lone = false;
  found.length = 0;
  if (letter !== 0x75) {
    found.code = letter < 128 ? (SHORT[letter] as number) : 0;
    if (found.code !== 0) found.length = 2;
    return found;
  }
  const code = readHex4(bytes, at + 2);
  if (code === -1) return found;
  found.code = code;
  found.length = 6;
  if (code < 0xd800 || code > 0xdfff) return found;
  if (code < 0xdc00 && bytes[at + 6] === 0x5c && bytes[at + 7] === 0x75) {
    const low = readHex4(bytes, at + 8);
    if (low >= 0xdc00 && low <= 0xdfff) {
      found.code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      found.length = 12;
      return found;
    }
  }
  found.lone = true;
  return found;
}

/** The UTF-8 character at `at`, a byte of 0x80 or above: its bytes, 0 when it is none (overlong, surrogate, cut). */
export function readUtf8(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  const second = bytes[at + 1] ?? 0;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) return (second & 0xc0) === 0x80 ? 2 : 0;
  const third = bytes[at + 2] ?? 0;
  if ((third & 0xc0) !== 0x80) return 0;
  if (first < 0xf0) {
    const least = first === 0xe0 ? 0xa0 : 0x80;
    const most = first === 0xed ? 0x9f : 0xbf;
    return second >= least && second <= most ? 3 : 0;
  }
  const least = first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most && ((bytes[at + 3] ?? 0) & 0xc0) === 0x80 ? 4 : 0;
}

/** Writes a character as UTF-8; half a pair as U+FFFD, which is what a decoder makes of it. Answers the byte after it. */
export function writeUtf8(into: Uint8Array, at: number, character: number): number {
  const code = character >= 0xd800 && character <= 0xdfff ? 0xfffd : character;
  if (code < 0x80) {
    into[at] = code;
    return at + 1;
  }
  if (code < 0x800) {
    into[at] = 0xc0 | (code >> 6);
    into[at + 1] = 0x80 | (code & 63);
    return at + 2;
  }
  if (code < 0x10000) {
    into[at] = 0xe0 | (code >> 12);
    into[at + 1] = 0x80 | ((code >> 6) & 63);
    into[at + 2] = 0x80 | (code & 63);
    return at + 3;
  }
  into[at] = 0xf0 | (code >> 18);
  into[at + 1] = 0x80 | ((code >> 12) & 63);
  into[at + 2] = 0x80 | ((code >> 6) & 63);
  into[at + 3] = 0x80 | (code & 63);
  return at + 4;
}

/** 0–15, or -1. */
export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function readHex4(bytes: Uint8Array, at: number): number {
  let code = 0;
  for (let i = 0; i < 4; i++) {
    const digit = hexDigit(bytes[at + i] ?? 0);
    if (digit === -1) return -1;
    code = (code << 4) | digit;
  }
  return code;
}
