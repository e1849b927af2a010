/**
 * application/vnd.amazon.eventstream out of bytes in any pieces: length, length of headers, checksum, headers, payload,
 * checksum. Checksums are not looked at: who could change a payload could change them. Pure.
 */
import { ByteRoom } from "./byte-room.ts";

export interface AmazonSink {
  /** Valid until it returns. */
  message(payload: Uint8Array): void;
  /** A message above `most` bytes, which is passed over; or what comes is no such stream, and nothing more is told. */
  overflow(): void;
}

const PRELUDE = 12;
/** Prelude, and the checksum of all. */
const LEAST = 16;

export class AmazonReader {
  readonly #sink: AmazonSink;
  readonly #held: ByteRoom;
  readonly #most: number;
  #wanted = PRELUDE;
  #taken = 0;
  #whole = 0;
  /** Bytes to pass over. */
  #skip = 0;

  constructor(sink: AmazonSink, most: number) {
    this.#sink = sink;
    this.#most = most;
    this.#held = new ByteRoom(most);
  }

  /** Bytes up to the end of the last whole message. */
  get whole(): number {
    return this.#whole;
  }

  get between(): boolean {
    return this.#whole === this.#taken;
  }

  /** Bytes held of what is not whole. */
  get kept(): number {
    return this.#held.length;
  }

  /** Takes bytes up to the end of the next message, or all of them. Answers how many it took. */
  take(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, bytes.length - at);
        this.#skip -= passed;
        at += passed;
        this.#taken += passed;
        continue;
      }
      const more = Math.min(this.#wanted - this.#held.length, bytes.length - at);
      this.#held.add(bytes, at, at + more);
      at += more;
      this.#taken += more;
      if (this.#held.length < this.#wanted) break;
      if (this.#wanted > PRELUDE) {
        this.#told();
        return at;
      }
      const { bytes: head } = this.#held;
      const view = new DataView(head.buffer, head.byteOffset, head.length);
      const total = view.getUint32(0);
      if (total < LEAST + view.getUint32(4)) this.#skip = Number.POSITIVE_INFINITY;
      else if (total > this.#most) this.#skip = total - PRELUDE;
      else this.#wanted = total;
      if (this.#skip === 0) continue;
      this.#held.clear();
      this.#sink.overflow();
    }
    return bytes.length;
  }

  /** A message that was cut short is nothing: nobody can read it. */
  end(): void {}

  #told(): void {
    const { bytes } = this.#held;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const payload = bytes.subarray(PRELUDE + view.getUint32(4), this.#wanted - 4);
    this.#held.clear();
    this.#wanted = PRELUDE;
    this.#whole = this.#taken;
    this.#sink.message(payload);
  }
}
