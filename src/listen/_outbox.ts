import type { Conn } from "../model/conn.ts";

/** Above this, copying costs more than a second system call. */
const COPY_LIMIT = 32 * 1024;

/**
 * Gathers what one turn produces, so that head, chunk framing and body leave in one write. Strings are one byte a char.
 */
export class Outbox {
  #parts: (string | Uint8Array)[] = [];
  #length = 0;

  add(part: string | Uint8Array): void {
    this.#parts.push(part);
    this.#length += part.length;
  }

  /** False when the kernel asks to wait for drain. */
  flush(conn: Conn): boolean {
    const parts = this.#parts;
    const count = parts.length;
    if (count === 0) return true;
    const length = this.#length;
    this.#parts = [];
    this.#length = 0;
    const first = parts[0] as string | Uint8Array;
    if (count === 1) return conn.write(first);
    const second = parts[1] as string | Uint8Array;
    if (count === 2 && typeof second !== "string") return conn.write(first, second);
    if (length <= COPY_LIMIT) return conn.write(join(parts, length));
    let open = true;
    for (const part of parts) open = conn.write(part);
    return open;
  }
}

function join(parts: readonly (string | Uint8Array)[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") for (let i = 0; i < part.length; i++) whole[at + i] = part.charCodeAt(i);
    else whole.set(part, at);
    at += part.length;
  }
  return whole;
}
