/** Text in characters nobody sees, and in letters that stand on their head. */
import { isText } from "./_text.ts";
import type { Draft } from "./draft.ts";
import { CODE_MASK, LENGTH_SHIFT, utf8At } from "./escapes.ts";

const LEAST_SELECTORS = 4;
const LEAST_BITS = 28;
const MAX_HIDDEN = 32 * 1024;

/** Invisible characters that are used as bits; what is not among the two most frequent is a space. */
const INVISIBLE = [0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xfeff, 0x180e];

const codes = new Uint8Array(MAX_HIDDEN);
const out = new Uint8Array(MAX_HIDDEN);
let written = 0;
let length = 0;

/** Whether text is worth `undoHidden`, by one character that is like nothing in ASCII. */
export function mayHide(code: number): boolean {
  return (
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2060 && code <= 0x2064) ||
    code === 0xfeff ||
    (code >= 0xfe00 && code <= 0xfe0f) ||
    (code >= 0xe0100 && code <= 0xe01ef)
  );
}

/** Undoes variation selectors that spell bytes, and invisible characters that spell bits, in UTF-8. Linear. */
export function undoHidden(text: Uint8Array, draft: Draft): void {
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
      i += length;
      end = i;
      kind = i < text.length && (text[i] as number) >= 0xc2 ? kindAt(text, i) : 0;
    }
    const found = first === 1 ? count >= LEAST_SELECTORS && selectors(count) : count >= LEAST_BITS && bits(count);
    if (found) {
      draft.undo(from, end, first === 1 ? "variation selectors" : "invisible bits");
      draft.putAll(out.subarray(0, written));
    }
    if (i < text.length && (text[i] as number) < 0x80) i = nextHigh(text, i);
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
  const place = INVISIBLE.indexOf(code);
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

function bits(count: number): boolean {
  const seen = new Int32Array(INVISIBLE.length);
  for (let i = 0; i < count; i++) seen[codes[i] as number] = (seen[codes[i] as number] as number) + 1;
  const order = [...seen.keys()].sort((a, b) => (seen[b] as number) - (seen[a] as number));
  const [one = 0, two = 0] = order;
  for (const width of [8, 7]) {
    for (const zero of [Math.min(one, two), Math.max(one, two)]) {
      const set = zero === one ? two : one;
      written = 0;
      let held = 0;
      let have = 0;
      for (let i = 0; i < count; i++) {
        const code = codes[i] as number;
        if (code !== zero && code !== set) {
          out[written++] = 0x20;
          held = have = 0;
          continue;
        }
        held = (held << 1) | (code === set ? 1 : 0);
        have += 1;
        if (have < width) continue;
        out[written++] = held;
        held = have = 0;
      }
      if (written >= 4 && isText(out, 0, written)) return true;
    }
  }
  return unpadded(count, one, two) || unpadded(count, two, one);
}

/** Bits of each character without leading zeros: seven, or six of a mark or digit. Each begins with a one. */
function unpadded(count: number, zero: number, set: number): boolean {
  written = 0;
  for (let i = 0; i < count; ) {
    const code = codes[i] as number;
    if (code !== zero && code !== set) {
      out[written++] = 0x20;
      i += 1;
      continue;
    }
    if (code !== set) return false;
    const width = beginsAt(i + 7, count, zero) && isLetterAt(i, count, set) ? 7 : beginsAt(i + 6, count, zero) ? 6 : 7;
    let held = 0;
    for (let bit = 0; bit < width && i < count; bit++, i++) held = (held << 1) | (codes[i] === set ? 1 : 0);
    out[written++] = held;
  }
  return written >= 4 && isText(out, 0, written);
}

function beginsAt(at: number, count: number, zero: number): boolean {
  return at >= count || codes[at] !== zero;
}

function isLetterAt(at: number, count: number, set: number): boolean {
  let held = 0;
  for (let bit = 0; bit < 7; bit++) held = (held << 1) | (at + bit < count && codes[at + bit] === set ? 1 : 0);
  // A capital inside of a word is a mark, and what comes behind it.
  const letter = written === 0 || out[written - 1] === 0x20 ? held | 0x20 : held;
  return letter >= 0x61 && letter <= 0x7a;
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

/** Whether a letter stands on its head. */
export function isTurned(code: number): boolean {
  return (code >= 0x250 && code < 0x2b0) || code === 0x1dd || code === 0x1d09;
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
