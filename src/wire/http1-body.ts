/**
 * Message bodies: by length, chunked, or until the connection closes. Bytes are handed on as views, not copies, unless they are few; and small chunks
 * that came in one read are put together, since each that is handed on by itself costs far more than its bytes.
 */
import { fieldsOf, HeadScanner, malformed, type WireFault, type WireLimits } from "./http1-head.ts";

export interface BodySink {
  body(bytes: Uint8Array): void;
  end(trailers: readonly string[] | null): void;
}

const NONE = 0;
const LENGTH = 1;
const TO_CLOSE = 2;
const SIZE = 3;
const SIZE_FEED = 4;
const DATA = 5;
const DATA_CR = 6;
const DATA_LF = 7;
const TRAILERS = 8;

const MAX_SIZE_DIGITS = 15;
/** A chunk below this is put together with its neighbours, and a part of a read is copied. */
const SMALL = 1024;

/** What is decided or framed by the head must not arrive behind it (RFC 9110 section 6.5.1). */
const NEVER_TRAILERS: ReadonlySet<string> = new Set([
  ...["authorization", "cache-control", "connection", "content-encoding", "content-length", "content-range"],
  ...["content-type", "cookie", "expect", "host", "keep-alive", "max-forwards", "proxy-authenticate"],
  ...["proxy-authorization", "proxy-connection", "range", "set-cookie", "te", "trailer", "transfer-encoding"],
  ...["upgrade", "www-authenticate"],
]);

export class BodyReader {
  fault: WireFault | null = null;
  readonly #limits: WireLimits;
  readonly #sink: BodySink;
  #state = NONE;
  #left = 0;
  #digits = 0;
  #trailers: HeadScanner | null = null;
  /** Of the read under way, what was not handed on: from here to there, as long as it is one chunk. */
  #from = 0;
  #to = 0;
  /** More than one, put together; empty between two reads. */
  #block: Uint8Array | null = null;
  #filled = 0;

  constructor(limits: WireLimits, sink: BodySink) {
    this.#limits = limits;
    this.#sink = sink;
  }

  /** True while bytes of a body are expected. */
  get reading(): boolean {
    return this.#state !== NONE;
  }

  get toClose(): boolean {
    return this.#state === TO_CLOSE;
  }

  /** A body of `length` bytes, at least one. */
  startLength(length: number): void {
    this.#left = length;
    this.#state = LENGTH;
  }

  startChunked(): void {
    this.#startSize();
  }

  startToClose(): void {
    this.#state = TO_CLOSE;
  }

  /** The connection closed under a body that lasts until then. */
  closeBody(): void {
    this.#state = NONE;
    this.#sink.end(null);
  }

  /** Index in `chunk` of the first byte not consumed. */
  push(chunk: Uint8Array, offset: number): number {
    let i = offset;
    while (i < chunk.length && this.#state !== NONE && this.fault === null) {
      switch (this.#state) {
        case DATA:
          i = this.#takeChunk(chunk, i);
          break;
        case LENGTH:
          i = this.#take(chunk, i);
          break;
        case TO_CLOSE:
          this.#sink.body(i === 0 ? chunk : chunk.subarray(i));
          i = chunk.length;
          break;
        case TRAILERS:
          i = this.#readTrailers(chunk, i);
          break;
        default:
          this.#frame(chunk[i] as number);
          if (this.fault === null) i++;
      }
    }
    this.#handOn(chunk);
    return i;
  }

  /** What of a chunk is here. */
  #takeChunk(chunk: Uint8Array, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#left);
    const length = end - offset;
    this.#left -= length;
    if (this.#left === 0) this.#state = DATA_CR;
    if (length >= SMALL) {
      this.#handOn(chunk);
      this.#sink.body(length === chunk.length ? chunk : chunk.subarray(offset, end));
    } else if (this.#to === 0 && this.#filled === 0) {
      this.#from = offset;
      this.#to = end;
    } else this.#gather(chunk, offset, end);
    return end;
  }

