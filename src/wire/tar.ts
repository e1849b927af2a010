/** Tar archives, as little of them as a bundle needs: regular files with ustar names. Anything else is refused, not passed over. */

export interface TarEntry {
  /** Without a leading `/` or `./`. */
  readonly name: string;
  /** A part of the archive: not a copy. */
  readonly bytes: Uint8Array;
}

const BLOCK = 512;
const MAX_ENTRIES = 4096;
const REGULAR = new Set(["0", "\0"]);
const DIRECTORY = "5";
/** Extended headers: what they say of the next entry could be another name or size than the one read here. */
const EXTENDED = new Set(["x", "g", "L", "K"]);

/** The files of an archive, in their order; a text says why it is none. Directories are passed over. */
export function readTar(bytes: Uint8Array): readonly TarEntry[] | string {
  const entries: TarEntry[] = [];
  const names = new Set<string>();
  for (let at = 0; ; ) {
    if (at + BLOCK > bytes.length) return "ends without its closing blocks";
    const header = bytes.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    if (!checksumHolds(header)) return "has a header with a wrong checksum";
    const size = octal(header.subarray(124, 136));
    if (size === null) return "has an entry without a readable size";
    const type = String.fromCharCode(header[156] as number);
    const end = at + BLOCK + size;
    if (end > bytes.length) return "ends in the middle of an entry";
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    if (type === DIRECTORY) continue;
    if (EXTENDED.has(type)) return "has extended headers";
    if (!REGULAR.has(type)) return "has an entry that is no regular file";
    const name = nameOf(header);
    if (name === null) return "has an entry with an unusable name";
    if (names.has(name)) return "has two entries of one name";
    if (entries.length === MAX_ENTRIES) return `has more than ${MAX_ENTRIES} entries`;
    names.add(name);
    entries.push({ name, bytes: bytes.subarray(end - size, end) });
  }
  return entries;
}

function nameOf(header: Uint8Array): string | null {
  const plain = text(header.subarray(0, 100));
  const ustar = text(header.subarray(257, 262)) === "ustar";
  const prefix = ustar ? text(header.subarray(345, 500)) : "";
  const whole = (prefix === "" ? plain : `${prefix}/${plain}`).replace(/^(?:\.?\/)+/, "");
  const usable =
    /^[\u0020-\u007e]{1,256}$/.test(whole) && !whole.split("/").some((part) => part === ".." || part === "");
  return usable ? whole : null;
}

/** Up to the first zero byte. */
function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return String.fromCharCode(...(end === -1 ? field : field.subarray(0, end)));
}

function octal(field: Uint8Array): number | null {
  const digits = text(field).trim();
  return /^[0-7]{1,11}$/.test(digits) ? Number.parseInt(digits, 8) : null;
}

/** The sum of the header's bytes with its own eight taken as spaces. */
function checksumHolds(header: Uint8Array): boolean {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i] as number;
  return octal(header.subarray(148, 156)) === sum;
}
