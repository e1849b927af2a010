/** Frames of RFC 6455 section 5: their heads read strictly, their payloads masked, and frames of our own written. */
import { isUtf8 } from "./utf8.ts";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** Bytes a control frame may carry. */
const MAX_CONTROL = 125;
/** Two bytes, eight of length, four of mask. */
const MAX_HEAD = 14;

/** A stream that broke its protocol. `close` is what its sender is told. */
export interface WebSocketFault {
  readonly close: 1002 | 1007 | 1009;
  /** Stable, snake_case. */
  readonly code: string;
}

export const TOO_LARGE: WebSocketFault = { close: 1009, code: "message_too_large" };
export const TOO_MANY: WebSocketFault = { close: 1009, code: "too_many_fragments" };

function broken(code: string): WebSocketFault {
  return { close: 1002, code };
}

export function isControl(opcode: number): boolean {
  return opcode >= CLOSE;
}

/** Reads one head after the other. Bytes are judged in order, so no split changes a fault. */
export class FrameHead {
  fault: WebSocketFault | null = null;
  fin = false;
  /** RSV1: the first frame of a compressed message. */
  compressed = false;
  opcode = 0;
  length = 0;
  /** The mask as a little-endian word; 0 when there is none. */
  key = 0;
  /** As received, `size` bytes of it. */
  readonly bytes = new Uint8Array(MAX_HEAD);
  size = 0;
  /** A fragmented message is under way. */
  continuing = false;
  readonly #masked: boolean;
  readonly #deflate: boolean;
  #need = 2;

  /** `masked`: those of a client. `deflate`: permessage-deflate was agreed on. */
  constructor(masked: boolean, deflate: boolean) {
    this.#masked = masked;
    this.#deflate = deflate;
  }

  get complete(): boolean {
    return this.size === this.#need;
  }

  /** The next one. */
  begin(): void {
    this.size = 0;
    this.#need = 2;
    this.key = 0;
  }

  /** Bytes taken from `chunk.subarray(at)`: up to the end of the head, or to the fault. */
  push(chunk: Uint8Array, at: number): number {
    let i = at;
    while (i < chunk.length && this.size < this.#need && this.fault === null) {
      this.bytes[this.size++] = chunk[i++] as number;
      if (this.size === 1) this.#first(this.bytes[0] as number);
      else if (this.size === 2) this.#second(this.bytes[1] as number);
      else this.#later();
    }
    return i - at;
  }

