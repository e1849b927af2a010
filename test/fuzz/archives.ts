/** Archives: what was put in is found, and what is found stands in the archive, whatever was done to it. */
import { deflateRawSync } from "node:zlib";
import { innerTexts } from "../../src/content/inner-texts.ts";
import { TarText } from "../../src/content/tar-text.ts";
import { zipEntries } from "../../src/content/zip.ts";
import { readTar } from "../../src/wire/tar.ts";
import { bytesOf, demand, latin1, type Random } from "./random.ts";

const BLOCK = 512;
const NAMES = ["a.txt", "dir/b", "./c", "/d", "..", "a/../b", "long".repeat(30), "é", "", "dir/", "a.txt", "x y"];

interface Member {
  readonly name: string;
  readonly prefix: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** `marked`: of the kind that says in its headers what it is. */
function tarOf(members: readonly Member[], random: Random, marked = false): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { name, prefix, type, bytes } of members) {
    const header = new Uint8Array(BLOCK);
    const put = (text: string, at: number): void => header.set(bytesOf(text), at);
    put(name.slice(0, 100), 0);
    put("0000644\0", 100);
    put(`${bytes.length.toString(8).padStart(11, "0")}${random.pick(["\0", " "])}`, 124);
    put(type, 156);
    if (marked || prefix !== "" || random.once(2)) put("ustar\x0000", 257);
    put(prefix, 345);
    put("        ", 148);
    const sum = header.reduce((all, byte) => all + byte, 0);
    put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const body = new Uint8Array(Math.ceil(bytes.length / BLOCK) * BLOCK);
    body.set(bytes);
    parts.push(header, body);
  }
  parts.push(new Uint8Array(random.once(30) ? 0 : 2 * BLOCK));
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Of the bytes of an archive only some say anything: those are hit more often than chance would. */
function damaged(bytes: Uint8Array, marks: readonly number[], random: Random): Uint8Array {
  if (random.once(4)) return bytes.slice(0, random.below(bytes.length + 1));
  const out = bytes.slice();
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.once(3) ? random.below(out.length) : random.pick(marks) + random.below(BLOCK / 2);
    if (at < out.length) out[at] = random.once(2) ? random.below(256) : random.pick([0, 0x20, 0x30, 0x37, 0x38, 0xff]);
  }
  return out;
}

/** True when it was read. */
export function checkTar(random: Random): boolean {
  const members = Array.from({ length: random.below(4) }, () => ({
    name: random.once(3) ? random.pick(NAMES) : `f${random.below(50)}`,
    prefix: random.once(6) ? random.pick(["p", "p/q", "..", "/p"]) : "",
    type: random.once(25) ? random.pick(["1", "2", "5", "x", "g", "L", "\0"]) : random.pick(["0", "\0"]),
    bytes: Uint8Array.from({ length: random.pick([0, 1, 511, 512, 513]) }, () => random.below(256)),
  }));
  const plain = tarOf(members, random);
  const bytes = random.once(2) ? damaged(plain, [0, 100, BLOCK, 2 * BLOCK], random) : plain;
  const read = readTar(bytes);
  if (typeof read === "string") return false;
  const names = new Set<string>();
  let last = 0;
  for (const { name, bytes: held } of read) {
    demand(/^[ -~]+$/.test(name) && !name.startsWith("/"), "a name that is none", bytes);
    demand(!name.split("/").some((part) => part === "" || part === ".."), "a name that leads out", bytes);
    demand(!names.has(name), "a name twice", bytes);
    names.add(name);
    const at = held.byteOffset - bytes.byteOffset;
    demand(
      held.buffer === bytes.buffer && at >= last + BLOCK && at % BLOCK === 0,
      "an entry that stands nowhere",
      bytes,
    );
    demand(at + held.length <= bytes.length, "an entry beyond the end", bytes);
    last = at + held.length;
  }
  if (plain === bytes) {
    const written = members.filter(({ type }) => type !== "5");
    const found = read.map(({ bytes: held }) => latin1(held));
    demand(
      found.join("\n") === written.map(({ bytes: held }) => latin1(held)).join("\n"),
      "not what was put in",
      bytes,
    );
  }
  return read.length > 0;
}

/** Pieces that are many only now and then: what is told of each costs more than what is in it. */
function cutUp(bytes: Uint8Array, random: Random): Uint8Array[] {
  const least = random.once(50) ? 0 : 100;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + least + random.below(BLOCK + 2);
    pieces.push(bytes.slice(at, end));
    at = end;
  }
  return pieces;
}

