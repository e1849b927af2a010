/**
 * Server-sent events out of bytes in any pieces (WHATWG HTML, 9.2.6): lines end with CR, LF or CRLF, a blank line ends an
 * event, a byte order mark may stand first. Pure; holds at most one event.
 */
import { ByteRoom } from "./byte-room.ts";

export interface SseSink {
  /** The values behind `data:` of one event, joined by line feeds; "" when it has none. Valid until it returns. */
  event(data: Uint8Array): void;
  /** A line that is neither `data` nor blank: `event`, `id`, `retry`, comments, and what nobody knows. Valid until it returns. */
  line(line: Uint8Array): void;
  /** A line, or what an event's lines come to, is above `most` bytes: the event is passed over. */
  overflow(): void;
}

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
const DATA = [0x64, 0x61, 0x74, 0x61];
const BOM = [0xef, 0xbb, 0xbf];

export class SseReader {
  readonly #sink: SseSink;
  readonly #line: ByteRoom;
  readonly #data: ByteRoom;
  readonly #most: number;
  #hasData = false;
  /** The last byte was a CR: a LF behind it belongs to the same line end. */
  #afterCr = false;
  #first = true;
  /** The line that is being read is too long, and so is what the event's lines have come to. */
  #overLine = false;
  #overData = false;
  /** Bytes taken altogether, and of those the ones up to the end of the last whole event. */
  #taken = 0;
  #whole = 0;

  constructor(sink: SseSink, most: number) {
    this.#sink = sink;
    this.#most = most;
    this.#line = new ByteRoom(most);
    this.#data = new ByteRoom(most);
  }

  /** Bytes up to and with the blank line of the last event that was told. A LF behind a CR that ended it comes with the next. */
  get whole(): number {
    return this.#whole;
  }

  /** Nothing has come since the last event's end. */
  get between(): boolean {
    return this.#whole === this.#taken;
  }

  /** Bytes held of what is not whole. */
  get kept(): number {
    return this.#line.length + this.#data.length;
  }

  /**
   * Takes bytes up to the end of the next event, or all of them. Answers how many it took: whoever wants every event's end
   * told calls again with the rest.
   */
  take(bytes: Uint8Array): number {
    const before = this.#whole;
    let at = 0;
    if (this.#afterCr && bytes.length > 0) {
      this.#afterCr = false;
      if (bytes[0] === LF) {
        at = 1;
        this.#taken += 1;
        if (this.#whole === this.#taken - 1) this.#whole = this.#taken;
      }
    }
    while (at < bytes.length) {
      const end = lineEnd(bytes, at);
      if (end === -1) {
        this.#keep(bytes, at, bytes.length);
        return bytes.length;
      }
      const from = at;
      at = end + 1;
      if (bytes[end] === CR) {
        if (at < bytes.length) {
          if (bytes[at] === LF) at += 1;
        } else this.#afterCr = true;
      }
      this.#taken += at - from;
      this.#ended(bytes, from, end);
      if (this.#whole !== before) return at;
    }
    return bytes.length;
  }

  /** The stream has ended: a line that was not, and an event that no blank line ended, are told too, as lenient readers do. */
  end(): void {
    if (this.#line.length > 0) this.#ended(NOTHING, 0, 0);
    if (this.#hasData) this.#told();
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    this.#taken += to - from;
    this.#add(bytes, from, to);
  }

  #add(bytes: Uint8Array, from: number, to: number): void {
    if (this.#overLine || this.#line.add(bytes, from, to)) return;
    this.#overLine = true;
    this.#line.clear();
    this.#sink.overflow();
  }

  #ended(bytes: Uint8Array, from: number, to: number): void {
    // One that came in one piece is bounded as one that did not, or pieces would say what is read.
    if (this.#line.length === 0 && !this.#overLine && to - from <= this.#most) {
      this.#read(bytes, from, to);
      return;
    }
    this.#add(bytes, from, to);
    if (this.#overLine) {
      this.#overLine = false;
      // A mark that stands first stood in it.
      this.#first = false;
      // What it said was perhaps the event's.
      this.#overData = true;
      this.#data.clear();
      return;
    }
    const { bytes: line, length } = this.#line;
    this.#line.clear();
    this.#read(line, 0, length);
  }

  #read(bytes: Uint8Array, start: number, end: number): void {
    let from = start;
    if (this.#first) {
      this.#first = false;
      if (end - from >= 3 && BOM.every((byte, i) => bytes[from + i] === byte)) from += 3;
    }
    if (from === end) {
      this.#told();
      return;
    }
    if (!isData(bytes, from, end)) {
      this.#sink.line(bytes.subarray(from, end));
      return;
    }
    let value = from + 4;
    if (value < end) value += bytes[value + 1] === SPACE && value + 1 < end ? 2 : 1;
    const first = !this.#hasData;
    this.#hasData = true;
    if (this.#overData) return;
    if ((first || this.#data.add(LINE_FEED, 0, 1)) && this.#data.add(bytes, Math.min(value, end), end)) return;
    this.#overData = true;
    this.#data.clear();
    this.#sink.overflow();
  }

  #told(): void {
    this.#whole = this.#taken;
    this.#hasData = false;
    const { bytes, length } = this.#data;
    this.#data.clear();
    if (this.#overData) this.#overData = false;
    else this.#sink.event(bytes.subarray(0, length));
  }
}

const NOTHING = new Uint8Array(0);
const LINE_FEED = Uint8Array.of(LF);

function isData(bytes: Uint8Array, from: number, end: number): boolean {
  if (end - from < 4) return false;
  for (let i = 0; i < 4; i++) if (bytes[from + i] !== DATA[i]) return false;
  return end - from === 4 || bytes[from + 4] === COLON;
}

function lineEnd(bytes: Uint8Array, from: number): number {
  const lf = bytes.indexOf(LF, from);
  const cr = bytes.subarray(from, lf === -1 ? bytes.length : lf).indexOf(CR);
  return cr === -1 ? lf : from + cr;
}
