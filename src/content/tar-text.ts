/**
 * The text in a tape archive, in any pieces: blocks of 512 bytes that are text, and the names of members. What headers say of
 * lengths is not asked, so that no member can hide another; programs and pictures in it are left out.
 */
import type { TextFilter } from "./markup-text.ts";
import { isTar, isTextual } from "./pack-kinds.ts";

const BLOCK = 512;
const NAME = 100;
const NEWLINE = 0x0a;

export class TarText implements TextFilter {
  #out = new Uint8Array(1024);
  #count = 0;
  readonly #block = new Uint8Array(BLOCK);
  #held = 0;

  push(bytes: Uint8Array): Uint8Array {
    const room = bytes.length + 2 * BLOCK;
    if (this.#out.length < room) this.#out = new Uint8Array(room);
    this.#count = 0;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + BLOCK - this.#held);
      this.#block.set(part, this.#held);
      this.#held += part.length;
      at += part.length;
      if (this.#held < BLOCK) break;
      this.#take(this.#block);
      this.#held = 0;
    }
    return this.#out.subarray(0, this.#count);
  }

  /** An archive that ends within a block is damaged, and unpacked all the same: what there is of the block is told. */
  end(): Uint8Array {
    this.#count = 0;
    if (this.#held > 0) this.#take(this.#block.subarray(0, this.#held));
    this.#held = 0;
    return this.#out.subarray(0, this.#count);
  }

  #take(block: Uint8Array): void {
    let end = block.length;
    if (isTar(block)) {
      const zero = block.indexOf(0);
      end = zero === -1 ? Math.min(NAME, end) : Math.min(zero, NAME);
    } else {
      // The last block of a member is filled up with zeros.
      while (end > 0 && block[end - 1] === 0) end -= 1;
      if (!isTextual(block.subarray(0, end), 1)) return;
    }
    this.#out.set(block.subarray(0, end), this.#count);
    this.#count += end;
    if (end < BLOCK) this.#out[this.#count++] = NEWLINE;
  }
}
