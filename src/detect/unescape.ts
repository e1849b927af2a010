/** Escapes of text undone: HTML, URLs, quoted-printable, and the strings of programs and style sheets. */
import { HEX } from "./_text.ts";
import type { Draft } from "./draft.ts";
import { putUtf8 } from "./leaves.ts";

/** Plain bytes between two escapes of one passage, at the most. */
const REACH = 96;
const MAX_PASSAGE = 32 * 1024;

const AMPERSAND = 0x26;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const EQUALS = 0x3d;
const PLUS = 0x2b;
const CAPITAL_U = 0x55;
const SMALL_U = 0x75;

const BEGINS = new Uint8Array(256);
for (const mark of [AMPERSAND, PERCENT, BACKSLASH, EQUALS, CAPITAL_U, SMALL_U]) BEGINS[mark] = 1;

const ENTITIES = new Map(
  Object.entries({
    amp: "&",
    lt: "<",
    gt: ">",
    quot: '"',
    apos: "'",
    nbsp: " ",
    sol: "/",
    bsol: "\\",
    colon: ":",
    semi: ";",
    excl: "!",
    quest: "?",
    lpar: "(",
    rpar: ")",
    lsqb: "[",
    lbrack: "[",
    rsqb: "]",
    rbrack: "]",
    lcub: "{",
    rcub: "}",
    num: "#",
    equals: "=",
    commat: "@",
    dollar: "$",
    percnt: "%",
    period: ".",
    comma: ",",
    grave: "`",
    lowbar: "_",
    Tab: "\t",
    NewLine: "\n",
    shy: "",
    zwnj: "",
    zwj: "",
    ensp: " ",
    emsp: " ",
    thinsp: " ",
    hellip: "...",
    ndash: "-",
    mdash: "-",
    lsquo: "'",
    rsquo: "'",
    ldquo: '"',
    rdquo: '"',
  }),
);
const LONGEST_ENTITY = 7;

const out = new Uint8Array(MAX_PASSAGE + 256);

/** What the last escape came to: a code point, or -1 for nothing, and the bytes it took. */
let code = 0;
let size = 0;
let entity = "";

/** Undoes passages with escapes in ASCII `text` that begin in [from, to); returns where the last one ends. Linear. */
export function undoEscapes(text: Uint8Array, draft: Draft, from: number, to: number): number {
  let i = from;
  for (; i < to; i++) {
    if (BEGINS[text[i] as number] === 0) continue;
    if (((text[i] as number) | 0x20) === SMALL_U && text[i + 1] !== PLUS) continue;
    const kind = escapeAt(text, i);
    if (kind !== null) i = undoPassage(text, i, kind, draft) - 1;
  }
  return i;
}

/** Returns where it ends. */
function undoPassage(text: Uint8Array, from: number, first: string, draft: Draft): number {
  let kind = first;
  let count = 0;
  let end = from;
  let kept = 0;
  let escapes = 0;
  let breaks = 0;
  for (let i = from; i < text.length && i - end < REACH && count < MAX_PASSAGE; ) {
    const found = BEGINS[text[i] as number] === 1 ? escapeAt(text, i) : null;
    if (found === null) {
      out[count++] = text[i] as number;
      i += 1;
      continue;
    }
    if (escapes > 0 && found !== "quoted-printable") kind = found;
    if (entity !== "") for (let j = 0; j < entity.length; j++) out[count++] = entity.charCodeAt(j);
    // Bytes as they are: two of them or more may be one character of UTF-8.
    else if (code >= 0 && (found === "url" || found === "quoted-printable") && code < 0x100) out[count++] = code;
    else if (code >= 0) count = putUtf8(code, out, count);
    if (code < 0 && entity === "") breaks += 1;
    i += size;
    end = i;
    kept = count;
    escapes += 1;
  }
  // `a=10` is no quoted-printable, nor is the end of base64 before a line's end; nor is one backslash a passage worth another look.
  if (kind === "quoted-printable" && (escapes < 2 || escapes === breaks)) return end;
  draft.undo(from, end, kind);
  draft.putAll(out.subarray(0, kept));
  return end;
}

