/** HTTP/2 frames (RFC 9113 sections 4 and 6): bytes to frames across any split, and frames to bytes. */
import type { OutBuffer } from "./out-buffer.ts";

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const HAS_PRIORITY = 0x20;

/** Section 7. */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;

/** What a client says first (section 3.4). */
export const PREFACE: Uint8Array = Uint8Array.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (char) => char.charCodeAt(0));

export const FRAME_HEAD = 9;
/** SETTINGS_MAX_FRAME_SIZE: what we take, and what we send even to peers that would take more. */
export const MAX_FRAME = 16_384;
export const MAX_WINDOW = 0x7fff_ffff;
export const FIRST_WINDOW = 65_535;

/** Called in the order of the bytes, and not any more once `over`. */
export interface FrameSink {
  readonly over: boolean;
  /** The client's preface is wrong. */
  badPreface(): void;
  /**
   * A frame's head, before any of its payload. True: `payload` is wanted, whole. Of DATA the answer says nothing: its bytes
   * come as they come.
   */
  frame(type: number, flags: number, stream: number, length: number): boolean;
  /** The bytes stay the parser's. */
  payload(type: number, flags: number, stream: number, bytes: Uint8Array, start: number, end: number): void;
  /** A piece of DATA without its padding, never empty; a view of the pushed chunk. */
  dataBytes(bytes: Uint8Array): void;
  /** `padding`: bytes of the frame that were no data. -1: more of it was announced than the frame is long. */
  dataEnd(flags: number, length: number, padding: number): void;
}

