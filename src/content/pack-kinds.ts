/** What bytes are, by how they begin: what can be read further, what is text, and what nobody here can read. */

/**
 * `zip` (OOXML, ODF, EPUB and jar files too), `gzip`, `zlib`: can be unpacked. `markup`, `rtf`, `tar`, `wide`: text once it is undone.
 * `other`: pictures, sound, programs: nothing that a reader of text reads.
 */
export type PackKind = "zip" | "gzip" | "zlib" | "markup" | "rtf" | "tar" | "wide" | "text" | "other" | OpaqueKind;

/** Holds text that a reader with the right program sees, and that is not read here. */
export type OpaqueKind = "pdf" | "ole" | "7z" | "rar" | "xz" | "bzip2" | "zstd";

const MAGICS: readonly (readonly [PackKind, readonly number[]])[] = [
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  // An archive in several parts begins with a mark of its own.
  ["zip", [0x50, 0x4b, 0x07, 0x08, 0x50, 0x4b]],
  ["gzip", [0x1f, 0x8b, 0x08]],
  // The usual levels; that of 0x5e is text as well.
  ["zlib", [0x78, 0x01]],
  ["zlib", [0x78, 0x9c]],
  ["zlib", [0x78, 0xda]],
  ["pdf", [0x25, 0x50, 0x44, 0x46, 0x2d]],
  // .doc, .xls, .ppt, .msg, and OOXML with a password.
  ["ole", [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1]],
  ["7z", [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]],
  ["rar", [0x52, 0x61, 0x72, 0x21, 0x1a, 0x07]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["rtf", [0x7b, 0x5c, 0x72, 0x74, 0x66]],
  ["wide", [0xff, 0xfe]],
  ["wide", [0xfe, 0xff]],
];
/** First bytes of the marks. */
export const MAY_BEGIN = new Uint8Array(256);
for (const [, [first]] of MAGICS) MAY_BEGIN[first as number] = 1;
const OPAQUE: ReadonlySet<PackKind> = new Set(["pdf", "ole", "7z", "rar", "xz", "bzip2", "zstd"]);
/** Of bzip2, behind the digit of its block size. */
const BZIP2_BLOCK = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];

const LOOKED = 512;
const LEAST_TEXT = 8;

export function isOpaque(kind: PackKind): kind is OpaqueKind {
  return OPAQUE.has(kind);
}

/** By the first bytes, as many as there are; up to 512 are looked at. */
export function packKind(bytes: Uint8Array): PackKind {
  const magic = magicKind(bytes);
  if (magic !== null) return magic;
  if (isWide(bytes)) return "wide";
  if (bytes.length > 262 && isTar(bytes)) return "tar";
  if (!isTextual(bytes)) return "other";
  let at = bytes[0] === 0xef && bytes[1] === 0xbb ? 3 : 0;
  while (at < bytes.length && (bytes[at] as number) <= 0x20) at += 1;
  return bytes[at] === 0x3c ? "markup" : "text";
}

/** By a mark that nothing else begins with, or null. */
export function magicKind(bytes: Uint8Array): PackKind | null {
  const first = bytes[0] as number;
  for (const [kind, magic] of MAGICS) {
    if (magic[0] !== first || !begins(bytes, 0, magic)) continue;
    if (kind === "bzip2" && !begins(bytes, 4, BZIP2_BLOCK)) continue;
    return kind;
  }
  return null;
}

function begins(bytes: Uint8Array, at: number, magic: readonly number[]): boolean {
  for (let i = 0; i < magic.length; i++) if (bytes[at + i] !== magic[i]) return false;
  return true;
}

/** UTF-16 without a mark: every other byte is nothing. */
function isWide(bytes: Uint8Array): boolean {
  if (bytes.length < LEAST_TEXT) return false;
  const odd = bytes[0] === 0 ? 0 : 1;
  for (let i = 0; i < LEAST_TEXT; i++) if (((bytes[i] as number) === 0) !== (i % 2 === odd)) return false;
  return true;
}

/** A header of one. */
export function isTar(bytes: Uint8Array): boolean {
  return begins(bytes, 257, [0x75, 0x73, 0x74, 0x61, 0x72]);
}

/** Text has no zeros, and hardly a control character; bytes above ASCII are a letter's or stand alone. */
export function isTextual(bytes: Uint8Array, least = LEAST_TEXT): boolean {
  const looked = Math.min(bytes.length, LOOKED);
  if (looked < least) return false;
  let odd = 0;
  for (let i = 0; i < looked; i++) {
    const byte = bytes[i] as number;
    if (byte === 0) return false;
    if (byte < 0x20) odd += byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x0c ? 0 : 4;
    else if (byte === 0x7f) odd += 4;
    else if (byte > 0x7f && !inCharacter(bytes, i, looked)) odd += 2;
  }
  return odd * 8 <= looked;
}

/** Whether a byte above ASCII belongs to a character of UTF-8, as far as its neighbour shows. */
function inCharacter(bytes: Uint8Array, at: number, end: number): boolean {
  const byte = bytes[at] as number;
  if (byte >= 0xf5 || byte === 0xc0 || byte === 0xc1) return false;
  if (byte >= 0xc2) return at + 1 >= end || ((bytes[at + 1] as number) & 0xc0) === 0x80;
  return at > 0 && (bytes[at - 1] as number) >= 0x80;
}

/** UTF-16 as UTF-8. */
export function narrowed(bytes: Uint8Array): Uint8Array {
  const big = (bytes[0] === 0xfe && bytes[1] === 0xff) || (bytes[0] === 0 && bytes[1] !== 0);
  return new TextEncoder().encode(new TextDecoder(big ? "utf-16be" : "utf-16le").decode(bytes));
}
