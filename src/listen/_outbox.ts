import type { Conn } from "../model/conn.ts";

/** Above this, copying costs more than a second system call. */
const COPY_LIMIT = 32 * 1024;

/**
 * Gathers what one turn produces, so that head, chunk framing and body leave in one write. Strings are one byte a char.
 * The usual turn is one text and one body behind it, which costs no array and no copy.
 */
export class Outbox {
  #text = "";
  #bytes: Uint8Array | null = null;
  #more: (string | Uint8Array)[] | null = null;

  add(part: string | Uint8Array): void {
    if (this.#more !== null) this.#more.push(part);
    else if (this.#bytes !== null) this.#more = [part];
    else if (typeof part === "string") this.#text += part;
    else this.#bytes = part;
  }

  /** False when the kernel asks to wait for drain. */
  flush(conn: Conn): boolean {
    const text = this.#text;
    const bytes = this.#bytes;
    const more = this.#more;
    if (more !== null) {
      this.#more = null;
      more.unshift(text, bytes as Uint8Array);
    }
    this.#text = "";
    this.#bytes = null;
    if (more !== null) return writeAll(conn, more);
    if (bytes === null) return text === "" ? true : conn.write(text);
    return text === "" ? conn.write(bytes) : conn.write(text, bytes);
  }
}

function writeAll(conn: Conn, parts: readonly (string | Uint8Array)[]): boolean {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length <= COPY_LIMIT) return conn.write(join(parts, length));
  let open = true;
  for (const part of parts) if (part.length > 0) open = conn.write(part);
  return open;
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
