/** Bytes of a head (or trailer section) to the places of its fields: strict, incremental, linear in the bytes seen. */
import { CLASS, decodeBytes, TEXT, TOKEN } from "./http1-chars.ts";

export interface WireLimits {
  /** Bytes of a head from its start line to its blank line, both counted; the same again bounds a trailer section. */
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
}

export interface WireFault {
  readonly status: 400 | 405 | 408 | 417 | 431 | 501 | 505;
  /** Stable, snake_case. */
  readonly code: string;
  /** For a person; quotes nothing the peer sent. */
  readonly detail: string;
}

export function malformed(code: string, detail: string): WireFault {
  return { status: 400, code, detail };
}

const LINE = 0;
const LINE_FEED = 1;
const FIELD = 2;
const NAME = 3;
const BLANK = 4;
const VALUE = 5;
const LAST_FEED = 6;

/**
 * A head that was read completely: its bytes as they came, and where its fields stand in them. Nearly every request is
 * decided and sent on without its fields ever becoming strings; `text` is for whoever needs one all the same.
 */
export class RawHead {
  /** The head begins at `base`; the array belongs to whoever holds the head. */
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly length: number;
  /** Length of the start line without its CRLF; 0 for a trailer section. */
  readonly lineEnd: number;
  /** Four numbers a field, from `base`: name start, name end, value start, value end (whitespace around the value is outside). */
  readonly marks: readonly number[];
  readonly #plain: boolean;
  #text: string | null = null;

  constructor(
    bytes: Uint8Array,
    base: number,
    length: number,
    lineEnd: number,
    marks: readonly number[],
    plain: boolean,
  ) {
    this.bytes = bytes;
    this.base = base;
    this.length = length;
    this.lineEnd = lineEnd;
    this.marks = marks;
    this.#plain = plain;
  }

  /** The whole head, one char a byte. */
  get text(): string {
    this.#text ??= decodeBytes(this.bytes.subarray(this.base, this.base + this.length), this.#plain);
    return this.#text;
  }

  /** The value of the field whose marks begin at `mark`. */
  value(mark: number): string {
    return this.text.substring(this.marks[mark + 2] as number, this.marks[mark + 3] as number);
  }

  /** Whether the start line is this ASCII text, byte for byte. */
  lineIs(text: string): boolean {
    return this.lineEnd === text.length && this.#isAt(0, text);
  }

  /** Whether it is this ASCII text, byte for byte. */
  valueIs(mark: number, text: string): boolean {
    const start = this.marks[mark + 2] as number;
    return (this.marks[mark + 3] as number) - start === text.length && this.#isAt(start, text);
  }

  /** Whether it begins with this lower-case ASCII text, in any case. */
  valueBegins(mark: number, lower: string): boolean {
    const start = this.marks[mark + 2] as number;
    if ((this.marks[mark + 3] as number) - start < lower.length) return false;
    for (let i = 0; i < lower.length; i++) {
      const code = this.bytes[this.base + start + i] as number;
      const folded = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
      if (folded !== lower.charCodeAt(i)) return false;
    }
    return true;
  }

  #isAt(start: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.bytes[this.base + start + i] !== text.charCodeAt(i)) return false;
    return true;
  }
}

export class HeadScanner {
  fault: WireFault | null = null;
  readonly #limits: WireLimits;
  readonly #first: number;
  #state: number;
  #raw: RawHead | null = null;
  /** Bytes of this head already scanned: a head in many pieces is never scanned twice. */
  #scanned = 0;
  #held: Uint8Array | null = null;
  #bits = 0;
  #lineEnd = 0;
  readonly #marks: number[] = [];

  /** With `trailers` there is no start line. */
  constructor(limits: WireLimits, trailers: boolean) {
    this.#limits = limits;
    this.#first = trailers ? FIELD : LINE;
    this.#state = this.#first;
  }

  get started(): boolean {
    return this.#scanned > 0;
  }

  /** The head once its blank line was read, else null; asking again answers null. */
  take(): RawHead | null {
    const raw = this.#raw;
    // An idle connection must not keep its last head, and the secrets in it, in memory.
    this.#raw = null;
    return raw;
  }

