/** Where heads are put together before they are sent: bytes of received lines and generated text, side by side. */
import type { FieldBlock, Fields } from "../model/headers.ts";
import { writeFields } from "./http1-write.ts";

/** Above this, copying a body behind its head costs more than a second system call, bytes. */
export const JOIN_LIMIT = 32 * 1024;
const FIRST_ROOM = 64 * 1024;
/** A text up to this long is copied char by char: calling the encoder costs more. */
const SHORT = 32;

const encoder = new TextEncoder();

/**
 * One growing buffer. Whoever fills it hands it to the connection (`Conn.send`) before returning to the event loop, so
 * the whole process needs one of them and no message needs memory of its own.
 */
export class OutBuffer {
  bytes: Uint8Array;
  length = 0;

  /** `room`: bytes to begin with. */
  constructor(room = FIRST_ROOM) {
    this.bytes = new Uint8Array(room);
  }

  clear(): this {
    this.length = 0;
    return this;
  }

  /** One byte a char. */
  text(text: string): this {
    const { length } = text;
    if (length <= SHORT) return this.#latin1(text);
    const bytes = this.room(length);
    const { read, written } = encoder.encodeInto(text, bytes.subarray(this.length, this.length + length));
    // Anything but ASCII takes more than one byte a char in UTF-8, so it does not fit.
    if (read !== length || written !== length) return this.#latin1(text);
    this.length += length;
    return this;
  }

  fields(fields: Fields): this {
    return isBlock(fields) ? this.block(fields) : this.text(writeFields(fields));
  }

  block(block: FieldBlock): this {
    const { size } = block;
    block.copyTo(this.room(size), this.length);
    this.length += size;
    return this;
  }

  append(bytes: Uint8Array): this {
    const { length } = bytes;
    const into = this.room(length);
    if (length > 256) into.set(bytes, this.length);
    else for (let i = 0, to = this.length; i < length; i++) into[to++] = bytes[i] as number;
    this.length += length;
    return this;
  }

  #latin1(text: string): this {
    const bytes = this.room(text.length);
    for (let i = 0, to = this.length; i < text.length; i++) bytes[to++] = text.charCodeAt(i);
    this.length += text.length;
    return this;
  }

  /** The bytes, grown so that `more` fit behind `length`; whoever writes them moves `length`. */
  room(more: number): Uint8Array {
    const need = this.length + more;
    if (need > this.bytes.length) {
      const larger = new Uint8Array(Math.max(need, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    return this.bytes;
  }
}

function isBlock(fields: Fields): fields is FieldBlock {
  return !Array.isArray(fields);
}