  #first(byte: number): void {
    const opcode = byte & 0x0f;
    const rsv1 = (byte & 0x40) !== 0;
    this.opcode = opcode;
    this.fin = (byte & 0x80) !== 0;
    this.compressed = rsv1;
    if ((byte & 0x30) !== 0) this.fault = broken("reserved_bits");
    else if (opcode > PONG || (opcode > BINARY && opcode < CLOSE)) this.fault = broken("reserved_opcode");
    else if (rsv1 && (!this.#deflate || (opcode !== TEXT && opcode !== BINARY))) this.fault = broken("reserved_bits");
    else if (isControl(opcode)) {
      if (!this.fin) this.fault = broken("fragmented_control");
    } else if (opcode === 0 && !this.continuing) this.fault = broken("nothing_to_continue");
    else if (opcode !== 0 && this.continuing) this.fault = broken("message_in_message");
  }

  #second(byte: number): void {
    const said = byte & 0x7f;
    const masked = (byte & 0x80) !== 0;
    if (masked !== this.#masked) this.fault = broken(masked ? "masked" : "unmasked");
    else if (isControl(this.opcode) && said > MAX_CONTROL) this.fault = broken("control_too_long");
    this.length = said;
    this.#need = 2 + (said === 126 ? 2 : said === 127 ? 8 : 0) + (masked ? 4 : 0);
  }

  #later(): void {
    const { bytes, size } = this;
    const said = (bytes[1] as number) & 0x7f;
    const lengthEnd = said === 126 ? 4 : said === 127 ? 10 : 2;
    if (size === lengthEnd) {
      let length = 0;
      for (let i = 2; i < lengthEnd; i++) length = length * 256 + (bytes[i] as number);
      this.length = length;
      if (said === 127 && (bytes[2] as number) > 0x7f) this.fault = broken("bad_length");
      else if (length < (said === 126 ? 126 : 65536)) this.fault = broken("length_not_minimal");
    } else if (size === this.#need) this.key = keyAt(bytes, size - 4);
  }
}

/** Bytes of the head that begins at `at`. */
export function headSize(bytes: Uint8Array, at: number): number {
  const second = bytes[at + 1] as number;
  const said = second & 0x7f;
  return 2 + (said === 126 ? 2 : said === 127 ? 8 : 0) + (second > 0x7f ? 4 : 0);
}

/** The payload bytes announced by the head of `size` bytes that begins at `at`. */
export function announced(bytes: Uint8Array, at: number): number {
  const said = (bytes[at + 1] as number) & 0x7f;
  if (said < 126) return said;
  let length = 0;
  for (let i = at + 2; i < at + (said === 126 ? 4 : 10); i++) length = length * 256 + (bytes[i] as number);
  return length;
}

export function keyAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

/** Below this a view of words costs more than it saves. */
const SHORT = 48;

/** Masks or unmasks in place. `phase`: bytes of the same payload that came before these. */
export function mask(bytes: Uint8Array, key: number, phase: number): void {
  if (key === 0) return;
  const { length } = bytes;
  const lead = length < SHORT ? length : -bytes.byteOffset & 3;
  let turned = turn(key, phase);
  for (let i = 0; i < lead; i++) bytes[i] = (bytes[i] as number) ^ (turned >>> ((i & 3) << 3));
  if (lead === length) return;
  turned = turn(turned, lead);
  const count = (length - lead) >>> 2;
  // Both runtimes exist for little-endian machines only.
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + lead, count);
  for (let i = 0; i < count; i++) words[i] = (words[i] as number) ^ turned;
  const rest = lead + count * 4;
  for (let i = rest; i < length; i++) bytes[i] = (bytes[i] as number) ^ (turned >>> ((i - rest) << 3));
}

function turn(key: number, by: number): number {
  const bits = (by & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

/** One whole frame of our own, uncompressed. `masked`: with a fresh random mask, as a client must. */
export function writeFrame(opcode: number, payload: Uint8Array, masked: boolean): Uint8Array {
  const { length } = payload;
  const extra = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const start = 2 + extra + (masked ? 4 : 0);
  const frame = new Uint8Array(start + length);
  frame[0] = 0x80 | opcode;
  frame[1] = (masked ? 0x80 : 0) | (extra === 0 ? length : extra === 2 ? 126 : 127);
  for (let i = 0, rest = length; i < extra; i++) {
    frame[1 + extra - i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  frame.set(payload, start);
  if (masked) {
    crypto.getRandomValues(frame.subarray(start - 4, start));
    mask(frame.subarray(start), keyAt(frame, start - 4), 0);
  }
  return frame;
}

const encoder = new TextEncoder();

/** Payload of a close frame; the reason is cut to what fits, at a whole character. */
export function closePayload(code: number, reason: string): Uint8Array {
  const room = new Uint8Array(MAX_CONTROL);
  room[0] = code >>> 8;
  room[1] = code & 0xff;
  const { written } = encoder.encodeInto(reason, room.subarray(2));
  return room.subarray(0, 2 + written);
}

/** What is wrong with the payload of a close frame, or null (RFC 6455 section 7.4, and the codes registered since). */
export function closeFault(payload: Uint8Array): WebSocketFault | null {
  if (payload.length === 0) return null;
  if (payload.length === 1) return broken("bad_close");
  const code = ((payload[0] as number) << 8) | (payload[1] as number);
  const known = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
  if (!known && (code < 3000 || code > 4999)) return broken("bad_close_code");
  return isUtf8(payload.subarray(2)) ? null : { close: 1007, code: "bad_close_text" };
}
