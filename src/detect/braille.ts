/** Braille with number signs and marks as it is written, where its letters alone would take digits for letters. */
import type { Draft } from "./draft.ts";
import { CODE_MASK, LENGTH_SHIFT, utf8At } from "./escapes.ts";

const FIRST = 0x2800;
const LAST = 0x28ff;
export const NUMBER_SIGN = 0x283c;
const CAPITAL_SIGN = 0x2820;
const SPACE = 0x20;

/** Cells from U+2800 to U+283F, as they are written one for one. */
const CELLS = " a1b'k2l@cif/msp\"e3h9o6r^djg>ntq,*5<-u8v.%[$+x!&;:4\\0z7(_?w]#y)=";
/** Letters of the first ten, as digits behind a number sign. */
const TENS = "jabcdefghi";
/** Marks of the code that is taught today, where they differ from those that stand one for one. */
const MARKS: Readonly<Record<number, string>> = {
  10242: ",",
  10246: ";",
  10258: ":",
  10290: ".",
  10262: "!",
  10278: "?",
  10294: "(",
  10276: "-",
  10244: "'",
  10252: "/",
  10292: '"',
  10264: '"',
};

const LETTERS = new Uint8Array(64);
for (let i = 0; i < 64; i++) LETTERS[i] = (MARKS[FIRST + i] ?? CELLS[i] ?? " ").charCodeAt(0);

/** Undoes runs of Braille in UTF-8. Linear. */
export function undoBraille(text: Uint8Array, draft: Draft): void {
  let begun = false;
  let number = false;
  for (let i = text.indexOf(0xe2); i !== -1 && i < text.length; ) {
    const read = (text[i] as number) >= 0xc2 ? utf8At(text, i) : 0;
    const code = read & CODE_MASK;
    if (code < FIRST || code > LAST) {
      begun = number = false;
      i = text.indexOf(0xe2, i + 1);
      continue;
    }
    const size = read >> LENGTH_SHIFT;
    if (!begun) draft.undo(i, endOf(text, i), "braille");
    begun = true;
    i += size;
    if (code === NUMBER_SIGN) {
      number = true;
      continue;
    }
    if (code === CAPITAL_SIGN) {
      number = false;
      continue;
    }
    const letter = code < FIRST + 64 ? (LETTERS[code - FIRST] as number) : SPACE;
    const ten: number = number ? TENS.indexOf(String.fromCharCode(letter)) : -1;
    number = ten !== -1;
    draft.put(number ? 0x30 + ten : letter);
  }
}

function endOf(text: Uint8Array, from: number): number {
  let i = from;
  while (i + 2 < text.length && text[i] === 0xe2 && ((text[i + 1] as number) & 0xfc) === 0xa0) i += 3;
  return i;
}
