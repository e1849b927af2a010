/**
 * What a ZIP archive holds, by every local header in it: the directory at its end is what most readers go by and some do
 * not, so what either of them could open is read. Nothing that an archive says of lengths is believed.
 */

const P = 0x50;
const K = 0x4b;
const LOCAL = 30;

export interface ZipEntry {
  /** Of its file name. */
  readonly nameStart: number;
  readonly nameEnd: number;
  readonly encrypted: boolean;
  /** 0: stored, 8: deflated, anything else nobody here can read. */
  readonly method: number;
  /** Where its bytes begin. */
  readonly start: number;
  /** Where those of a stored one end: at the next record. */
  readonly end: number;
  /** The archive gives it a type of document by its name. */
  readonly office: boolean;
}

export interface ZipWalk {
  /** Local headers seen and entries in the directory: there should be as many. */
  locals: number;
  listed: number;
  /** The directory says that something is encrypted. */
  encrypted: boolean;
}

const SLICE = 64 * 1024;

/** Where the next record begins: `PK` and two bytes of 1 to 8. -1: none. */
function* nextRecord(bytes: Uint8Array, from: number): Generator<null, number> {
  for (let at = from; at + 4 <= bytes.length; ) {
    const end = Math.min(at + SLICE, bytes.length - 3);
    for (; at < end; at++) {
      if (bytes[at] === P && bytes[at + 1] === K && isRecord(bytes[at + 2] as number, bytes[at + 3] as number))
        return at;
    }
    yield null;
  }
  return -1;
}

function isRecord(a: number, b: number): boolean {
  return (a === 1 && b === 2) || (a === 3 && b === 4) || (a === 5 && b === 6) || (a === 7 && b === 8);
}

/** Each entry, in the order of the file; null now and then, to let others run. */
export function* zipEntries(bytes: Uint8Array, walk: ZipWalk): Generator<ZipEntry | null, void> {
  for (let at = yield* nextRecord(bytes, 0); at !== -1; ) {
    const next = yield* nextRecord(bytes, at + 4);
    if (bytes[at + 2] === 1) {
      walk.listed += 1;
      if (((bytes[at + 8] as number) & 1) === 1) walk.encrypted = true;
    }
    if (bytes[at + 2] === 3 && at + LOCAL <= bytes.length) {
      walk.locals += 1;
      yield entryAt(bytes, at, next === -1 ? bytes.length : next);
    }
    at = next;
  }
}

function entryAt(bytes: Uint8Array, at: number, end: number): ZipEntry {
  const word = (offset: number): number => (bytes[at + offset] as number) | ((bytes[at + offset + 1] as number) << 8);
  const nameStart = at + LOCAL;
  const nameEnd = Math.min(nameStart + word(26), bytes.length);
  const start = Math.min(nameEnd + word(28), bytes.length);
  return {
    nameStart,
    nameEnd,
    encrypted: (word(6) & 1) === 1,
    method: word(8),
    start,
    end: Math.max(start, end),
    office: isOffice(bytes, nameStart, nameEnd),
  };
}

const OFFICE = ["word/", "xl/", "ppt/", "docProps/", "content.xml", "styles.xml", "meta.xml", "customXml/"];

/** Parts of a word processor's document, whose markup says nothing to anybody. */
function isOffice(bytes: Uint8Array, start: number, end: number): boolean {
  for (const name of OFFICE) {
    if (end - start < name.length) continue;
    let i = 0;
    while (i < name.length && bytes[start + i] === name.charCodeAt(i)) i += 1;
    if (i === name.length) return true;
  }
  return false;
}
