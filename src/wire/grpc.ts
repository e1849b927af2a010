/** gRPC over HTTP/2 as bytes: which requests are gRPC, how messages are framed, and how an end is told. Pure. */
import type { HeaderList } from "../model/headers.ts";
import { ByteRoom } from "./byte-room.ts";

/** The flag of compression and the length. */
const PREFIX = 5;

/** Of the calls this gateway ends itself (the names are gRPC's). */
export const GrpcStatus = {
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** `bad_flag`: neither 0 nor 1. `too_large`: longer than may be held. `truncated`: the stream ended inside a message. */
export type GrpcFault = "bad_flag" | "too_large" | "truncated";

/** One message as it came, whole. */
export interface GrpcFrame {
  readonly compressed: boolean;
  /** Prefix and payload: a view of what was pushed where it came in one piece, else bytes of its own. */
  readonly wire: Uint8Array;
  /** Of `wire`. */
  readonly payload: Uint8Array;
}

/** Length-prefixed messages, in any pieces; one message is taken before the next is read. */
export class GrpcReader {
  fault: GrpcFault | null = null;
  readonly #most: number;
  readonly #prefix = new Uint8Array(PREFIX);
  #prefixed = 0;
  #length = 0;
  #room: ByteRoom | null = null;
  #frame: GrpcFrame | null = null;

  /** `most`: bytes of a payload. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes of an unfinished message have been read. */
  get inside(): boolean {
    return this.#prefixed > 0;
  }

  /** Bytes of memory for what is not whole yet. */
  get size(): number {
    return this.#room?.bytes.length ?? this.#prefixed;
  }

  /** How many bytes from `at` on were read: all of them, or up to the end of a message, which is then to be taken. */
  push(bytes: Uint8Array, at: number): number {
    if (this.fault !== null || this.#frame !== null) return 0;
    let next = at;
    while (this.#prefixed < PREFIX && next < bytes.length) {
      this.#prefix[this.#prefixed++] = bytes[next++] as number;
      if (this.#prefixed === PREFIX && !this.#begin()) return next - at;
    }
    if (this.#prefixed < PREFIX) return next - at;
    if (this.#room === null && next - PREFIX >= at && bytes.length - next >= this.#length) {
      this.#done(bytes.subarray(next - PREFIX, next + this.#length));
      return next + this.#length - at;
    }
    if (this.#room === null) {
      this.#room = new ByteRoom(PREFIX + this.#length);
      this.#room.add(this.#prefix, 0, PREFIX);
    }
    const room = this.#room;
    const end = Math.min(bytes.length, next + PREFIX + this.#length - room.length);
    room.add(bytes, next, end);
    if (room.length === PREFIX + this.#length) this.#done(room.bytes.subarray(0, room.length));
    return end - at;
  }

  /** The message that `push` ended with, once. */
  take(): GrpcFrame | null {
    const frame = this.#frame;
    this.#frame = null;
    return frame;
  }

  /** The stream is over: what is unfinished now is a fault. */
  end(): void {
    if (this.inside) this.fault ??= "truncated";
  }

  #begin(): boolean {
    const [flag = 0, a = 0, b = 0, c = 0, d = 0] = this.#prefix;
    this.#length = a * 0x1000000 + b * 0x10000 + c * 0x100 + d;
    if (flag > 1) this.fault = "bad_flag";
    else if (this.#length > this.#most) this.fault = "too_large";
    return this.fault === null;
  }

  #done(wire: Uint8Array): void {
    this.#frame = { compressed: wire[0] === 1, wire, payload: wire.subarray(PREFIX) };
    this.#prefixed = 0;
    this.#room = null;
  }
}

/** A message that is sent instead of another: never compressed. */
export function grpcFrame(payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const wire = new Uint8Array(PREFIX + length);
  wire.set([0, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff]);
  wire.set(payload, PREFIX);
  return wire;
}

/** Whatever begins like it, as servers read it. Not `application/grpc-web…`, which is not a stream. */
const CONTENT_TYPE = /^application\/grpc(?!-web)/i;

/** How messages inside of a body are compressed each by itself: lower case, of gRPC and of Connect. */
export const MESSAGE_CODINGS: ReadonlySet<string> = new Set(["grpc-encoding", "connect-content-encoding"]);

export function isGrpcType(contentType: string | null): boolean {
  return contentType !== null && CONTENT_TYPE.test(contentType);
}

/** Null: messages are never compressed. "unknown": in a way that is not undone here, or in more than one. */
export type GrpcCoding = "gzip" | "deflate" | null | "unknown";

export function grpcCoding(headers: HeaderList): GrpcCoding {
  let found: string | null = null;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if ((headers[i] as string).toLowerCase() !== "grpc-encoding") continue;
    if (found !== null) return "unknown";
    found = (headers[i + 1] as string).trim();
  }
  if (found === null || found === "identity") return null;
  return found === "gzip" || found === "deflate" ? found : "unknown";
}

/** `grpc-message`: printable ASCII without "%"; everything else as percent-encoded UTF-8. */
export function grpcMessage(text: string): string {
  let out = "";
  for (const byte of new TextEncoder().encode(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}
