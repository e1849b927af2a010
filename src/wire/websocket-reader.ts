/** One direction of a WebSocket: bytes to whole messages and control frames (RFC 6455), and those back to the bytes they were. */
import { Utf8 } from "./utf8.ts";
import {
  announced,
  CLOSE,
  closeFault,
  FrameHead,
  headSize,
  isControl,
  keyAt,
  mask,
  TEXT,
  TOO_LARGE,
  TOO_MANY,
  type WebSocketFault,
} from "./websocket-frame.ts";

export interface ReaderOptions {
  /** It is a client that speaks. */
  readonly masked: boolean;
  /** permessage-deflate was agreed on. */
  readonly deflate: boolean;
  /** Bytes of a message, as sent. */
  readonly maxMessage: number;
}

/** As many as four megabytes in frames of 64 bytes. */
export const MAX_FRAGMENTS = 65_536;
/** Up to here joining head and payload is cheaper than a second write. */
const JOIN = 16 * 1024;
const FIRST_ROOM = 1024;
/** Room that is taken on the word of a head, before the bytes are there. */
const TRUSTED = 64 * 1024;
const NOTHING = new Uint8Array(0);

/** A message or a control frame that has come whole. */
export class Held {
  readonly opcode: number;
  /** The payload is DEFLATE. */
  readonly compressed: boolean;
  /** Unmasked; gone once `wire` was called. */
  readonly payload: Uint8Array;
  /** Heads of its frames, one behind the other. */
  readonly #heads: Uint8Array;
  /** Head and payload, when they came in one piece. */
  readonly #whole: Uint8Array | null;

  constructor(
    head: Pick<FrameHead, "opcode" | "compressed">,
    payload: Uint8Array,
    heads: Uint8Array,
    whole: Uint8Array | null,
  ) {
    this.opcode = head.opcode;
    this.compressed = head.compressed;
    this.payload = payload;
    this.#heads = heads;
    this.#whole = whole;
  }

