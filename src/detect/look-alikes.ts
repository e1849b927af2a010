/** What a character beyond ASCII looks like in ASCII: accents and styles taken away, look-alikes and tags unmasked. */

/**
 * Greek and Cyrillic letters that pass for Latin ones, and typographic quotes; NFKD takes accents and styles away before.
 * No quote here becomes JSON's own: text must never turn into structure.
 */
const LOOK_ALIKE = lookAlikes({
  a: "АаΑαᴀɑᎪ",
  b: "ВвΒʙᏼ",
  c: "СсᴄϲᏟ",
  d: "ԁᴅđᎠ",
  e: "ЕеΕεᴇ℮Ꭼ",
  f: "ꜰϝ",
  g: "ɡɢցᏀ",
  h: "НнһΗʜħհᎻ",
  i: "ІіɩΙιɪıᎥ",
  j: "Јјᴊյ",
  k: "КкΚκᴋᏦ",
  l: "ӏʟłᏞ",
  m: "МмΜᴍᎷ",
  n: "Νɴո",
  o: "ОоΟοᴏøօσ",
  p: "РрΡρᴘᏢ",
  q: "ԛǫզ",
  r: "ʀᎡ",
  s: "ЅѕꜱᏚ",
  t: "ТтΤτᴛŧᎢ",
  u: "υᴜս",
  v: "νᴠѵᏙ",
  w: "ԝᴡᎳ",
  x: "ХхΧχ",
  y: "УуΥʏү",
  z: "ΖᴢᏃ",
  "'": "‘’‚‛ʼ",
  "`": "“”„‟",
  ".": "·•․‧∙⋅●",
  "-": "‐‑‒–—―−▬",
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
function foreignLetter(code: number): number {
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

/** Dots one to six of Braille → letter, from a to z. */
const BRAILLE =
  "\x01\x03\x09\x19\x11\x0b\x1b\x13\x0a\x1a\x05\x07\x0d\x1d\x15\x0f\x1f\x17\x0e\x1e\x25\x27\x3a\x2d\x3d\x35";

/** Where an alphabet in a row of its own begins, that no decomposition knows. */
const ALPHABETS = [0x1f150, 0x1f170, 0x1f1e6];

/** The letter of such an alphabet, or of Braille; 0 when it is none. */
function plainLetter(code: number): number {
  if (code >> 8 === 0x28) {
    const index = BRAILLE.indexOf(String.fromCharCode(code & 0x3f));
    return index === -1 ? 0 : 0x61 + index;
  }
  for (const first of ALPHABETS) if (code >= first && code < first + 26) return 0x61 + code - first;
  return 0;
}

const LETTER = /^\p{L}/u;

function likeness(code: number): number {
  if (code >> 10 === 0xe0000 >> 10) {
    // Tag characters spell ASCII invisibly.
    const tag = code & 0x3ff;
    return tag >= 0x20 && tag < 0x7f ? tag : SPACE;
  }
  const letter = plainLetter(code);
  if (letter !== 0) return letter;
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
