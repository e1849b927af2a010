/** What a character beyond ASCII looks like in ASCII: accents and styles taken away, look-alikes and tags unmasked. */

/**
 * Greek and Cyrillic letters that pass for Latin ones, and typographic quotes; NFKD takes accents and styles away before.
 * No quote here becomes JSON's own: text must never turn into structure.
 */
const LOOK_ALIKE = lookAlikes({
  a: "АаΑα",
  b: "ВвΒ",
  c: "Сс",
  d: "ԁ",
  e: "ЕеΕε",
  g: "ɡ",
  h: "НнһΗ",
  i: "ІіɩΙι",
  j: "Јј",
  k: "КкΚκ",
  l: "ӏ",
  m: "МмΜ",
  n: "Ν",
  o: "ОоΟο",
  p: "РрΡρ",
  q: "ԛ",
  s: "Ѕѕ",
  t: "ТтΤτ",
  u: "υ",
  v: "ν",
  w: "ԝ",
  x: "ХхΧχ",
  y: "УуΥ",
  z: "Ζ",
  "'": "‘’‚‛ʼ",
  "`": "“”„‟",
});

function lookAlikes(table: Readonly<Record<string, string>>): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (const [ascii, others] of Object.entries(table)) {
    for (const other of others) found.set(other.charCodeAt(0), ascii.charCodeAt(0));
  }
  return found;
}

const SPACE = 0x20;
/** From here on a likeness is none: a letter of another script, and in its low byte the letter it is read as. */
export const FOREIGN = 0x8000;
const FIRST_FOREIGN = 0x90;
const FOREIGN_LETTERS = 0x100 - FIRST_FOREIGN;

/** The byte that stands for a letter of another script: 0x90 to 0xFF, fixed for ever, or weights learnt from it are void. */
export function foreignLetter(code: number): number {
  return FIRST_FOREIGN + (((Math.imul(code, 0x9e3779b1) >>> 16) & 0xffff) % FOREIGN_LETTERS);
}

const PAGE_BITS = 8;
/** Pages are made when a text first needs one: 512 bytes each, a few dozen at the most. */
const pages: (Uint16Array | undefined)[] = new Array<Uint16Array | undefined>(0x110000 >> PAGE_BITS).fill(undefined);
const expansions: string[] = [];

/** Han and Hangul, most of what a text in them has: no page, and nothing to look up. */
function isIdeograph(code: number): boolean {
  return code < 0xd7a4 && code >= 0x3400 && (code >= 0xac00 || code < 0xa000);
}

/**
 * Below 0x80: the ASCII character, a space when there is none. From 0x80 on: what `expansionOf` takes. From `FOREIGN` on: a
 * letter like no Latin one.
 */
export function likenessOf(code: number): number {
  if (isIdeograph(code)) return FOREIGN | foreignLetter(code);
  const page = pages[code >> PAGE_BITS] ?? madePage(code >> PAGE_BITS);
  return page[code & ((1 << PAGE_BITS) - 1)] as number;
}

/** Two ASCII characters or more that one character stands for. */
export function expansionOf(likeness: number): string {
  return expansions[likeness - 0x80] ?? " ";
}

const PAGES_A_STEP = 8;

/**
 * Makes every page there is, which takes some 12 ms and 5 MB, a millisecond at a time: for who must not be held up by a
 * body of noise, which needs them all.
 */
export function* prepareLikenesses(): Generator<void, void> {
  let made = 0;
  for (let code = 0x80; code < 0x110000; code += 1 << PAGE_BITS) {
    if (pages[code >> PAGE_BITS] !== undefined) continue;
    likenessOf(code);
    if (mayResemble(code) && ++made % PAGES_A_STEP === 0) yield;
  }
}

const BLANK = new Uint16Array(1 << PAGE_BITS).fill(SPACE);

function madePage(number: number): Uint16Array {
  const first = number << PAGE_BITS;
  const page = mayResemble(first) ? new Uint16Array(1 << PAGE_BITS) : BLANK;
  if (page !== BLANK) for (let i = 0; i < page.length; i++) page[i] = likeness(first + i);
  pages[number] = page;
  return page;
}

/** False for the planes that hold nothing like a letter, and for what is no page's: most of Unicode. */
function mayResemble(first: number): boolean {
  if (first < 0x10000) return first < 0x3400 || (first >= 0xa000 && first < 0xac00) || first >= 0xf900;
  return first < 0x11a00 || (first >= 0x1cc00 && first < 0x33500) || first >> 10 === 0xe0000 >> 10;
}

const LETTER = /^\p{L}/u;

function likeness(code: number): number {
  if (code >> 10 === 0xe0000 >> 10) {
    // Tag characters spell ASCII invisibly.
    const tag = code & 0x3ff;
    return tag >= 0x20 && tag < 0x7f ? tag : SPACE;
  }
  let text = "";
  let foreign = 0;
  for (const char of String.fromCodePoint(code).normalize("NFKD")) {
    const plain = char.charCodeAt(0);
    const ascii = plain < 0x80 ? plain : (LOOK_ALIKE.get(plain) ?? SPACE);
    if (ascii !== SPACE) text += String.fromCharCode(ascii);
    else if (foreign === 0 && LETTER.test(char)) foreign = foreignLetter(char.toLowerCase().codePointAt(0) ?? 0);
  }
  if (text === "" && foreign !== 0) return FOREIGN | foreign;
  if (text.length <= 1) return text === "" ? SPACE : text.charCodeAt(0);
  return 0x7f + expansions.push(text);
}
