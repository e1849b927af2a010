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

/** Bytes as a string with one character a byte. For short ranges: callers bound them. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
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
  const before = kindAt(bytes, at - 1);
  if ((before & ALNUM) === 0) return true;
  if ((before & LETTER) !== 0 && bytes[at - 2] === 0x5c) return true;
  return bytes[at - 3] === 0x25 && (before & HEX) !== 0 && (kindAt(bytes, at - 2) & HEX) !== 0;
}