/** True when a member's text was told. */
export function checkTarText(random: Random): boolean {
  const said = "the heron waits at the second bridge";
  const members = Array.from({ length: 1 + random.below(3) }, (_, at) => ({
    name: `member-${at}.txt`,
    prefix: "",
    type: "0",
    bytes: random.once(3)
      ? Uint8Array.from({ length: 300 }, () => random.below(256))
      : bytesOf(`${"x".repeat(random.pick([0, 300, BLOCK, 1200]))}${said}`),
  }));
  const plain = joined([tarOf(members, random, true), new Uint8Array(2 * BLOCK)]);
  // Who reads an archive whose end is missing reads what is there.
  const end = members.at(-1)?.bytes.length ?? 0;
  const body = members.reduce((sum, { bytes: held }) => sum + BLOCK + Math.ceil(held.length / BLOCK) * BLOCK, 0);
  const short = body - ((BLOCK - (end % BLOCK)) % BLOCK);
  const bytes = random.once(4) ? plain.slice(0, short) : random.once(3) ? damaged(plain, [0, BLOCK], random) : plain;
  const read = (pieces: readonly Uint8Array[]): string => {
    const filter = new TarText();
    let out = "";
    for (const piece of pieces) {
      const told = filter.push(piece);
      demand(told.length <= piece.length + 2 * BLOCK, "more comes out than there is room for", bytes);
      out += latin1(told);
    }
    return out + latin1(filter.end());
  };
  const whole = read([bytes]);
  demand(read(cutUp(bytes, random)) === whole, "split differs from whole", bytes);
  const lasting = members.at(-1);
  if (bytes === plain)
    for (const { name } of members) demand(whole.includes(name), "a member's name is not told", bytes);
  if (bytes.length === short && lasting !== undefined && latin1(lasting.bytes).endsWith(said))
    demand(whole.endsWith(`${said}\n`) || whole.endsWith(said), "the end of a cut archive is not told", bytes);
  return whole.includes(said);
}

const TEXTS = [
  "",
  "a short one",
  "the blue heron waits at the second bridge until nightfall ".repeat(4),
  "PK\u0003\u0004 is a mark",
];

interface Packed {
  readonly name: string;
  readonly text: string;
  readonly deflated: boolean;
}

function zipOf(entries: readonly Packed[], random: Random): { bytes: Uint8Array; marks: number[] } {
  const parts: Uint8Array[] = [];
  const marks: number[] = [];
  const listed: Uint8Array[] = [];
  let at = 0;
  for (const { name, text, deflated } of entries) {
    const data = deflated ? new Uint8Array(deflateRawSync(bytesOf(text))) : bytesOf(text);
    const extra = random.once(4) ? 4 : 0;
    const head = new Uint8Array(30 + name.length + extra);
    const view = new DataView(head.buffer);
    view.setUint32(0, 0x504b0304);
    view.setUint16(8, deflated ? 8 : 0, true);
    view.setUint32(18, data.length, true);
    view.setUint32(22, text.length, true);
    view.setUint16(26, name.length, true);
    view.setUint16(28, extra, true);
    head.set(bytesOf(name), 30);
    marks.push(at);
    parts.push(head, data);
    at += head.length + data.length;
    const list = new Uint8Array(46 + name.length);
    const row = new DataView(list.buffer);
    row.setUint32(0, 0x504b0102);
    row.setUint16(10, deflated ? 8 : 0, true);
    row.setUint16(28, name.length, true);
    list.set(bytesOf(name), 46);
    listed.push(list);
  }
  const end = new Uint8Array(22);
  new DataView(end.buffer).setUint32(0, 0x504b0506);
  return { bytes: joined([...parts, ...listed, end]), marks };
}

/** True when it was whole and all of it was found. */
export function checkZip(random: Random): boolean {
  const entries = Array.from({ length: 1 + random.below(3) }, (_, at) => ({
    name: random.pick([`f${at}.txt`, `word/document${at}.xml`, "a/b"]),
    text: random.pick(TEXTS),
    deflated: random.once(2),
  }));
  const { bytes: plain, marks } = zipOf(entries, random);
  const bytes = random.once(2) ? damaged(plain, marks, random) : plain;
  const walk = { locals: 0, listed: 0, encrypted: false };
  let last = 0;
  for (const entry of zipEntries(bytes, walk)) {
    if (entry === null) continue;
    const { nameStart, nameEnd, start, end } = entry;
    demand(
      latin1(bytes.subarray(nameStart - 30, nameStart - 26)) === "PK\u0003\u0004",
      "no header stands there",
      bytes,
    );
    demand(nameStart > last && nameStart <= nameEnd && nameEnd <= start, "headers go back", bytes);
    demand(start <= end && end <= bytes.length, "an entry leaves the archive", bytes);
    last = nameStart;
  }
  const headers = [...latin1(bytes).matchAll(/PK\x03\x04/g)].filter(({ index }) => index + 30 <= bytes.length);
  demand(walk.locals === headers.length, "a header is passed over", bytes);
  let all = "";
  let told = 0;
  for (const inner of innerTexts(bytes)) {
    if (inner === null) continue;
    told += 1;
    demand(inner !== "bomb", "a small archive is a bomb", bytes);
    if (inner === "bomb") break;
    demand(
      inner.start >= 0 && inner.start <= inner.end && inner.end <= bytes.length,
      "it stands outside of the body",
      bytes,
    );
    if (inner.kind === "text") all += `${latin1(inner.bytes)}\n`;
  }
  if (plain !== bytes) return false;
  demand(told > 0, "nothing is told of an archive", bytes);
  for (const { name, text } of entries) {
    demand(all.includes(name), "a name is not told", bytes);
    // What is shorter than that is no text to anybody.
    if (text.length > 100) demand(all.includes(text), "a text is not told", bytes);
  }
  return true;
}
