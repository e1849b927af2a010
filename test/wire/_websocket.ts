/** Frames of any kind, also those nobody may send, and what the reader says of them. */
import { constants, createDeflateRaw, type DeflateRaw } from "node:zlib";
import { MessageReader, type ReaderOptions } from "../../src/wire/websocket.ts";

export interface FrameParts {
  readonly fin?: boolean;
  /** The three reserved bits, RSV1 the highest: 4 is "compressed". */
  readonly rsv?: number;
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  /** Four bytes, or none. */
  readonly mask?: readonly number[] | null;
  /** Bytes of the length field: 0, 2 or 8; else the shortest that does. */
  readonly lengthBytes?: number;
  /** What the head claims, when it is not the payload's. */
  readonly claims?: number;
}

const encoder = new TextEncoder();
export const MASK = [0x12, 0xab, 0x00, 0xfe];

export function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === "string" ? encoder.encode(payload) : payload;
}

export function frame(parts: FrameParts): Uint8Array {
  const { fin = true, rsv = 0, opcode, mask = null } = parts;
  const payload = bytesOf(parts.payload ?? "");
  const length = parts.claims ?? payload.length;
  const wide = parts.lengthBytes ?? (length < 126 ? 0 : length < 65536 ? 2 : 8);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  head.push((mask === null ? 0 : 0x80) | (wide === 0 ? length : wide === 2 ? 126 : 127));
  for (let i = wide - 1; i >= 0; i--) head.push(Math.floor(length / 256 ** i) % 256);
  if (mask !== null) head.push(...mask);
  return join([Uint8Array.from(head), mask === null ? payload : payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0))]);
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export const OPTIONS: ReaderOptions = { masked: false, deflate: false, maxMessage: 1 << 20 };

/** One line an event; what is handed back as wire bytes is gathered beside it. */
export function read(
  pieces: readonly Uint8Array[],
  options: Partial<ReaderOptions> = {},
): { events: string[]; wire: Uint8Array } {
  const reader = new MessageReader({ ...OPTIONS, ...options });
  const events: string[] = [];
  const wire: Uint8Array[] = [];
  for (const piece of pieces) {
    // The reader unmasks in place.
    const chunk = piece.slice();
    for (let at = 0; at < chunk.length && reader.fault === null; ) {
      at += reader.push(chunk, at);
      const held = reader.take();
      if (held === null) continue;
      events.push(`${held.opcode}${held.compressed ? "z" : ""} ${Buffer.from(held.payload).toString("latin1")}`);
      for (const part of held.wire()) wire.push(part.slice());
    }
  }
  if (reader.fault !== null) events.push(`fault ${reader.fault.close} ${reader.fault.code}`);
  return { events, wire: join(wire) };
}

/** A sender of permessage-deflate. */
export class Packer {
  readonly #deflate: DeflateRaw;
  #out: Buffer[] = [];

  constructor(options: { level?: number; strategy?: number; windowBits?: number } = {}) {
    this.#deflate = createDeflateRaw(options);
    this.#deflate.on("data", (part: Buffer) => this.#out.push(part));
  }

  async pack(bytes: Uint8Array | string): Promise<Uint8Array> {
    this.#out = [];
    await new Promise<void>((resolve) => {
      this.#deflate.write(bytesOf(bytes));
      this.#deflate.flush(constants.Z_SYNC_FLUSH, resolve);
    });
    return join(this.#out).slice(0, -4);
  }
}
