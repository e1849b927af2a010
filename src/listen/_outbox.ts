import type { Conn } from "../model/conn.ts";
import type { FieldBlock, Fields } from "../model/headers.ts";
import { JOIN_LIMIT, OutBuffer } from "../wire/out-buffer.ts";

/** Filled and sent within one `flush`, so all connections can share it. */
const buffer = new OutBuffer();

interface Head {
  /** Status line with its CRLF. */
  readonly line: string;
  readonly fields: Fields;
  /** Ready lines behind the fields. */
  readonly framing: string;
  /** The certificate's line; null without one. */
  readonly certificate: FieldBlock | null;
}

/** Gathers what one turn produces, so that head, chunk framing and body leave in one write. Strings are one byte a char. */
export class Outbox {
  #head: Head | null = null;
  #parts: (Head | string | Uint8Array)[] | null = null;
  #bytes: Uint8Array | null = null;

  head(head: Head): void {
    if (this.#head === null && this.#bytes === null && this.#parts === null) this.#head = head;
    else this.#more(head);
  }

  add(part: string | Uint8Array): void {
    if (typeof part !== "string" && this.#bytes === null && this.#parts === null) this.#bytes = part;
    else this.#more(part);
  }

  /** The usual turn is one head and one body behind it, which needs no list. */
  #more(part: Head | string | Uint8Array): void {
    if (this.#parts === null) {
      this.#parts = [];
      if (this.#head !== null) this.#parts.push(this.#head);
      if (this.#bytes !== null) this.#parts.push(this.#bytes);
      this.#head = null;
      this.#bytes = null;
    }
    this.#parts.push(part);
  }

  /** False when the kernel asks to wait for drain. */
  flush(conn: Conn): boolean {
    const parts = this.#parts;
    const head = this.#head;
    const bytes = this.#bytes;
    this.#parts = null;
    this.#head = null;
    this.#bytes = null;
    buffer.clear();
    if (parts !== null) return sendAll(conn, parts);
    if (head !== null) compose(head);
    const open = bytes === null || put(conn, bytes);
    return buffer.length === 0 ? open : conn.send(buffer.bytes, buffer.length);
  }
}

function sendAll(conn: Conn, parts: readonly (Head | string | Uint8Array)[]): boolean {
  let open = true;
  for (const part of parts) {
    if (typeof part === "string") buffer.text(part);
    else if (part instanceof Uint8Array) open = put(conn, part);
    else compose(part);
  }
  return buffer.length === 0 ? open : conn.send(buffer.bytes, buffer.length);
}

/** Behind what is in the buffer, or, when it is long, sent by itself behind that. */
function put(conn: Conn, bytes: Uint8Array): boolean {
  if (bytes.length <= JOIN_LIMIT) {
    buffer.append(bytes);
    return true;
  }
  if (buffer.length > 0) conn.send(buffer.bytes, buffer.length);
  buffer.clear();
  return conn.write(bytes);
}

function compose({ line, fields, framing, certificate }: Head): void {
  buffer.text(line).fields(fields).text(framing);
  if (certificate !== null) buffer.block(certificate);
  buffer.text("\r\n");
}
