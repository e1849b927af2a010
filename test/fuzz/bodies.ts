/** Forms, multipart and RTF: what is read strictly is what a reader that was written by others reads. */

import { decodeText } from "../../src/content/coding.ts";
import { finish } from "../../src/content/finish.ts";
import { readForm } from "../../src/content/form.ts";
import { Leaves } from "../../src/content/leaves.ts";
import { parseMediaType } from "../../src/content/media-type.ts";
import { readMultipart } from "../../src/content/multipart.ts";
import { RtfText } from "../../src/content/rtf-text.ts";
import { bytesOf, demand, latin1, type Random } from "./random.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const PIECES = [
  ...[
    "a",
    "b1",
    "=",
    "=",
    "&",
    "&",
    "+",
    "%41",
    "%3d",
    "%26",
    "%EF%BB%BF",
    "%c3%a9",
    "%ff",
    "%",
    "%4",
    "%zz",
    "\u00c3\u00a9",
  ],
  ...["x[]", "__proto__", ";", "#", " ", "\r\n", "\u0000", "%00"],
];

/** True when it has a field. */
export function checkForm(random: Random): boolean {
  const text = Array.from({ length: random.below(12) }, () => random.pick(PIECES)).join("");
  const bytes = random.once(4) ? random.mutate(bytesOf(text)) : bytesOf(text);
  const leaves = new Leaves();
  const fields = finish(readForm(bytes, leaves)) ?? [];
  const values = fields.map(({ name, start, end }) => [name, decoder.decode(decodeText("form", bytes, start, end))]);
  const theirs = [...new URLSearchParams(wide(bytes))];
  demand(JSON.stringify(values) === JSON.stringify(theirs), "other fields than those of the URL standard", bytes);
  for (let at = 1; at < leaves.count; at++)
    demand(
      (leaves.start[at] as number) >= (leaves.end[at - 1] as number),
      "leaves are not in the order of the body",
      bytes,
    );
  return fields.length > 0;
}

/** For a reader that takes text: each byte that no text has is percent-encoded, which comes to the same. */
function wide(bytes: Uint8Array): string {
  // In front of everything a question mark would be taken off.
  let out = "&";
  for (const byte of bytes) out += byte > 0x7f ? `%${byte.toString(16)}` : String.fromCharCode(byte);
  return out;
}

const NAMES = ["a", "file", "é", "model", "x y", "a;b", "\ufeffa", ""];
const VALUES = ["", "v", "two\r\nlines", "--", "--b", "\r\n--", "\r\n--bo", "a\n--boundary", "\u0000", "é"];
const HEADS = [
  "Content-Type: text/plain",
  "content-type: application/json",
  "X-Other: 1",
  "Content-Transfer-Encoding: binary",
];

interface Said {
  readonly name: string;
  readonly filename: string | null;
  readonly value: string;
}

/** True when there is one reading. */
export function checkMultipart(random: Random): boolean {
  const boundary = random.pick(["boundary", "b", "----WebKitFormBoundaryAbC", "b o", "x'()+_,-./:=?y"]);
  const said: Said[] = Array.from({ length: random.below(4) }, () => ({
    name: random.pick(NAMES),
    filename: random.once(4) ? random.pick(NAMES) : null,
    value: random.pick(VALUES),
  }));
  let text = "";
  for (const { name, filename, value } of said) {
    text += `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`;
    if (filename !== null) text += `; filename="${filename}"`;
    if (random.once(4)) text += `\r\n${random.pick(HEADS)}`;
    text += `\r\n\r\n${value}\r\n`;
  }
  text += `--${boundary}--${random.pick(["", "\r\n"])}`;
  const plain = new TextEncoder().encode(text);
  const bytes = random.once(2) ? random.mutate(plain) : plain;
  const media = parseMediaType(`multipart/form-data; boundary="${boundary}"`);
  demand(media !== null, "no media type", boundary);
  if (media === null) return false;
  const read = finish(readMultipart(bytes, media));
  let last = 0;
  for (const { head, start, end } of read.parts) {
    demand(
      last <= head && head <= start && start <= end && end <= bytes.length,
      "parts overlap or leave the body",
      bytes,
    );
    last = end;
  }
  if (read.outcome !== "ok") return false;
  const ours = read.parts.map(({ name, filename, start, end }) => ({
    name,
    filename,
    value: latin1(bytes.subarray(start, end)),
  }));
  demand(
    JSON.stringify(ours) === JSON.stringify(partsOf(bytes, boundary)),
    "the parts are not those between the boundaries",
    bytes,
  );
  // What begins like the boundary within a value is a boundary to some, so those are not compared with what was written.
  const clean = said.every(({ value }) => !/(?:^|\n)--b/.test(value) || !boundary.startsWith("b"));
  if (plain === bytes && clean) {
    const utf8 = ours.map((part) => ({ ...part, value: decoder.decode(bytesOf(part.value)) }));
    demand(JSON.stringify(utf8) === JSON.stringify(said), "it is not what was written", bytes);
  }
  return said.length > 0;
}

/** RFC 2046 by strings, for a text that has one reading. */
function partsOf(bytes: Uint8Array, boundary: string): Said[] {
  const sections = `\r\n${latin1(bytes)}`.split(`\r\n--${boundary}`).slice(1, -1);
  return sections.map((section) => {
    // An empty part may share its line end with its head.
    const found = section.indexOf("\r\n\r\n");
    const blank = found === -1 ? section.length - 2 : found;
    const head = decoder.decode(bytesOf(section.slice(0, blank + 2)));
    const disposition = /\r\ncontent-disposition:([^\r]*)\r\n/i.exec(head)?.[1] ?? "";
    const of = (name: string): string | null => {
      const [, quoted, plain] =
        new RegExp(`[; \\t]${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^"; \\t]+))`, "i").exec(disposition) ?? [];
      return quoted === undefined ? (plain ?? null) : quoted.replace(/\\(.)/g, "$1");
    };
    return { name: of("name") ?? "", filename: of("filename"), value: section.slice(blank + 4) };
  });
}

const WORDS = [
  ...[
    "{\\rtf1\\ansi ",
    "}",
    "{",
    "\\par ",
    "\\line\n",
    "\\b0 ",
    "\\'e9",
    "\\'4",
    "\\'zz",
    "\\u233?",
    "\\u-3913 ",
    "\\u8217\\'92",
  ],
  ...[
    "\\\\",
    "\\{",
    "\\~",
    "\\*",
    "\\",
    "\r\n",
    "word",
    " ",
    "\\u55357?\\u56832?",
    "\\ucounted ",
    `\\${"l".repeat(44)} `,
    "\\-",
    "\\u0 ",
  ],
];

/** True when some of what was written plainly comes out. */
export function checkRtf(random: Random): boolean {
  const plain = bytesOf(Array.from({ length: random.below(12) }, () => random.pick(WORDS)).join(""));
  const bytes = random.once(3) ? random.mutate(plain) : plain;
  const read = (pieces: readonly Uint8Array[]): string => {
    const filter = new RtfText();
    let out = "";
    for (const piece of pieces) {
      const told = filter.push(piece);
      demand(told.length <= 2 * piece.length + 64, "more comes out than there is room for", bytes);
      out += latin1(told);
    }
    return out;
  };
  const whole = read([bytes]);
  demand(read(random.split(bytes)) === whole, "split differs from whole", bytes);
  if (bytes === plain && !latin1(bytes).includes("\\"))
    demand(whole === latin1(bytes).replace(/[{}\r\n]/g, ""), "plain text is not what is told", bytes);
  return whole.includes("word");
}
