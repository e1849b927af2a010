/** Content codings undone while they come, for whoever looks at an answer on its way. */
import type zlib from "node:zlib";
import { codingStream } from "./_decode.ts";
import type { ContentCoding, Decoded, StreamDecoder } from "./contract.ts";

export class ZlibDecoder implements StreamDecoder {
  readonly #coding: ContentCoding;
  #stream: zlib.Gunzip | null = null;
  /** The first byte of a deflate body says with the second how it is to be read. */
  #first: Uint8Array | null = null;
  #fed = 0;
  #out: Uint8Array[] = [];
  #length = 0;
  #most = 0;
  #failed: Decoded["failed"] = null;
  #settle: (() => void) | null = null;

  constructor(coding: ContentCoding) {
    this.#coding = coding;
  }

  async push(given: Uint8Array, maxBytes: number): Promise<Decoded> {
    if (this.#failed !== null || given.length === 0) return { chunks: [], failed: this.#failed };
    const bytes = this.#withFirst(given);
    if (bytes === null) return { chunks: [], failed: null };
    this.#stream ??= this.#open(bytes);
    const stream = this.#stream;
    this.#fed += bytes.length;
    this.#most = maxBytes;
    this.#length = 0;
    await new Promise<void>((resolve) => {
      this.#settle = resolve;
      stream.write(bytes, () => resolve());
    });
    // What was decoded may still be on its way to the listener.
    while (this.#failed === null && stream.readableLength > 0) await new Promise<void>((done) => setTimeout(done, 0));
    this.#settle = null;
    // Where this decoder has stopped another may read on.
    if (this.#failed === null && stream.bytesWritten < this.#fed) this.#failed = "decode_failed";
    const chunks = this.#out;
    this.#out = [];
    return { chunks, failed: this.#failed };
  }

  close(): void {
    this.#stream?.destroy();
  }

  /** Null: one byte of deflate is not enough to begin with. */
  #withFirst(given: Uint8Array): Uint8Array | null {
    if (this.#first === null) {
      if (this.#stream !== null || this.#coding !== "deflate" || given.length > 1) return given;
      this.#first = given.slice();
      return null;
    }
    const bytes = new Uint8Array(given.length + 1);
    bytes.set(this.#first);
    bytes.set(given, 1);
    this.#first = null;
    return bytes;
  }

  #open(bytes: Uint8Array): zlib.Gunzip {
    const stream = codingStream(this.#coding, bytes);
    const fail = (code: NonNullable<Decoded["failed"]>): void => {
      this.#failed ??= code;
      this.#settle?.();
    };
    stream.on("data", (chunk: Uint8Array) => {
      if (this.#failed !== null) return;
      this.#length += chunk.length;
      if (this.#length <= this.#most) {
        this.#out.push(chunk);
        return;
      }
      fail("decode_too_large");
      stream.destroy();
    });
    stream.on("error", () => fail("decode_failed"));
    return stream;
  }
}