function escapeAt(text: Uint8Array, at: number): string | null {
  entity = "";
  switch (text[at]) {
    case AMPERSAND:
      return entityAt(text, at) ? "html" : null;
    case PERCENT:
      if ((at + 1 < text.length && text[at + 1] === 0x75) || text[at + 1] === 0x55) {
        return hexAt(text, at + 2, 4, 4) ? sized(6, "url") : null;
      }
      return hexAt(text, at + 1, 2, 2) ? sized(3, "url") : null;
    case EQUALS:
      return quotedPrintableAt(text, at) ? "quoted-printable" : null;
    case CAPITAL_U:
    case SMALL_U:
      // U+0069
      if (at + 6 > text.length || text[at + 1] !== PLUS) return null;
      return hexAt(text, at + 2, 4, 6) ? sized(2 + digits, "unicode") : null;
    default:
      return backslashAt(text, at) ? "escapes" : null;
  }
}

function sized(bytes: number, kind: string): string {
  size = bytes;
  return kind;
}

let digits = 0;

/** From `least` to `most` digits into `code`. */
function hexAt(text: Uint8Array, at: number, least: number, most: number): boolean {
  digits = 0;
  code = 0;
  while (digits < most && at + digits < text.length) {
    const value = HEX[text[at + digits] as number] as number;
    if (value === 255) break;
    code = code * 16 + value;
    digits += 1;
  }
  return digits >= least && code <= 0x10ffff;
}

function entityAt(text: Uint8Array, at: number): boolean {
  let i = at + 1;
  if (text[i] === 0x23) {
    i += 1;
    if (i < text.length && ((text[i] as number) | 0x20) === 0x78) {
      if (!hexAt(text, i + 1, 1, 7)) return false;
      i += 1 + digits;
    } else {
      code = 0;
      const from = i;
      while (i < text.length && i - from < 8) {
        const digit = (text[i] as number) - 0x30;
        if (digit < 0 || digit > 9) break;
        code = code * 10 + digit;
        i += 1;
      }
      if (i === from || code > 0x10ffff) return false;
    }
    size = i - at + (text[i] === 0x3b ? 1 : 0);
    return true;
  }
  const end = text.subarray(i, i + LONGEST_ENTITY + 1).indexOf(0x3b);
  if (end < 2) return false;
  const found = ENTITIES.get(String.fromCharCode(...text.subarray(i, i + end)));
  if (found === undefined) return false;
  entity = found;
  code = -1;
  size = end + 2;
  return true;
}

function quotedPrintableAt(text: Uint8Array, at: number): boolean {
  const next = text[at + 1];
  if (next === 0x0a || (next === 0x0d && text[at + 2] === 0x0a)) {
    code = -1;
    size = next === 0x0a ? 2 : 3;
    return true;
  }
  size = 3;
  return (
    hexAt(text, at + 1, 2, 2) && (code >= 0x20 || code === 0x0a || code === 0x0d || code === 0x09) && code !== 0x7f
  );
}

function backslashAt(text: Uint8Array, at: number): boolean {
  switch (text[at + 1]) {
    case 0x78: // \x69
      size = 4;
      return hexAt(text, at + 2, 2, 2);
    case 0x75: // \u0069, \u{69}
      if (text[at + 2] === 0x7b) {
        if (!hexAt(text, at + 3, 1, 6) || text[at + 3 + digits] !== 0x7d) return false;
        size = 4 + digits;
        return true;
      }
      size = 6;
      return hexAt(text, at + 2, 4, 4);
    case 0x55: // \U00000069
      size = 10;
      return hexAt(text, at + 2, 8, 8);
    default:
      return numberAt(text, at);
  }
}

/** `\\151` of programs, `\\69 ` and `\\000069` of style sheets. */
function numberAt(text: Uint8Array, at: number): boolean {
  if (!hexAt(text, at + 1, 2, 6)) return false;
  if (digits >= 3) {
    const [a = 0, b = 0, c = 0] = [text[at + 1], text[at + 2], text[at + 3]];
    const octal = ((a - 0x30) << 6) | ((b - 0x30) << 3) | (c - 0x30);
    if (a <= 0x33 && b >= 0x30 && b <= 0x37 && c >= 0x30 && c <= 0x37 && octal >= 0x20 && octal < 0x7f) {
      code = octal;
      size = 4;
      return true;
    }
  }
  if (code < 0x20 || code > 0x10ffff) return false;
  size = 1 + digits + (text[at + 1 + digits] === 0x20 ? 1 : 0);
  return true;
}
