/** Text in characters nobody sees, and in letters that stand on their head. */
import { isText } from "./_text.ts";
import { NUMBER_SIGN } from "./braille.ts";
import type { Draft } from "./draft.ts";
import { CODE_MASK, LENGTH_SHIFT, utf8At } from "./escapes.ts";
import { invisiblePlace, LEAST_DIGITS, MAX_DIGITS, readDigits } from "./invisible-digits.ts";

const LEAST_SELECTORS = 4;
const MAX_HIDDEN = MAX_DIGITS;

const codes = new Uint8Array(MAX_HIDDEN);
const scattered = new Uint8Array(MAX_HIDDEN);
const out = new Uint8Array(MAX_HIDDEN);
let written = 0;
let length = 0;

/** Of U+2000 to U+207F those that nobody sees. */
const UNSEEN = new Uint8Array(128);
for (let code = 0x2000; code < 0x2080; code++) if (invisiblePlace(code) !== -1) UNSEEN[code & 0x7f] = 1;

/** Whether text is worth `undoHidden`, by one character that is like nothing in ASCII. */
export function mayHide(code: number): boolean {
  if (code < 0x2000) return code === 0x34f || (code >= 0x115f && code <= 0x180f && invisiblePlace(code) !== -1);
  if (code < 0x2080) return UNSEEN[code & 0x7f] === 1;
  if (code < 0xfe00) return code === 0x3164;
  return code <= 0xfe0f || code === 0xfeff || code === 0xffa0 || (code >= 0xe0100 && code <= 0xe01ef);
}

/** Undoes variation selectors that spell bytes, and invisible characters that are digits. Linear. */
export function undoHidden(text: Uint8Array, draft: Draft): void {
  let all = 0;
  let firstOfAll = -1;
  let lastOfAll = 0;
  let i = nextHigh(text, 0);
  while (i < text.length) {
    const from = i;
    let kind = kindAt(text, i);
    if (kind === 0) {
      i = nextHigh(text, i + Math.max(1, length));
      continue;
    }
    const first = kind;
    let count = 0;
    let end = i;
    while (kind === first && count < MAX_HIDDEN) {
      codes[count++] = value;
      if (first === 2 && all < MAX_HIDDEN) scattered[all++] = value;
      i += length;
      end = i;
      kind = i < text.length && (text[i] as number) >= 0xc2 ? kindAt(text, i) : 0;
    }
    if (first === 2) {
      if (firstOfAll === -1) firstOfAll = from;
      lastOfAll = end;
    }
    if (first === 1 && count >= LEAST_SELECTORS && selectors(count)) {
      draft.undo(from, end, "variation selectors");
      draft.putAll(out.subarray(0, written));
    } else if (first === 2 && count >= LEAST_DIGITS) {
      const read = readDigits(codes, count);
      if (read !== null) {
        draft.undo(from, end, "invisible digits");
        draft.putAll(read);
      }
    }
    if (i < text.length && (text[i] as number) < 0x80) i = nextHigh(text, i);
  }
  // A digit here and there, between the letters of another text.
  const read = draft.empty && all >= LEAST_DIGITS ? readDigits(scattered, all) : null;
  if (read !== null) {
    draft.undo(firstOfAll, lastOfAll, "invisible digits");
    draft.putAll(read);
  }
}

function nextHigh(text: Uint8Array, from: number): number {
  let i = from;
  while (i < text.length && (text[i] as number) < 0xc2) i += 1;
  return i;
}

let value = 0;

/** 1: a variation selector, its number in `value`; 2: invisible, its place in the table; 0: neither. `length` in bytes. */
function kindAt(text: Uint8Array, at: number): 0 | 1 | 2 {
  const lead = text[at] as number;
  length = 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const read = utf8At(text, at);
  const code = read & CODE_MASK;
  length = read >> LENGTH_SHIFT;
  if (code >= 0xfe00 && code <= 0xfe0f) {
    value = code - 0xfe00;
    return 1;
  }
  if (code >= 0xe0100 && code <= 0xe01ef) {
    value = code - 0xe0100 + 16;
    return 1;
  }
  const place = invisiblePlace(code);
  value = place;
  return place === -1 ? 0 : 2;
}

