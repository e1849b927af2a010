/** How much a value under a telling name looks like a secret. Bytes decide first; what is left is judged as a string. */
import { ALNUM, ascii, CAPITAL, DIGIT, KIND, LETTER, latin1, SMALL } from "./bytes.ts";
import { entropyOf, isPlaceholder } from "./placeholder.ts";
import type { Confidence } from "./rule.ts";

/** Null: it is none. */
export type Confident = Confidence | null;

const MIN_RANDOM = 10;
const MAX_RANDOM = 400;
const MIN_PASSWORD = 6;
const MAX_PASSWORD = 128;

/** Blanks, brackets, signs of templates: in no token. */
const FOREIGN = 1;
/** In no hex number. */
const NO_HEX = 2;
/** In no password. */
const NO_PASSWORD = 4;
/** Makes a password of a word. */
const SPECIAL = 8;
const DOT = 16;
const SIGNS = signs();
/** What addresses and variables begin with. */
const OPENS = new Uint8Array(256);
for (const byte of ascii("hfsgaupdetorHFSGAUPDETOR./~$%@")) OPENS[byte] = 1;

function signs(): Uint8Array {
  const table = new Uint8Array(256).fill(NO_HEX | SPECIAL);
  const clear = (chars: string, bits: number): void => {
    for (const byte of ascii(chars)) table[byte] = (table[byte] as number) & ~bits;
  };
  const set = (chars: string, bit: number): void => {
    for (const byte of ascii(chars)) table[byte] = (table[byte] as number) | bit;
  };
  clear("0123456789abcdefABCDEF-", NO_HEX);
  clear("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-", SPECIAL);
  set(" \t\n\v\f\r(){}[]$<>|", FOREIGN);
  set(" \t\n\v\f\r(){}[]<>|;", NO_PASSWORD);
  set(".", DOT);
  return table;
}

const ADDRESS = /^(?:https?|file|ftp|s3|gs|arn|urn|projects|data|sha\d{1,3}|git):?[:/-]|^[./~]/i;
const WORDS = /^[A-Za-z]+(?:[-_. ][A-Za-z]+)*[-_.]?\d{0,4}$/;
const NUMBERS = /^[\d.,:/T Z+-]+$/;
const DOTTED = /^[A-Za-z_]+(?:\.[A-Za-z_]\w*)+$/;

/** `weak`: the name alone says little. Every expression here is linear. */
export function randomness(
  bytes: Uint8Array,
  start: number,
  end: number,
  { quoted, weak }: { readonly quoted: boolean; readonly weak: boolean },
): Confident {
  const length = end - start;
  if (length < MIN_RANDOM || length > MAX_RANDOM) return null;
  let digits = 0;
  let letters = 0;
  let humps = 0;
  let islands = 0;
  let signs = 0;
  let before = 0;
  let wet = false;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    signs |= SIGNS[byte] as number;
    const kind = (KIND[byte] as number) & ALNUM;
    if (kind === DIGIT) {
      digits++;
      if (before !== DIGIT) wet = (before & LETTER) !== 0;
    } else if (kind !== 0) {
      letters++;
      // Runs of digits with a letter on either side.
      if (before === DIGIT && wet) islands++;
      // Capitals behind small letters.
      if (before === SMALL && kind === CAPITAL) humps++;
    }
    before = kind;
  }
  if ((signs & FOREIGN) !== 0 || (digits === 0 && !(length >= 20 && humps >= 4)) || (digits < 2 && length < 16))
    return null;
  if (weak && (length < 20 || letters === 0 || digits < 3)) return null;
  const bits = entropyOf(bytes, start, end);
  const needed = (signs & NO_HEX) === 0 ? 2.6 : length < 16 ? 2.9 : 3.1;
  if (bits < needed || (weak && bits <= 3.5) || isPlaceholder(bytes, start, end)) return null;
  const mayBe =
    OPENS[bytes[start] as number] === 1 ||
    (digits < 5 && islands < 2) ||
    letters < 3 ||
    (!quoted && (signs & DOT) !== 0);
  if (mayBe && isOrdinary(latin1(bytes, start, end), { digits, letters, islands, quoted })) return null;
  if (weak) return "medium";
  return length >= 16 && digits >= 2 && letters >= 2 ? "high" : "medium";
}

interface Features {
  readonly digits: number;
  readonly letters: number;
  readonly islands: number;
  readonly quoted: boolean;
}

/** Addresses; words with a number behind them; versions, dates; dotted names. */
function isOrdinary(value: string, { digits, letters, islands, quoted }: Features): boolean {
  if (ADDRESS.test(value)) return true;
  if (digits < 5 && islands < 2 && WORDS.test(value)) return true;
  if (letters < 3 && NUMBERS.test(value) && !(digits === value.length && digits >= 15)) return true;
  return !quoted && DOTTED.test(value);
}

const VARIABLE = /^(?:\$|%|@|process\.|os\.|env[.[]|self\.|this\.|req\.|data:|https?:)/;
const KNOWN =
  /^(?:pass(?:word|wd|phrase)?|secret|string|null|none|undefined|required|optional|true|false|hash\w*|text|input|hidden)\d{0,3}$/i;
const NAMES = /^[a-zA-Z_]+(?:\.[a-zA-Z_]+)*$/;

/** A password, which a person may have made up. */
export function passwordness(bytes: Uint8Array, start: number, end: number, quoted: boolean): Confident {
  const length = end - start;
  if (length < MIN_PASSWORD || length > MAX_PASSWORD) return null;
  let kinds = 0;
  let signs = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    kinds |= KIND[byte] as number;
    signs |= SIGNS[byte] as number;
  }
  const digit = (kinds & DIGIT) !== 0;
  const letter = (kinds & LETTER) !== 0;
  const special = (signs & SPECIAL) !== 0;
  if ((signs & NO_PASSWORD) !== 0 || !letter || (!digit && !(quoted && (special || length >= 10)))) return null;
  if (isPlaceholder(bytes, start, end)) return null;
  if (OPENS[bytes[start] as number] === 1 || !special) {
    const value = latin1(bytes, start, end);
    if (VARIABLE.test(value) || KNOWN.test(value) || (!quoted && NAMES.test(value))) return null;
  }
  if (!digit) return "low";
  return special || (length >= 12 && entropyOf(bytes, start, end) >= 3) ? "medium" : "low";
}