  #gather(chunk: Uint8Array, offset: number, end: number): void {
    let block = this.#block;
    if (block === null) {
      // All that the read can still bring fits, and what waits before it.
      block = new Uint8Array(this.#to - this.#from + chunk.length - offset);
      this.#block = block;
      this.#filled = copy(chunk, this.#from, this.#to, block, 0);
      this.#to = 0;
    }
    this.#filled = copy(chunk, offset, end, block, this.#filled);
  }

  #handOn(chunk: Uint8Array): void {
    const block = this.#block;
    if (block !== null) {
      const filled = this.#filled;
      this.#block = null;
      this.#filled = 0;
      // Most of it may be what framing took.
      this.#sink.body(filled * 2 < block.length ? block.slice(0, filled) : block.subarray(0, filled));
    } else if (this.#to > 0) {
      const to = this.#to;
      this.#to = 0;
      this.#sink.body(this.#from === 0 && to === chunk.length ? chunk : chunk.subarray(this.#from, to));
    }
  }

  #take(chunk: Uint8Array, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#left);
    this.#left -= end - offset;
    this.#sink.body(partOf(chunk, offset, end));
    if (this.#left === 0) {
      this.#state = NONE;
      this.#sink.end(null);
    }
    return end;
  }

  /** One byte of chunk framing. Extensions are refused: nobody needs them and parsers disagree on where they end. */
  #frame(byte: number): void {
    if (this.#state === SIZE) {
      const digit = hexDigit(byte);
      if (digit !== -1) {
        this.#digits += 1;
        this.#left = this.#left * 16 + digit;
        if (this.#digits > MAX_SIZE_DIGITS || this.#left > Number.MAX_SAFE_INTEGER) {
          this.fault = malformed("bad_chunk_size", "a chunk size is too long");
        }
      } else if (byte === 0x0d && this.#digits > 0) {
        this.#state = SIZE_FEED;
      } else if (byte === 0x3b && this.#digits > 0) {
        this.fault = malformed("chunk_extension", "chunk extensions are not accepted");
      } else {
        this.fault = malformed("bad_chunk_size", "a chunk size is not a plain hexadecimal number");
      }
    } else if (this.#state === DATA_CR) {
      if (byte === 0x0d) this.#state = DATA_LF;
      else this.fault = malformed("bad_chunk_end", "chunk data is not followed by CRLF");
    } else if (byte !== 0x0a) {
      this.fault = malformed("bare_cr", "a CR is not followed by LF");
    } else if (this.#state === DATA_LF) {
      this.#startSize();
    } else {
      this.#state = this.#left === 0 ? TRAILERS : DATA;
    }
  }

  #startSize(): void {
    this.#state = SIZE;
    this.#left = 0;
    this.#digits = 0;
  }

  #readTrailers(chunk: Uint8Array, offset: number): number {
    this.#trailers ??= new HeadScanner(this.#limits, true);
    const scanner = this.#trailers;
    const end = offset + scanner.push(chunk, offset);
    this.fault = scanner.fault;
    const raw = scanner.take();
    if (raw === null) return end;
    const fields = fieldsOf(raw);
    for (let i = 0; i < fields.length; i += 2) {
      if (NEVER_TRAILERS.has((fields[i] as string).toLowerCase())) {
        this.fault = malformed("forbidden_trailer", "a trailer field belongs in the head");
        return end;
      }
    }
    this.#trailers = null;
    this.#state = NONE;
    this.#handOn(chunk);
    this.#sink.end(fields.length === 0 ? null : fields);
    return end;
  }
}

/** A copy of what is small: a view makes its array one that has a buffer of its own, which costs several times as much. */
function partOf(chunk: Uint8Array, from: number, end: number): Uint8Array {
  if (from === 0 && end === chunk.length) return chunk;
  return end - from < SMALL ? chunk.slice(from, end) : chunk.subarray(from, end);
}

/** Answers where in `to` the copy ends. */
function copy(bytes: Uint8Array, from: number, end: number, to: Uint8Array, at: number): number {
  if (end - from > 64) to.set(bytes.subarray(from, end), at);
  else for (let i = from, into = at; i < end; i++, into++) to[into] = bytes[i] as number;
  return at + end - from;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
