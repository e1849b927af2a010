/** Bytes that wait for the rest of them; room doubles up to a bound, so adding is linear. */
export class ByteRoom {
  bytes: Uint8Array = new Uint8Array(512);
  /** Used bytes of `bytes`. */
  length = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** False: they do not fit, and nothing was added. */
  add(bytes: Uint8Array, from: number, to: number): boolean {
    const length = this.length + to - from;
    if (length > this.#most) return false;
    if (length > this.bytes.length) {
      const wide = new Uint8Array(Math.min(this.#most, Math.max(length, this.bytes.length * 2)));
      wide.set(this.bytes.subarray(0, this.length));
      this.bytes = wide;
    }
    if (to - from > 64) this.bytes.set(bytes.subarray(from, to), this.length);
    else for (let i = from, at = this.length; i < to; i++, at++) this.bytes[at] = bytes[i] as number;
    this.length = length;
    return true;
  }

  clear(): void {
    this.length = 0;
    // What one large thing needed is not kept for the small ones behind it.
    if (this.bytes.length > KEPT) this.bytes = new Uint8Array(512);
  }
}

const KEPT = 256 * 1024;
