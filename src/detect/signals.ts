/** What kinds of characters stand beside each other, counted once: it tells which disguises a text can have at all. */

const SPACE = 1;
const LETTER = 2;
const DIGIT = 3;
const DOT = 4;
const DASH = 5;
const PERCENT = 6;
const AMPERSAND = 7;
const BACKSLASH = 8;
const EQUALS = 9;
const SIGN = 10;
const OPEN = 11;
const COLON = 12;
const HASH = 13;
const PLUS = 14;
const BRACE = 15;
const KINDS = 16;

const KIND = new Uint8Array(256);
for (let byte = 0x30; byte <= 0x39; byte++) KIND[byte] = DIGIT;
for (let byte = 0x61; byte <= 0x7a; byte++) KIND[byte] = KIND[byte - 0x20] = LETTER;
for (const [marks, kind] of [
  [" \t\n\r,", SPACE],
  [".", DOT],
  ["-_", DASH],
  ["%", PERCENT],
  ["&", AMPERSAND],
  ["\\", BACKSLASH],
  ["=", EQUALS],
  ["@$!|(<", SIGN],
  ["[", OPEN],
  [":", COLON],
  ["#", HASH],
  ["+", PLUS],
  ["{", BRACE],
] as const) {
  for (let i = 0; i < marks.length; i++) KIND[marks.charCodeAt(i)] = kind;
}

const pairs = new Uint32Array(KINDS * KINDS);

/** Which views a text can have. */
export interface Signals {
  readonly numbers: boolean;
  readonly morse: boolean;
  readonly escapes: boolean;
  readonly leet: boolean;
  /** `::`, as in a slice. */
  readonly slices: boolean;
  /** `{0`, as in a format. */
  readonly formats: boolean;
}

/** In a text longer than this every other pair is looked at. */
const WHOLE = 2048;
/** A list of numbers has so many digits in a block. */
const BLOCK = 256;
const MANY_DIGITS = 12;

/** Of ASCII text. Linear, with hardly a branch. */
export function signalsOf(text: Uint8Array): Signals {
  pairs.fill(0);
  const last = text.length - 1;
  const step = text.length > WHOLE ? 2 : 1;
  let most = 0;
  let before = 0;
  for (let at = 0; at < last; at += BLOCK) {
    for (let i = at, end = Math.min(last, at + BLOCK); i < end; i += step) {
      const pair = ((KIND[text[i] as number] as number) << 4) | (KIND[text[i + 1] as number] as number);
      pairs[pair] = (pairs[pair] as number) + 1;
    }
    const digits = row(DIGIT);
    if ((digits - before) * step > most) most = (digits - before) * step;
    before = digits;
  }
  const dots = of(DOT, DOT) + of(DOT, DASH) + of(DASH, DOT) + of(DASH, DASH) + of(DASH, SPACE) + of(SPACE, DASH);
  const doubled = of(DOT, SPACE) + of(SPACE, DOT);
  const codes = of(PERCENT, LETTER) + of(PERCENT, DIGIT) + of(AMPERSAND, HASH) + of(AMPERSAND, LETTER);
  const backslashes = of(BACKSLASH, LETTER) + of(BACKSLASH, DIGIT);
  const quoted = of(EQUALS, DIGIT) + of(EQUALS, LETTER) + of(EQUALS, SPACE);
  const beside = of(LETTER, DIGIT) + of(DIGIT, LETTER) + of(SIGN, LETTER) + of(LETTER, SIGN) + of(LETTER, PLUS);
  return {
    numbers: most >= MANY_DIGITS,
    morse: dots >= 3 && dots + doubled >= 6,
    escapes: codes + backslashes > 0 || quoted > 1 || of(PLUS, DIGIT) > 0,
    leet: beside >= 2,
    formats: of(BRACE, DIGIT) > 0,
    slices: of(OPEN, COLON) + of(COLON, COLON) > 0,
  };
}

function of(first: number, second: number): number {
  return pairs[(first << 4) | second] as number;
}

function row(kind: number): number {
  let sum = 0;
  for (let other = 0; other < KINDS; other++) sum += of(kind, other);
  return sum;
}