  /** Bytes consumed from `chunk.subarray(offset)`: all of them, or up to the end of the head, or up to the fault. */
  push(chunk: Uint8Array, offset: number): number {
    if (this.#scanned === 0) this.#marks.length = 0;
    const before = this.#scanned;
    const take = Math.min(chunk.length - offset, this.#limits.maxHeaderBytes - before);
    let bytes = chunk;
    let base = offset;
    if (this.#held !== null) {
      bytes = this.#hold(chunk.subarray(offset, offset + take));
      base = 0;
    }
    const done = this.#scan(bytes, base, base + before + take);
    if (done) {
      this.#raw = new RawHead(bytes, base, this.#scanned, this.#lineEnd, this.#marks.slice(), this.#bits < 0x80);
      const consumed = this.#scanned - before;
      this.#reset();
      return consumed;
    }
    if (this.fault === null) {
      if (this.#scanned >= this.#limits.maxHeaderBytes) {
        this.fault = { status: 431, code: "head_too_large", detail: "the head is over the limit of bytes" };
      } else if (this.#held === null) {
        this.#hold(chunk.subarray(offset));
      }
    }
    return this.#scanned - before;
  }

  #reset(): void {
    this.#state = this.#first;
    this.#scanned = 0;
    this.#held = null;
    this.#bits = 0;
    this.#lineEnd = 0;
  }

  /** Appends to the held head, doubling its room. `#scanned` bytes are in it before the call. */
  #hold(piece: Uint8Array): Uint8Array {
    const used = this.#held === null ? 0 : this.#scanned;
    const need = used + piece.length;
    if (this.#held === null || this.#held.length < need) {
      const room = new Uint8Array(Math.min(Math.max(1024, need * 2), this.#limits.maxHeaderBytes));
      if (this.#held !== null) room.set(this.#held.subarray(0, used));
      this.#held = room;
    }
    this.#held.set(piece, used);
    return this.#held;
  }

  /** Goes on from `#scanned`; true when the blank line was read. Bytes are judged in order, so no split changes a fault. */
  #scan(bytes: Uint8Array, base: number, end: number): boolean {
    let i = base + this.#scanned;
    let state = this.#state;
    let bits = this.#bits;
    const marks = this.#marks;
    let fault: WireFault | null = null;
    let done = false;
    while (i < end && fault === null && !done) {
      if (state === NAME) {
        while (i < end && ((CLASS[bytes[i] as number] as number) & TOKEN) !== 0) i++;
        if (i === end) break;
        if (bytes[i] !== 0x3a || i - base === marks[marks.length - 1]) {
          fault = nameFault(bytes[i] as number);
        } else {
          marks.push(i - base);
          i++;
          state = BLANK;
        }
      } else if (state === BLANK) {
        while (i < end && (bytes[i] === 0x20 || bytes[i] === 0x09)) i++;
        if (i === end) break;
        marks.push(i - base);
        state = VALUE;
      } else if (state === VALUE || state === LINE) {
        while (i < end) {
          const byte = bytes[i] as number;
          if (((CLASS[byte] as number) & TEXT) === 0) break;
          bits |= byte;
          i++;
        }
        if (i === end) break;
        if (bytes[i] !== 0x0d) {
          fault = textFault(bytes[i] as number);
        } else if (state === LINE && i === base) {
          fault = malformed("empty_line", "a line is empty where the head should begin");
        } else {
          if (state === LINE) {
            this.#lineEnd = i - base;
          } else {
            const start = base + (marks[marks.length - 1] as number);
            let last = i;
            while (last > start && (bytes[last - 1] === 0x20 || bytes[last - 1] === 0x09)) last--;
            marks.push(last - base);
          }
          i++;
          state = LINE_FEED;
        }
      } else if (state === FIELD) {
        const byte = bytes[i] as number;
        if (byte === 0x0d) {
          i++;
          state = LAST_FEED;
        } else if (byte === 0x20 || byte === 0x09) {
          fault = malformed("obs_fold", "a line of the head begins with whitespace");
        } else if (marks.length >= this.#limits.maxHeaders * 4) {
          fault = { status: 431, code: "too_many_fields", detail: "the head has more fields than the limit" };
        } else {
          marks.push(i - base);
          state = NAME;
        }
      } else {
        // LINE_FEED or LAST_FEED: a CR was read.
        if (bytes[i] !== 0x0a) {
          fault = malformed("bare_cr", "a CR is not followed by LF");
        } else {
          i++;
          done = state === LAST_FEED;
          state = FIELD;
        }
      }
    }
    this.#scanned = i - base;
    this.#state = state;
    this.#bits = bits;
    this.fault = fault;
    return done;
  }
}

/** The fields of a head, flat: names and values in the order and case they came. */
export function fieldsOf(raw: RawHead): string[] {
  const { text, marks } = raw;
  const fields: string[] = [];
  for (let m = 0; m + 3 < marks.length; m += 4) {
    fields.push(
      text.substring(marks[m] as number, marks[m + 1] as number),
      text.substring(marks[m + 2] as number, marks[m + 3] as number),
    );
  }
  return fields;
}

function nameFault(byte: number): WireFault {
  if (byte === 0x3a) return malformed("empty_field_name", "a field has no name");
  if (byte === 0x20 || byte === 0x09) return malformed("space_before_colon", "whitespace stands before a colon");
  if (byte === 0x0d || byte === 0x0a) return malformed("missing_colon", "a line of the head has no colon");
  return malformed("bad_field_name", "a field name has a character that is not allowed");
}

function textFault(byte: number): WireFault {
  if (byte === 0x0a) return malformed("bare_lf", "an LF has no CR before it");
  return malformed("control_char", "the head has a control character");
}
