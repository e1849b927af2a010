/** Content codings undone while they come. */
import zlib from "node:zlib";
import type { ContentCoding, Runtime, StreamDecoder } from "../../src/runtime/contract.ts";
import { type Check, expect, same } from "./kit.ts";

const encoders: readonly (readonly [name: string, coding: ContentCoding, (bytes: Uint8Array) => Uint8Array])[] = [
  ["gzip", "gzip", (bytes) => zlib.gzipSync(bytes)],
  ["deflate", "deflate", (bytes) => zlib.deflateSync(bytes)],
  ["raw deflate", "deflate", (bytes) => zlib.deflateRawSync(bytes)],
  ["br", "br", (bytes) => zlib.brotliCompressSync(bytes)],
  ["zstd", "zstd", (bytes) => zlib.zstdCompressSync(bytes)],
];
const MOST = 1 << 20;
const plain = new TextEncoder().encode(
  Array.from({ length: 300 }, (_, i) => `data: {"n":${i},"text":"an event of a stream"}\n\n`).join(""),
);

async function all(decoder: StreamDecoder, coded: Uint8Array, size: number) {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < coded.length; at += size) {
    const out = await decoder.push(new Uint8Array(coded.subarray(at, at + size)), MOST);
    for (const chunk of out.chunks) chunks.push(new Uint8Array(chunk));
    if (out.failed !== null) return { bytes: Buffer.concat(chunks), failed: out.failed };
  }
  return { bytes: Buffer.concat(chunks), failed: null };
}

async function each(
  runtime: Runtime,
  check: (name: string, decoder: StreamDecoder, coded: Uint8Array) => Promise<void>,
) {
  for (const [name, coding, encode] of encoders) {
    const decoder = runtime.decoder(coding);
    await check(name, decoder, new Uint8Array(encode(plain)));
    decoder.close();
    decoder.close();
  }
}

export const decoderTellsAllOfItInAnyPieces: Check = async (runtime) => {
  for (const size of [1, 2, 13, 1000, 1 << 20]) {
    await each(runtime, async (name, decoder, coded) => {
      const { bytes, failed } = await all(decoder, coded, size);
      same(failed, null, `${name} in pieces of ${size}`);
      expect(bytes.equals(plain), `${name} in pieces of ${size} is something else`);
    });
  }
};

/** A stream that is flushed after every event can be read up to there. */
export const decoderTellsWhatWasFlushed: Check = async (runtime) => {
  const { constants } = zlib;
  const streams = [
    ["gzip", zlib.createGzip(), constants.Z_SYNC_FLUSH],
    ["deflate", zlib.createDeflate(), constants.Z_SYNC_FLUSH],
    ["br", zlib.createBrotliCompress(), constants.BROTLI_OPERATION_FLUSH],
    ["zstd", zlib.createZstdCompress(), constants.ZSTD_e_flush],
  ] as const;
  for (const [coding, stream, flush] of streams) {
    const decoder = runtime.decoder(coding);
    const pieces: Uint8Array[] = [];
    stream.on("data", (piece: Uint8Array) => pieces.push(new Uint8Array(piece)));
    let given = 0;
    let told = 0;
    for (let n = 0; n < 5; n++) {
      given += 20;
      stream.write(`event ${n} of the stream`.slice(0, 20));
      await new Promise<void>((done) => stream.flush(flush, () => done()));
      for (const piece of pieces.splice(0)) {
        for (const chunk of (await decoder.push(piece, MOST)).chunks) told += chunk.length;
      }
      same(told, given, `${coding} after event ${n}`);
    }
    decoder.close();
    stream.destroy();
  }
};

export const decoderRefusesBytesBehindTheEnd: Check = async (runtime) => {
  await each(runtime, async (name, decoder, coded) => {
    same((await all(decoder, coded, 700)).failed, null, name);
    same(
      (await decoder.push(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), MOST)).failed,
      "decode_failed",
      `behind ${name}`,
    );
    same((await decoder.push(new Uint8Array([1]), MOST)).failed, "decode_failed", `and ever after ${name}`);
  });
  await each(runtime, async (name, decoder, coded) => {
    const more = new Uint8Array([...coded, 0, 1, 2, 3, 4, 5, 6, 7]);
    same((await all(decoder, more, more.length)).failed, "decode_failed", `at once with ${name}`);
  });
};

export const decoderRefusesWhatIsNotSo: Check = async (runtime) => {
  const words = new TextEncoder().encode("these are words, and nothing that was ever coded");
  await each(runtime, async (name, decoder) => {
    same((await all(decoder, words, 5)).failed, "decode_failed", name);
  });
};

export const decoderStopsAtTheBoundOfOnePush: Check = async (runtime) => {
  const zeros = new Uint8Array(16 * 1024 * 1024);
  for (const [name, coding, encode] of encoders) {
    if (coding === "br") continue;
    const decoder = runtime.decoder(coding);
    const coded = new Uint8Array(encode(zeros));
    const before = runtime.memory();
    same((await decoder.push(coded, MOST)).failed, "decode_too_large", name);
    expect(runtime.memory() - before < 64 * 1024 * 1024, `${name} took the memory of the whole`);
    decoder.close();
  }
};

export const decoderMindsNoLostEnd: Check = async (runtime) => {
  await each(runtime, async (name, decoder, coded) => {
    same((await all(decoder, coded.subarray(0, coded.length - 5), 100)).failed, null, name);
  });
};
