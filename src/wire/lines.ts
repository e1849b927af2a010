/**
 * Lines out of bytes in any pieces: NDJSON, JSON lines, JSON text sequences (RFC 7464: a record separator before each). A CR ends one, too: many clients
 * cut there, and within JSON it is only space. Pure.
 */
import { ByteRoom } from "./byte-room.ts";

export interface LineSink {
  /** Without its end; may be empty. Valid until it returns. */
  line(line: Uint8Array): void;
  /** A line above `most` bytes, which is passed over. */
  overflow(): void;
}

const LF = 0x0a;
const CR = 0x0d;
const RECORD = 0x1e;

export class LineReader {
  readonly #sink: LineSink;
  readonly #held: ByteRoom;
  #taken = 0;
  #whole = 0;
  #over = false;

  constructor(sink: LineSink, most: number) {
    this.#sink = sink;
    this.#held = new ByteRoom(most);
  }

  /** Bytes up to and with the end of the last whole line. */
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

  /** Takes bytes up to the end of the next line, or all of them. Answers how many it took. */
  take(bytes: Uint8Array): number {
    const found = lineEnd(bytes);
    const end = found === -1 ? bytes.length : found;
    this.#taken += found === -1 ? end : end + 1;
    if (!this.#over && !this.#held.add(bytes, 0, end)) {
      this.#over = true;
      this.#held.clear();
      this.#sink.overflow();
    }
    if (found === -1) return bytes.length;
    this.#told();
    return end + 1;
  }

  end(): void {
    if (this.#held.length > 0) this.#told();
  }

  #told(): void {
    const { bytes, length } = this.#held;
    this.#held.clear();
    this.#whole = this.#taken;
    if (this.#over) {
      this.#over = false;
      return;
    }
    const from = bytes[0] === RECORD && length > 0 ? 1 : 0;
    this.#sink.line(bytes.subarray(from, length));
  }
}

/** In one look: what searches for the one, and then for the other, goes through all the rest at every line. */
function lineEnd(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === LF || bytes[at] === CR) return at;
  return -1;
}