/** As bytes, counted from the first selector of all, or from the first of the second block. */
function selectors(count: number): boolean {
  for (const shift of [0, 16]) {
    written = 0;
    let letters = 0;
    for (let i = 0; i < count; i++) {
      const byte = (codes[i] as number) - shift;
      if (byte < 0) break;
      out[written++] = byte;
      if ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) letters += 1;
    }
    if (written === count && letters * 2 > count && isText(out, 0, written)) {
      // Capitals where there should be small letters: the other way to count.
      let small = 0;
      for (let i = 0; i < written; i++) if ((out[i] as number) >= 0x61 && (out[i] as number) <= 0x7a) small += 1;
      if (small * 2 >= letters || shift === 16) return true;
    }
  }
  return written === count && isText(out, 0, written);
}

const UPSIDE_DOWN = new Map(
  Object.entries({
    ɐ: "a",
    q: "b",
    ɔ: "c",
    p: "d",
    ǝ: "e",
    ɟ: "f",
    ƃ: "g",
    ᵷ: "g",
    ɓ: "g",
    ɥ: "h",
    ı: "i",
    ᴉ: "i",
    ɾ: "j",
    ſ: "j",
    ʞ: "k",
    l: "l",
    ꞁ: "l",
    ʃ: "l",
    ɯ: "m",
    u: "n",
    o: "o",
    d: "p",
    b: "q",
    ɹ: "r",
    s: "s",
    ʇ: "t",
    n: "u",
    ʌ: "v",
    ʍ: "w",
    x: "x",
    ʎ: "y",
    z: "z",
    m: "w",
    w: "m",
    "∀": "A",
    Ɔ: "C",
    Ǝ: "E",
    Ⅎ: "F",
    "⅁": "G",
    H: "H",
    I: "I",
    ſ́: "J",
    "˥": "L",
    W: "M",
    N: "N",
    O: "O",
    Ԁ: "P",
    S: "S",
    "┴": "T",
    "∩": "U",
    Λ: "V",
    M: "W",
    X: "X",
    "⅄": "Y",
    Z: "Z",
    "˙": ".",
    "¡": "!",
    "¿": "?",
    ᗺ: "B",
    ᗡ: "D",
    ᴚ: "R",
  }).flatMap(([from, to]) => (from.length === 1 ? [[from.charCodeAt(0), to.charCodeAt(0)] as const] : [])),
);
const LEAST_TURNED = 4;

/** Whether a letter stands on its head, or is a sign of Braille that says how to read the next ones. */
export function isTurned(code: number): boolean {
  return (code >= 0x250 && code < 0x2b0) || code === 0x1dd || code === 0x1d09 || code === NUMBER_SIGN;
}

/** Undoes text on its head, line by line: turned round, it reads from the last character to the first. */
export function undoTurned(text: Uint8Array, draft: Draft): void {
  let from = 0;
  while (from < text.length) {
    const found = text.indexOf(0x0a, from);
    const end = found === -1 ? text.length : found;
    written = 0;
    let turned = 0;
    for (let i = from; i < end && written < MAX_HIDDEN; ) {
      const byte = text[i] as number;
      const read = byte >= 0xc2 && byte < 0xf5 ? utf8At(text, i) : (1 << LENGTH_SHIFT) | byte;
      const code = read & CODE_MASK;
      if (isTurned(code)) turned += 1;
      out[written++] = UPSIDE_DOWN.get(code) ?? (code < 0x80 ? code : 0x20);
      i += read >> LENGTH_SHIFT;
    }
    if (turned >= LEAST_TURNED) {
      draft.undo(from, end, "upside down");
      for (let i = written - 1; i >= 0; i--) draft.put(out[i] as number);
    }
    from = end + 1;
  }
}
