/** A piece below this costs more as a view of its own (140 to 240 bytes) than it would as a copy, in proportion. */
const SMALL = 1024;
/** A view may keep so many times its own bytes alive. */
const PINS = 2;
const FIRST_BLOCK = 256;
const LAST_BLOCK = 64 * 1024;

/**
 * Bytes that wait in order, in whatever pieces they came. What they take of memory is about what `length` says: small pieces
 * are put together, and so are those that are a small part of what they are views of. Large ones are kept as they are.
 */
export class Pieces {
  /** Bytes that wait. */
  length = 0;
  /** Where the first part is to be read from. */
  at = 0;
  #parts: Uint8Array[] = [];
  #front = 0;
  /** Takes small pieces, behind the parts. */
  #block: Uint8Array | null = null;
  #filled = 0;
  #room = FIRST_BLOCK;
  /** The first part has been looked at by `stay`. */
  #stays = false;

  /** Parts to which nothing is added any more. */
  get count(): number {
    return this.#parts.length - this.#front;
  }

  /** Of those, from the first on. */
  part(index: number): Uint8Array | undefined {
    return this.#parts[this.#front + index];
  }

  /** What is to be read next, from `at` on; nothing is written into it any more. */
  get first(): Uint8Array | undefined {
    if (this.#front === this.#parts.length) this.close();
    return this.#parts[this.#front];
  }

  /** They must not change any more; of an empty queue they are kept as they are, since most are read at once: see `stay`. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.length > 0 && (bytes.length < SMALL || pins(bytes, bytes.length))) this.#copy(bytes);
    else {
      this.close();
      this.#parts.push(bytes);
    }
    this.length += bytes.length;
  }

  /** Nobody reads for now: what alone was kept as it came must not keep much more alive than itself. */
  stay(): void {
    const first = this.#parts[this.#front];
    if (this.#stays || first === undefined) return;
    this.#stays = true;
    if (!pins(first, first.length - this.at)) return;
    this.#parts[this.#front] = first.slice(this.at);
    this.at = 0;
  }

  /** So many bytes of `first` were read. */
  skip(count: number): void {
    this.length -= count;
    this.at += count;
    if (this.at < (this.#parts[this.#front] as Uint8Array).length) return;
    this.at = 0;
    this.#stays = false;
    this.#parts[this.#front] = NOTHING;
    this.#front++;
    if (this.#front === this.#parts.length) {
      this.#parts.length = 0;
      this.#front = 0;
    } else if (this.#front >= 32 && this.#front * 2 >= this.#parts.length) {
      this.#parts = this.#parts.slice(this.#front);
      this.#front = 0;
    }
  }

  /** What was put together so far is a part. */
  close(): void {
    const block = this.#block;
    if (block === null) return;
    this.#block = null;
    // Room that nobody filled is not kept: a large piece behind each small one would make much of it.
    this.#parts.push(this.#filled * 2 < block.length ? block.slice(0, this.#filled) : block.subarray(0, this.#filled));
  }

  clear(): void {
    this.length = 0;
    this.at = 0;
    this.#parts = [];
    this.#front = 0;
    this.#block = null;
    this.#room = FIRST_BLOCK;
    this.#stays = false;
  }

  #copy(bytes: Uint8Array): void {
    let block = this.#block;
    if (block === null || block.length - this.#filled < bytes.length) {
      this.close();
      block = new Uint8Array(Math.max(this.#room, bytes.length));
      this.#block = block;
      this.#filled = 0;
      this.#room = Math.min(LAST_BLOCK, this.#room * 2);
    }
    if (bytes.length > 64) block.set(bytes, this.#filled);
    else for (let i = 0, to = this.#filled; i < bytes.length; i++, to++) block[to] = bytes[i] as number;
    this.#filled += bytes.length;
  }
}

const NOTHING = new Uint8Array(0);

function pins(bytes: Uint8Array, wanted: number): boolean {
  return wanted * PINS < bytes.buffer.byteLength;
}
