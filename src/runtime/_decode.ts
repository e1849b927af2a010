/** Content codings, decoded as streams that hand the event loop back and stop at a bound. */
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import { Fault, messageOf } from "../errors.ts";
import { zstdFrames } from "./_zstd.ts";
import type { ContentCoding } from "./contract.ts";

const CHUNK = 64 * 1024;
/** RFC 9659: a window over 8 MiB is memory that the sender would choose. (Where a runtime does not know the name, none is set.) */
const ZSTD_WINDOW: Record<number, number> =
  zlib.constants.ZSTD_d_windowLogMax === undefined ? {} : { [zlib.constants.ZSTD_d_windowLogMax]: 23 };
const TURN_MS = 1.5;
const TURN_BYTES = 1024 * 1024;
interface Pass {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;
  /** Bytes of the input the decoder used, sentinel included when it reached for it. */
  readonly used: number;
}

function codingFailed(coding: ContentCoding, detail: string, cause?: unknown): Fault {
  return new Fault("decode_failed", `${coding} body ${detail}`, { cause });
}

export function codingStream(coding: ContentCoding, bytes: Uint8Array): zlib.Gunzip {
  switch (coding) {
    case "gzip":
      return zlib.createGunzip({ chunkSize: CHUNK });
    case "deflate":
      return isZlib(bytes) ? zlib.createInflate({ chunkSize: CHUNK }) : zlib.createInflateRaw({ chunkSize: CHUNK });
    case "br":
      return zlib.createBrotliDecompress({ chunkSize: CHUNK });
    case "zstd":
      return zlib.createZstdDecompress({ chunkSize: CHUNK, params: ZSTD_WINDOW });
  }
}

/** RFC 1950 header: method 8, window at most 32 KiB, check bits right. A raw stream looks so only if it begins with a stored block. */
function isZlib(bytes: Uint8Array): boolean {
  const cmf = bytes[0] ?? 0;
  const flags = bytes[1] ?? 0;
  return (cmf & 0x0f) === 8 && cmf >> 4 <= 7 && ((cmf << 8) | flags) % 31 === 0;
}

/** True: a stored block of a raw stream as well, so that two decoders would read two bodies. */
function isBoth(bytes: Uint8Array): boolean {
  if (bytes.length < 5 || !isZlib(bytes)) return false;
  return ((bytes[1] ?? 0) ^ (bytes[3] ?? 0)) === 0xff && ((bytes[2] ?? 0) ^ (bytes[4] ?? 0)) === 0xff;
}

function run(coding: ContentCoding, bytes: Uint8Array, maxBytes: number, sentinel: boolean): Promise<Pass> {
  return new Promise((resolve, reject) => {
    const stream = codingStream(coding, bytes);
    const chunks: Uint8Array[] = [];
    let length = 0;
    /** When the loop's turn began; 0 until a chunk comes in it. */
    let turn = 0;
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) {
        stream.destroy();
        reject(new Fault("decode_too_large", `${coding} body is more than ${maxBytes} bytes when decoded`));
        return;
      }
      chunks.push(chunk);
      // One runtime decodes on the loop's own thread, chunk after chunk in one turn of it.
      const now = performance.now();
      if (turn === 0) {
        turn = now;
        setTimeout(() => {
          turn = 0;
          stream.resume();
        }, 0);
      } else if (now - turn > TURN_MS) {
        stream.pause();
      }
    });
    stream.on("error", (error: Error) => reject(codingFailed(coding, `cannot be decoded: ${messageOf(error)}`, error)));
    stream.on("end", () => {
      const used = stream.bytesWritten;
      stream.destroy();
      resolve({ chunks, length, used });
    });
    stream.write(bytes);
    if (sentinel) stream.end(Buffer.from([0]));
    else stream.end();
  });
}

/**
 * Only gunzip reports truncation on both runtimes. Behind the input of the others a byte is put: a decoder that reaches
 * for it had not seen the end of its stream, and one that stops before the input's end leaves trailing bytes. The
 * frames of zstd are found beforehand: one runtime stops after the first, and neither minds a lost end.
 */
export async function decode(coding: ContentCoding, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  if (bytes.length === 0) throw codingFailed(coding, "is empty");
  if (coding === "deflate" && isBoth(bytes)) throw codingFailed(coding, "can be read in two ways");
  const parts = coding === "zstd" ? zstdFrames(bytes) : [bytes];
  if (typeof parts === "string") throw codingFailed(coding, parts);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (const part of parts) {
    const pass = await run(coding, part, maxBytes - length, coding === "br" || coding === "deflate");
    if (pass.used > part.length) throw codingFailed(coding, "is truncated");
    if (pass.used < part.length) throw codingFailed(coding, "has bytes after its end");
    length += pass.length;
    for (const chunk of pass.chunks) chunks.push(chunk);
  }
  return joined(chunks, length);
}

/** Fresh memory is dear to write to: of a large body the loop gets a turn after every mebibyte. */
export async function joined(chunks: readonly Uint8Array[], length: number): Promise<Uint8Array> {
  const out = new Uint8Array(length);
  let at = 0;
  let turn = TURN_BYTES;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
    if (at < turn) continue;
    turn = at + TURN_BYTES;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  return out;
}
