/** Packed bytes unpacked, to a bound: what is beyond it is never kept. */
import { Z_BLOCK, Z_BUF_ERROR, Z_OK, ZStream, zlibInflate, zlibInflateInit2, zlibInflateReset } from "pako";

/** What is unpacked of one pack; a text of the same size is inspected at a time. */
const MAX_INFLATED = 64 * 1024;
/** Packs of more than this many times their own bytes are made to be a burden. */
const ABSURD = 64;
/** How far what fills its room is counted on, to tell a large text from a bomb. */
const MAX_COUNTED = 256 * 1024;
/** Blocks of one pack may come to nothing, and cost time: of those that bring a code of their own, as much as 32 others. */
const MAX_BLOCKS = 4096;
const CODED_BLOCK = 32;
const BARE = -15;

const out = new Uint8Array(MAX_INFLATED);
const NOTHING = new Uint8Array(0);
/** What is only counted. */
const beyond = new Uint8Array(16 * 1024);
let stream: ZStream | null = null;
let counted = 0;
let blocks = 0;

/** Whether the last pack, of so many bytes, came to more than any honest one, or stood in more pieces. */
export function isBomb(packed: number): boolean {
  return blocks >= MAX_BLOCKS || (counted >= MAX_INFLATED && packed * ABSURD < counted);
}

/** What the last pack cost, of which some thousand are some milliseconds. */
export function packCost(): number {
  return blocks;
}

/** The first `MAX_INFLATED` bytes of what gzip or zlib holds, valid until the next call, or null when it is neither. */
export function inflated(bytes: Uint8Array): Uint8Array | null {
  counted = blocks = 0;
  const from = bytes[0] === 0x1f ? gzipHeader(bytes) : 2;
  if (from === -1 || from >= bytes.length) return null;
  if (stream === null) {
    stream = new ZStream();
    stream.output = out;
    zlibInflateInit2(stream, BARE);
  } else zlibInflateReset(stream);
  stream.input = bytes;
  stream.next_in = from;
  stream.avail_in = bytes.length - from;
  // What came before damage is read: a reader may do the same.
  const going = fill(stream, out);
  const count = stream.next_out;
  counted = count;
  for (let goes = going; goes && counted < MAX_COUNTED && (stream.next_in * ABSURD) / 4 < counted; ) {
    goes = fill(stream, beyond);
    counted += stream.next_out;
  }
  stream.input = NOTHING;
  return count === 0 ? null : out.subarray(0, count);
}

/** False: nothing more comes of it. */
function fill(from: ZStream, room: Uint8Array<ArrayBuffer>): boolean {
  from.output = room;
  from.next_out = 0;
  from.avail_out = room.length;
  while (blocks < MAX_BLOCKS) {
    const code = zlibInflate(from, Z_BLOCK);
    if (code !== Z_OK && code !== Z_BUF_ERROR) return false;
    if (from.avail_out === 0) return true;
    if (code === Z_BUF_ERROR) return false;
    blocks += bringsCode(from) ? CODED_BLOCK : 1;
  }
  return false;
}

/** Whether the block that is next is of type 2 (RFC 1951 section 3.2.3). `data_type`: how many bits of the last byte are not read. */
function bringsCode({ input, next_in, data_type }: ZStream): boolean {
  const unread = data_type & 63;
  const at = next_in - Math.ceil(unread / 8);
  const word = (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8);
  return ((word >> (((8 - (unread & 7)) & 7) + 1)) & 3) === 2;
}

/** Where the packed bytes begin, or -1. */
function gzipHeader(bytes: Uint8Array): number {
  if (bytes.length < 18 || bytes[2] !== 8) return -1;
  const flags = bytes[3] as number;
  let at = 10;
  if (flags & 4) at += 2 + (bytes[10] as number) + ((bytes[11] as number) << 8);
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end === -1) return -1;
    at = end + 1;
  }
  return flags & 2 ? at + 2 : at;
}
