/** What a byte is, by table. */

export const DIGIT = 1;
export const SMALL = 2;
export const CAPITAL = 4;
export const LETTER = SMALL | CAPITAL;
export const ALNUM = DIGIT | LETTER;
/** `_` and `-`. */
export const JOINER = 8;
export const WORD = ALNUM | JOINER;
/** 0-9 a-f A-F. */
export const HEX = 16;
/** Space, tab, CR, LF. */
export const SPACE = 32;
/** What tokens are written in: base64, base64url and the dots and tildes between parts. */
export const TOKEN = 64;

export const KIND: Uint8Array = kinds();

function kinds(): Uint8Array {
  const table = new Uint8Array(256);
  const mark = (chars: string, bit: number): void => {
    for (let i = 0; i < chars.length; i++) {
      const code = chars.charCodeAt(i);
      table[code] = (table[code] as number) | bit;
    }
  };
  const small = "abcdefghijklmnopqrstuvwxyz";
  const digits = "0123456789";
  mark(digits, DIGIT);
  mark(small, SMALL);
  mark(small.toUpperCase(), CAPITAL);
  mark("_-", JOINER);
  mark(`${digits}abcdefABCDEF`, HEX);
  mark(" \t\r\n", SPACE);
  mark(`${small}${small.toUpperCase()}${digits}_-+/=.~`, TOKEN);
  return table;
}

/** The kinds of the byte at `at`; 0 outside. */
export function kindAt(bytes: Uint8Array, at: number): number {
  return at < 0 || at >= bytes.length ? 0 : (KIND[bytes[at] as number] as number);
}

const decoder = new TextDecoder("latin1");

/** Bytes as a string with one character a byte. Dear: for what nothing cheaper has told yet. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** The low bytes of a text's characters, as many as fit. Answers how many. */
export function latin1Into(text: string, into: Uint8Array): number {
  const length = Math.min(text.length, into.length);
  for (let i = 0; i < length; i++) into[i] = text.charCodeAt(i);
  return length;
}

/** An ASCII capital as a small letter; any other byte as it is. */
export function lowered(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;
}

export function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * True when a token may begin at `at`: what stands before is no part of a longer word. The letter of an escape (`\n`) and
 * of a percent-escape (`%3D`) are not.
 */
export function beginsAt(bytes: Uint8Array, at: number): boolean {
  if (at === 0) return true;
  const before = KIND[bytes[at - 1] as number] as number;
  if ((before & ALNUM) === 0) return true;
  if ((before & LETTER) !== 0 && bytes[at - 2] === 0x5c) return true;
  return bytes[at - 3] === 0x25 && (before & HEX) !== 0 && (kindAt(bytes, at - 2) & HEX) !== 0;
}
