/** The Huffman code of HPACK (RFC 7541 section 5.2): written by table, read four bits at a time. */
import { CODE_LENGTHS } from "./hpack-tables.ts";

const SYMBOLS = 257;
const EOS = 256;

/** The code of each symbol, right-aligned in its length. */
const CODES: Uint32Array = canonical();

function canonical(): Uint32Array {
  const codes = new Uint32Array(SYMBOLS);
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    for (let symbol = 0; symbol < SYMBOLS; symbol++) if (CODE_LENGTHS[symbol] === length) codes[symbol] = code++;
    code *= 2;
  }
  return codes;
}

/** A code leads into EOS, which no text may hold. */
const FAIL = 0xffff;
/** A text may end here: the bits since the last symbol are fewer than eight, and all ones. */
const MAY_END = 1;
const EMITS = 2;

/**
 * Row = node of the code's tree times 16, plus the next four bits. Codes are five bits or longer, so no step passes two
 * symbols. A cell is (node << 16) | (symbol << 8) | flags.
 */
const STEPS: Uint32Array = steps();

function steps(): Uint32Array {
  // Inner nodes in the order they are met; a leaf is -1 - symbol.
  const children: [number, number][] = [[0, 0]];
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    const length = CODE_LENGTHS[symbol] as number;
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit--) {
      const side = ((CODES[symbol] as number) >>> bit) & 1;
      const pair = children[node] as [number, number];
      if (bit === 0) pair[side] = -1 - symbol;
      else {
        if (pair[side] === 0) pair[side] = children.push([0, 0]) - 1;
        node = pair[side] as number;
      }
    }
  }
  const ends = new Set<number>([0]);
  for (let node = 0, bits = 0; bits < 7; bits++) {
    node = (children[node] as [number, number])[1];
    ends.add(node);
  }
  const table = new Uint32Array(children.length * 16);
  for (let from = 0; from < children.length; from++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = from;
      let symbol = -1;
      for (let bit = 3; bit >= 0; bit--) {
        const next = (children[node] as [number, number])[(nibble >>> bit) & 1] as number;
        if (next < 0) symbol = -1 - next;
        node = Math.max(next, 0);
      }
      const flags = (ends.has(node) ? MAY_END : 0) | (symbol === -1 ? 0 : EMITS);
      const cell = symbol === EOS ? FAIL * 0x10000 : node * 0x10000 + Math.max(symbol, 0) * 256 + flags;
      table[from * 16 + nibble] = cell;
    }
  }
  return table;
}

/**
 * Bytes of the text in `bytes` from `start` to `end`, put into `into`, which has room for 8/5 of them. -1 when it is not a
 * text: EOS within it, or an end that is not up to seven ones.
 */
export function readHuffman(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let node = 0;
  let length = 0;
  let cell = MAY_END;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    cell = STEPS[node * 16 + (byte >>> 4)] as number;
    if ((cell & EMITS) !== 0) into[length++] = (cell >>> 8) & 0xff;
    node = cell >>> 16;
    if (node === FAIL) return -1;
    cell = STEPS[node * 16 + (byte & 15)] as number;
    if ((cell & EMITS) !== 0) into[length++] = (cell >>> 8) & 0xff;
    node = cell >>> 16;
    if (node === FAIL) return -1;
  }
  return (cell & MAY_END) === 0 ? -1 : length;
}

/** Bytes that `text` (one byte a char) takes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += CODE_LENGTHS[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** Writes `text` at `at`, where there is room for `huffmanLength(text)`; answers where it ends. */
export function writeHuffman(text: string, into: Uint8Array, at: number): number {
  let to = at;
  // Bits not yet written, right-aligned: at most seven between symbols, so with a code of 28 or less they fit in 35.
  let held = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let length = CODE_LENGTHS[symbol] as number;
    let code = CODES[symbol] as number;
    if (length > 24) {
      // In two parts, to stay within 32 bits.
      const high = length - 16;
      held = (held << high) | (code >>> 16);
      count += high;
      while (count >= 8) {
        count -= 8;
        into[to++] = held >>> count;
      }
      code &= 0xffff;
      length = 16;
    }
    held = ((held & 0xff) << length) | code;
    count += length;
    while (count >= 8) {
      count -= 8;
      into[to++] = held >>> count;
    }
  }
  if (count > 0) into[to++] = (held << (8 - count)) | (0xff >>> count);
  return to;
}