  /** Its frames, byte for byte as received. At most once: what was `payload` is masked again for it. */
  wire(): Uint8Array[] {
    const heads = this.#heads;
    const { payload } = this;
    const single = headSize(heads, 0) === heads.length;
    if (single) {
      this.#mask(0, payload);
      if (this.#whole !== null) return [this.#whole];
      if (payload.length > JOIN) return [heads, payload];
    }
    const out = new Uint8Array(heads.length + payload.length);
    let to = 0;
    let from = 0;
    for (let at = 0; at < heads.length; ) {
      const size = headSize(heads, at);
      const part = payload.subarray(from, from + announced(heads, at));
      if (!single) this.#mask(at, part);
      out.set(heads.subarray(at, at + size), to);
      out.set(part, to + size);
      to += size + part.length;
      from += part.length;
      at += size;
    }
    return [out];
  }

  #mask(at: number, payload: Uint8Array): void {
    if ((this.#heads[at + 1] as number) > 0x7f)
      mask(payload, keyAt(this.#heads, at + headSize(this.#heads, at) - 4), 0);
  }
}

/**
 * `push` takes bytes up to the end of a message or control frame, which `take` then hands out, or up to a fault. Control frames
 * between the fragments of a message come out before it.
 */
export class MessageReader {
  fault: WebSocketFault | null = null;
  readonly #options: ReaderOptions;
  readonly #head: FrameHead;
  readonly #utf8 = new Utf8();
  /** Payload bytes of the current frame that are there. */
  #got = 0;
  #inPayload = false;
  /** The message under way: what its first frame said, its payload so far, the heads of its frames so far. */
  #opcode = 0;
  #compressed = false;
  #buffer = NOTHING;
  #length = 0;
  #heads = NOTHING;
  #headsLength = 0;
  #fragments = 0;
  #control = NOTHING;
  #held: Held | null = null;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#head = new FrameHead(options.masked, options.deflate);
  }

  /** Bytes of memory for what is not whole yet. */
  get size(): number {
    return this.#buffer.length + this.#heads.length;
  }

  take(): Held | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  /** Bytes consumed from `chunk.subarray(at)`. The chunk is the reader's: it is unmasked in place and may be held. */
  push(chunk: Uint8Array, at: number): number {
    const head = this.#head;
    let i = at;
    while (this.fault === null && this.#held === null) {
      if (!this.#inPayload) {
        const start = i;
        i += head.push(chunk, i);
        this.fault = head.fault;
        if (this.fault !== null || !head.complete) return i - at;
        const whole =
          head.size === i - start && i + head.length <= chunk.length ? chunk.subarray(start, i + head.length) : null;
        this.#begin();
        if (this.fault !== null) return i - at;
        if (whole !== null && head.fin && !head.continuing && !isControl(head.opcode)) {
          i += head.length;
          this.#single(whole);
          continue;
        }
        this.#inPayload = true;
      }
      const end = Math.min(chunk.length, i + head.length - this.#got);
      if (end > i) this.#payload(chunk.subarray(i, end));
      i = end;
      if (this.fault !== null || this.#got < head.length) return i - at;
      this.#inPayload = false;
      this.#end();
    }
    return i - at;
  }

  /** A head is complete: what it announces must fit. */
  #begin(): void {
    const head = this.#head;
    this.#got = 0;
    if (isControl(head.opcode)) {
      this.#control = new Uint8Array(head.length);
      return;
    }
    if (!head.continuing) {
      this.#opcode = head.opcode;
      this.#compressed = head.compressed;
      this.#utf8.reset();
    }
    if (this.#length + head.length > this.#options.maxMessage) this.fault = TOO_LARGE;
    else if (this.#fragments === MAX_FRAGMENTS) this.fault = TOO_MANY;
  }

  /** A message in one frame in one chunk is not copied. */
  #single(whole: Uint8Array): void {
    const head = this.#head;
    const payload = whole.subarray(head.size);
    mask(payload, head.key, 0);
    if (head.opcode === TEXT && !head.compressed && !(this.#utf8.push(payload) && this.#utf8.whole)) {
      this.fault = BAD_TEXT;
      return;
    }
    this.#held = new Held(head, payload, whole.subarray(0, head.size), whole);
    head.begin();
  }

  #payload(bytes: Uint8Array): void {
    const head = this.#head;
    mask(bytes, head.key, this.#got);
    if (isControl(head.opcode)) {
      this.#control.set(bytes, this.#got);
    } else {
      this.#room(bytes.length).set(bytes, this.#length);
      this.#length += bytes.length;
      if (this.#opcode === TEXT && !this.#compressed && !this.#utf8.push(bytes)) this.fault = BAD_TEXT;
    }
    this.#got += bytes.length;
  }

  #room(more: number): Uint8Array {
    const need = this.#length + more;
    if (need > this.#buffer.length) {
      const told = this.#length + Math.min(this.#head.length - this.#got, TRUSTED);
      const room = Math.max(need, told, this.#buffer.length * 2, FIRST_ROOM);
      const larger = new Uint8Array(Math.min(room, Math.max(need, this.#options.maxMessage)));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    return this.#buffer;
  }

  /** A frame is complete. */
  #end(): void {
    const head = this.#head;
    if (isControl(head.opcode)) {
      this.#endControl();
      return;
    }
    this.#note();
    head.continuing = !head.fin;
    head.begin();
    if (!head.fin) return;
    if (this.#opcode === TEXT && !this.#compressed && !this.#utf8.whole) {
      this.fault = BAD_TEXT;
      return;
    }
    const first = { opcode: this.#opcode, compressed: this.#compressed };
    const payload = this.#buffer.subarray(0, this.#length);
    this.#held = new Held(first, payload, this.#heads.subarray(0, this.#headsLength), null);
    this.#buffer = NOTHING;
    this.#length = 0;
    this.#heads = NOTHING;
    this.#headsLength = 0;
    this.#fragments = 0;
  }

  #endControl(): void {
    const head = this.#head;
    if (head.opcode === CLOSE) this.fault = closeFault(this.#control);
    if (this.fault === null) this.#held = new Held(head, this.#control, head.bytes.slice(0, head.size), null);
    this.#control = NOTHING;
    head.begin();
  }

  /** Remembers the head of a frame of the message under way. */
  #note(): void {
    const head = this.#head;
    const need = this.#headsLength + head.size;
    if (need > this.#heads.length) {
      const larger = new Uint8Array(this.#fragments === 0 ? head.size : Math.max(64, need * 2));
      larger.set(this.#heads.subarray(0, this.#headsLength));
      this.#heads = larger;
    }
    this.#heads.set(head.bytes.subarray(0, head.size), this.#headsLength);
    this.#headsLength = need;
    this.#fragments++;
  }
}

const BAD_TEXT: WebSocketFault = { close: 1007, code: "bad_text" };