const NOTHING = new Uint8Array(0);

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #head = new Uint8Array(FRAME_HEAD);
  /** Bytes of the preface that are still to come. */
  #preface: number;
  #used = 0;
  #type = 0;
  #flags = 0;
  #stream = 0;
  #length = 0;
  /** Bytes of the payload not yet seen; 0 between frames. */
  #left = 0;
  #wanted = false;
  /** Of DATA: its padding, the byte that says it included; -1 before that byte. */
  #padding = 0;
  #held: Uint8Array = NOTHING;

  constructor(sink: FrameSink, preface: boolean) {
    this.#sink = sink;
    this.#preface = preface ? PREFACE.length : 0;
  }

  push(chunk: Uint8Array): void {
    const sink = this.#sink;
    let i = 0;
    for (; this.#preface > 0 && i < chunk.length; i++, this.#preface--) {
      if (chunk[i] === PREFACE[PREFACE.length - this.#preface]) continue;
      sink.badPreface();
      return;
    }
    while (i < chunk.length && !sink.over) {
      if (this.#left > 0) i = this.#type === DATA ? this.#data(chunk, i) : this.#payload(chunk, i);
      else if (this.#used === 0 && chunk.length - i >= FRAME_HEAD) {
        this.#begin(chunk, i);
        i += FRAME_HEAD;
      } else {
        this.#head[this.#used++] = chunk[i++] as number;
        if (this.#used < FRAME_HEAD) continue;
        this.#used = 0;
        this.#begin(this.#head, 0);
      }
    }
  }

  #begin(bytes: Uint8Array, at: number): void {
    this.#length = read24(bytes, at);
    this.#type = bytes[at + 3] as number;
    this.#flags = bytes[at + 4] as number;
    this.#stream = read31(bytes, at + 5);
    this.#left = this.#length;
    this.#padding = (this.#flags & PADDED) === 0 ? 0 : -1;
    const sink = this.#sink;
    this.#wanted = sink.frame(this.#type, this.#flags, this.#stream, this.#length);
    if (this.#left > 0 || sink.over) return;
    if (this.#type === DATA) sink.dataEnd(this.#flags, 0, this.#padding);
    else if (this.#wanted) sink.payload(this.#type, this.#flags, this.#stream, NOTHING, 0, 0);
  }

  #data(chunk: Uint8Array, from: number): number {
    const sink = this.#sink;
    let i = from;
    if (this.#padding === -1) {
      this.#padding = (chunk[i++] as number) + 1;
      this.#left--;
      if (this.#padding > this.#length) {
        sink.dataEnd(this.#flags, this.#length, -1);
        return i;
      }
    }
    // The padding proper is what is left at last.
    const behind = Math.max(0, this.#padding - 1);
    const bytes = Math.min(this.#left - behind, chunk.length - i);
    if (bytes > 0) {
      sink.dataBytes(chunk.subarray(i, i + bytes));
      i += bytes;
      this.#left -= bytes;
    }
    if (this.#left <= behind) {
      const skipped = Math.min(this.#left, chunk.length - i);
      i += skipped;
      this.#left -= skipped;
    }
    if (this.#left === 0 && !sink.over) sink.dataEnd(this.#flags, this.#length, this.#padding);
    return i;
  }

  #payload(chunk: Uint8Array, from: number): number {
    const take = Math.min(this.#left, chunk.length - from);
    const end = from + take;
    const seen = this.#length - this.#left;
    this.#left -= take;
    if (!this.#wanted) return end;
    if (seen === 0 && this.#left === 0) {
      this.#sink.payload(this.#type, this.#flags, this.#stream, chunk, from, end);
      return end;
    }
    if (seen === 0) this.#held = new Uint8Array(this.#length);
    this.#held.set(chunk.subarray(from, end), seen);
    if (this.#left > 0) return end;
    const whole = this.#held;
    this.#held = NOTHING;
    this.#sink.payload(this.#type, this.#flags, this.#stream, whole, 0, whole.length);
    return end;
  }
}

function read24(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

/** Without the reserved bit. */
export function read31(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) & 0x7f) << 24) | read24(bytes, at + 1);
}

/** Unsigned. */
export function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) * 0x100_0000 + read24(bytes, at + 1);
}

export function writeHead(out: OutBuffer, length: number, type: number, flags: number, stream: number): void {
  const bytes = out.room(FRAME_HEAD);
  const at = out.length;
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  write32(bytes, at + 5, stream);
  out.length = at + FRAME_HEAD;
}

function write32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** RST_STREAM and WINDOW_UPDATE: one number. */
export function writeNumber(out: OutBuffer, type: number, stream: number, value: number): void {
  writeHead(out, 4, type, 0, stream);
  write32(out.room(4), out.length, value);
  out.length += 4;
}

/** `pairs`: identifier, value, identifier, value, … */
export function writeSettings(out: OutBuffer, pairs: readonly number[]): void {
  writeHead(out, pairs.length * 3, SETTINGS, 0, 0);
  const bytes = out.room(pairs.length * 3);
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    bytes[out.length++] = (pairs[i] as number) >>> 8;
    bytes[out.length++] = pairs[i] as number;
    write32(bytes, out.length, pairs[i + 1] as number);
    out.length += 4;
  }
}

export function writeGoaway(out: OutBuffer, last: number, code: number): void {
  writeHead(out, 8, GOAWAY, 0, 0);
  const bytes = out.room(8);
  write32(bytes, out.length, last);
  write32(bytes, out.length + 4, code);
  out.length += 8;
}

/**
 * The header block that stands at the end of `out`, written from `start` behind room for one frame head, as one HEADERS
 * frame and as many CONTINUATION frames as it takes.
 */
export function frameBlock(out: OutBuffer, start: number, flags: number, stream: number): void {
  const from = start + FRAME_HEAD;
  const length = out.length - from;
  const more = Math.max(0, Math.ceil(length / MAX_FRAME) - 1);
  const end = out.length + more * FRAME_HEAD;
  const bytes = out.room(more * FRAME_HEAD);
  // From the last piece to the first, so that none is written over before it has moved.
  for (let piece = more; piece >= 0; piece--) {
    const at = from + piece * MAX_FRAME;
    const size = Math.min(MAX_FRAME, from + length - at);
    const to = at + piece * FRAME_HEAD;
    if (piece > 0) bytes.copyWithin(to, at, at + size);
    out.length = to - FRAME_HEAD;
    const last = piece === more ? END_HEADERS : 0;
    writeHead(out, size, piece === 0 ? HEADERS : CONTINUATION, piece === 0 ? flags | last : last, stream);
  }
  out.length = end;
}
