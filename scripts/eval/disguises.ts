/** Disguises as people and tools write them, made here for texts that were not collected with one. */
import { gzipSync } from "node:zlib";

const bytesOf = (text: string): Buffer => Buffer.from(text, "utf8");
const letters = (text: string, turn: (letter: number) => number): string =>
  text.replace(/[a-z]/gi, (one) => {
    const base = one <= "Z" ? 0x41 : 0x61;
    return String.fromCharCode(base + turn(one.charCodeAt(0) - base));
  });

const MORSE =
  ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..".split(
    " ",
  );
const NATO =
  "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu".split(
    " ",
  );
const BRAILLE = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵";
const spelt = (text: string, words: readonly string[], between: string, space: string): string =>
  text
    .toLowerCase()
    .split(/\s+/)
    .map((word) => [...word].map((one) => words[one.charCodeAt(0) - 0x61] ?? one).join(between))
    .join(space);

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
function base32(text: string): string {
  let bits = 0;
  let held = 0;
  let out = "";
  for (const byte of bytesOf(text)) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += BASE32[(held >>> (bits - 5)) & 31];
    held &= 0xff;
  }
  if (bits > 0) out += BASE32[(held << (5 - bits)) & 31];
  return out.padEnd(Math.ceil(out.length / 8) * 8, "=");
}

const LEET: Readonly<Record<string, string>> = { a: "4", e: "3", i: "1", o: "0", s: "5", t: "7" };
/** Pieces of five characters, as whoever cuts a text up for a program. */
const pieces = (text: string): string[] => text.match(/[\s\S]{1,5}/gu) ?? [];
const each = (text: string, write: (code: number) => string): string =>
  Array.from({ length: text.length }, (_, i) => write(text.charCodeAt(i))).join("");

export const DISGUISES: Readonly<Record<string, (text: string) => string>> = {
  base64: (text) => bytesOf(text).toString("base64"),
  "base64 of base64": (text) => bytesOf(bytesOf(text).toString("base64")).toString("base64"),
  "gzip in base64": (text) => gzipSync(bytesOf(text)).toString("base64"),
  base32,
  hex: (text) => bytesOf(text).toString("hex"),
  rot13: (text) => letters(text, (n) => (n + 13) % 26),
  "rot 7": (text) => letters(text, (n) => (n + 7) % 26),
  atbash: (text) => letters(text, (n) => 25 - n),
  reversed: (text) => [...text].reverse().join(""),
  leetspeak: (text) => text.replace(/[aeiost]/gi, (one) => LEET[one.toLowerCase()] ?? one),
  "spaces between letters": (text) => text.replace(/\S(?=\S)/gu, "$& ").replace(/ {1,}\s/g, "   "),
  "invisible characters between letters": (text) => text.replace(/\S(?=\S)/gu, "$&\u200b"),
  "tag characters": (text) =>
    [...text].map((one) => (one < "\x7f" ? String.fromCodePoint(0xe0000 + one.charCodeAt(0)) : one)).join(""),
  "full-width letters": (text) => text.replace(/[!-~]/g, (one) => String.fromCharCode(one.charCodeAt(0) + 0xfee0)),
  "letters of Cyrillic": (text) => text.replace(/[aceopx]/g, (one) => "асеорх"["aceopx".indexOf(one)] ?? one),
  morse: (text) => spelt(text, MORSE, " ", " / "),
  NATO: (text) => spelt(text, NATO, " ", ", "),
  Braille: (text) => spelt(text, [...BRAILLE], "", " "),
  "URL escapes": (text) => [...bytesOf(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  "HTML entities": (text) => each(text, (code) => `&#${code};`),
  "JavaScript escapes": (text) => each(text, (code) => `\\u${code.toString(16).padStart(4, "0")}`),
  "char codes": (text) => `String.fromCharCode(${each(text, (code) => `${code},`).slice(0, -1)})`,
  "concatenation in Python": (text) =>
    `print(${pieces(text)
      .map((piece) => JSON.stringify(piece))
      .join(" + ")})`,
  "variables in JavaScript": (text) =>
    `${pieces(text)
      .map((piece, i) => `const p${i} = ${JSON.stringify(piece)};`)
      .join("\n")}\nrun(${pieces(text)
      .map((_, i) => `p${i}`)
      .join(" + ")});`,
  "an array joined": (text) => `[${pieces(text).map((piece) => JSON.stringify(piece))}].join("")`,
};
