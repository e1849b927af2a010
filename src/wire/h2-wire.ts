/** What an HTTP/2 connection is apart from its streams: settings, pings, header blocks, its end, and what is too much of each. */
import { Allowance, EMPTY_DATA, IGNORED, nameOf, PINGS, SETTINGS_FRAMES } from "./h2-allowance.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  ErrorCode,
  FrameReader,
  type FrameSink,
  GOAWAY,
  HAS_PRIORITY,
  HEADERS,
  MAX_FRAME,
  PADDED,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  read31,
  read32,
  SETTINGS,
  WINDOW_UPDATE,
  writeGoaway,
  writeHead,
} from "./h2-frames.ts";
import { PeerSettings } from "./h2-settings.ts";
import { type Block, HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import type { WireLimits } from "./http1-head.ts";
import { OutBuffer } from "./out-buffer.ts";

/** Why a connection ended. */
export interface H2Fault {
  /** Of `ErrorCode`. */
  readonly code: number;
  /** Stable, snake_case. */
  readonly reason: string;
  /** For a person; quotes nothing the peer sent. */
  readonly detail: string;
}

/** CONTINUATION frames of one block. Four frames hold 64 KiB; a sender that needs many more is none (CVE-2024-27316). */
const MAX_CONTINUATIONS = 16;
/** Answers to frames of the peer (ACKs, resets of ours) that it does not read, bytes. */
const MAX_REPLIES = 64 * 1024;
const FIRST_ROOM = 1024;
/** Room that a connection keeps between turns, bytes. */
const KEPT_ROOM = 8 * 1024;

export abstract class H2Wire implements FrameSink {
  /** Null while the connection stands. After it only what was written for the peer is left to be sent. */
  fault: H2Fault | null = null;
  readonly peer = new PeerSettings();
  protected readonly allowance: Allowance;
  protected readonly encoder = new HpackEncoder();
  /** Where frames are written: memory of its own, or during `fill` the caller's. */
  protected out = new OutBuffer(FIRST_ROOM);
  readonly #maxHeaderBytes: number;
  readonly #decoder: HpackDecoder;
  readonly #reader: FrameReader;
  readonly #server: boolean;
  /** SETTINGS of ours without an ACK. */
  #unacked = 0;
  #replies = 0;
  /** The stream whose block is not whole yet; 0: none. */
  #blockStream = 0;
  #blockEnds = false;
  #block = new Uint8Array(0);
  #blockLength = 0;
  #continuations = 0;

  constructor(limits: WireLimits, streams: number, server: boolean) {
    this.#server = server;
    this.#maxHeaderBytes = limits.maxHeaderBytes;
    this.#decoder = new HpackDecoder(limits);
    this.#reader = new FrameReader(this, server);
    this.allowance = new Allowance(streams);
  }

  get over(): boolean {
    return this.fault !== null;
  }

  /** The peer has taken our settings. */
  get settled(): boolean {
    return this.#unacked === 0 && this.peer.seen;
  }

  /**
   * Bytes of the peer; events come from inside. `now`: milliseconds of a clock that does not go back; allowances are
   * counted by it. The array is not kept.
   */
  push(bytes: Uint8Array, now: number): void {
    if (this.over) return;
    this.allowance.tick(now);
    this.#reader.push(bytes);
  }

  /** Highest stream of the peer that was taken up. */
  protected abstract get last(): number;
  protected abstract startData(stream: number, length: number): void;
  abstract dataBytes(bytes: Uint8Array): void;
  protected abstract endData(padding: number, ends: boolean): void;
  /** Before the block of a HEADERS frame is read. */
  protected abstract startHeaders(stream: number): void;
  protected abstract readBlock(stream: number, block: Block, ends: boolean): void;
  protected abstract readReset(stream: number, code: number): void;
  protected abstract readUpdate(stream: number, increment: number): void;
  protected abstract moveWindows(delta: number): void;
  protected abstract readGoaway(last: number, code: number): void;
  protected abstract failed(fault: H2Fault): void;
  protected abstract touch(): void;

  /** Ends the connection: GOAWAY is written, nothing is read any more. */
  protected die(code: number, reason: string, detail: string): void {
    if (this.fault !== null) return;
    this.fault = { code, reason, detail };
    writeGoaway(this.out, this.last, code);
    this.#block = new Uint8Array(0);
    this.touch();
    this.failed(this.fault);
  }

  protected illegal(reason: string, detail: string): void {
    this.die(ErrorCode.PROTOCOL_ERROR, reason, detail);
  }

  /** False: that was too much of it, and the connection is over. */
  protected take(kind: number): boolean {
    if (this.allowance.take(kind)) return true;
    this.die(ErrorCode.ENHANCE_YOUR_CALM, nameOf(kind), "the peer sends too much that costs it nothing");
    return false;
  }

  /** Counts `bytes` that answer the peer and wait to be sent. */
  protected reply(bytes: number): void {
    this.touch();
    this.#replies += bytes;
    if (this.#replies <= MAX_REPLIES) return;
    this.die(ErrorCode.ENHANCE_YOUR_CALM, "replies_unread", "the peer asks for answers that it does not read");
  }

  protected expectAck(): void {
    this.#unacked++;
  }

  /** Everything written so far goes to `into`, and so does what `body` writes, in that order. */
  protected writeInto(into: OutBuffer, body: () => void): void {
    const own = this.out;
    into.append(own.length === own.bytes.length ? own.bytes : own.bytes.subarray(0, own.length));
    this.#replies = 0;
    this.out = into;
    body();
    this.out = own.bytes.length > KEPT_ROOM ? new OutBuffer(FIRST_ROOM) : own.clear();
  }

  badPreface(): void {
    this.illegal("bad_preface", "the connection does not begin as HTTP/2 does");
  }

  frame(type: number, flags: number, stream: number, length: number): boolean {
    if (length > MAX_FRAME) return this.#wrongSize();
    if (!this.peer.seen && (type !== SETTINGS || (flags & ACK) !== 0)) {
      this.illegal("no_settings", "the first frame is not SETTINGS");
      return false;
    }
    if (this.#blockStream !== 0 && (type !== CONTINUATION || stream !== this.#blockStream)) {
      this.illegal("block_interrupted", "a frame stands within a header block");
      return false;
    }
    const onConnection = type === SETTINGS || type === PING || type === GOAWAY;
    if (type <= CONTINUATION && type !== WINDOW_UPDATE && onConnection !== (stream === 0)) {
      this.illegal("wrong_stream", "a frame names a stream that it must not, or none");
      return false;
    }
    switch (type) {
      case DATA:
        this.startData(stream, length);
        return true;
      case HEADERS:
        this.startHeaders(stream);
        return true;
      case PRIORITY:
        return length === 5 ? this.#ignore() : this.#wrongSize();
      case RST_STREAM:
      case WINDOW_UPDATE:
        return length === 4 || this.#wrongSize();
      case SETTINGS:
        return ((flags & ACK) === 0 ? length % 6 === 0 : length === 0) || this.#wrongSize();
      case PUSH_PROMISE:
        this.illegal("push", "pushes were never allowed");
        return false;
      case PING:
        return length === 8 || this.#wrongSize();
      case GOAWAY:
        return length >= 8 || this.#wrongSize();
      case CONTINUATION:
        if (this.#blockStream === 0) this.illegal("stray_continuation", "CONTINUATION continues nothing");
        return true;
      default:
        return this.#ignore();
    }
  }

  dataEnd(flags: number, length: number, padding: number): void {
    if (padding === -1) {
      this.illegal("bad_padding", "padding is longer than its frame");
      return;
    }
    const ends = (flags & END_STREAM) !== 0;
    if (length === padding && !ends && !this.take(EMPTY_DATA)) return;
    this.endData(padding, ends);
  }

  payload(type: number, flags: number, stream: number, bytes: Uint8Array, start: number, end: number): void {
    switch (type) {
      case HEADERS:
        this.#headers(flags, stream, bytes, start, end);
        return;
      case CONTINUATION:
        this.#continuation(flags, stream, bytes, start, end);
        return;
      case RST_STREAM:
        this.readReset(stream, read32(bytes, start));
        return;
      case WINDOW_UPDATE:
        this.readUpdate(stream, read31(bytes, start));
        return;
      case SETTINGS:
        this.#settings(flags, bytes, start, end);
        return;
      case PING:
        this.#ping(flags, bytes, start);
        return;
      default:
        if (this.take(IGNORED)) this.readGoaway(read31(bytes, start), read32(bytes, start + 4));
    }
  }

  #ignore(): boolean {
    this.take(IGNORED);
    return false;
  }

  #wrongSize(): boolean {
    this.die(ErrorCode.FRAME_SIZE_ERROR, "frame_size", "a frame has a length that it must not have");
    return false;
  }

  #settings(flags: number, bytes: Uint8Array, start: number, end: number): void {
    if ((flags & ACK) !== 0) {
      this.#unacked--;
      if (this.#unacked < 0) this.illegal("stray_ack", "settings were acknowledged that were not sent");
      return;
    }
    if (!this.take(SETTINGS_FRAMES)) return;
    const { peer } = this;
    const window = peer.initialWindow;
    let problem = peer.read(bytes, start, end);
    if (!this.#server && peer.pushes !== 0) problem = ErrorCode.PROTOCOL_ERROR;
    if (problem !== null) {
      this.die(problem, "bad_setting", "a setting has a value that it must not have");
      return;
    }
    this.encoder.resize(peer.headerTableSize);
    writeHead(this.out, 0, SETTINGS, ACK, 0);
    this.reply(9);
    if (!this.over && peer.initialWindow !== window) this.moveWindows(peer.initialWindow - window);
  }

  #ping(flags: number, bytes: Uint8Array, start: number): void {
    if (!this.take(PINGS) || (flags & ACK) !== 0) return;
    writeHead(this.out, 8, PING, ACK, 0);
    this.out.append(bytes.subarray(start, start + 8));
    this.reply(17);
  }

  #headers(flags: number, stream: number, bytes: Uint8Array, start: number, end: number): void {
    let from = start;
    let to = end;
    if ((flags & PADDED) !== 0) {
      if (from === to) {
        this.#badPadding();
        return;
      }
      to -= bytes[from++] as number;
    }
    if ((flags & HAS_PRIORITY) !== 0) from += 5;
    if (from > to) {
      if ((flags & PADDED) === 0) this.#wrongSize();
      else this.#badPadding();
      return;
    }
    const ends = (flags & END_STREAM) !== 0;
    if ((flags & END_HEADERS) !== 0) {
      this.#decode(stream, bytes, from, to, ends);
      return;
    }
    this.#blockStream = stream;
    this.#blockEnds = ends;
    this.#blockLength = 0;
    this.#continuations = 0;
    this.#hold(bytes, from, to);
  }

  #badPadding(): void {
    this.illegal("bad_padding", "padding is longer than its frame");
  }

  #continuation(flags: number, stream: number, bytes: Uint8Array, start: number, end: number): void {
    const last = (flags & END_HEADERS) !== 0;
    if (++this.#continuations > MAX_CONTINUATIONS || (start === end && !last)) {
      this.die(ErrorCode.ENHANCE_YOUR_CALM, "continuation_flood", "a header block comes in too many pieces");
      return;
    }
    this.#hold(bytes, start, end);
    if (this.over || !last) return;
    this.#blockStream = 0;
    const block = this.#block;
    this.#block = new Uint8Array(0);
    this.#decode(stream, block, 0, this.#blockLength, this.#blockEnds);
  }

  #hold(bytes: Uint8Array, start: number, end: number): void {
    const need = this.#blockLength + end - start;
    // A block shorter than its list is what compression is for; a longer one is not.
    if (need > this.#maxHeaderBytes) {
      this.die(ErrorCode.ENHANCE_YOUR_CALM, "block_too_large", "a header block is over the limit of bytes");
      return;
    }
    if (this.#block.length < need) {
      const room = new Uint8Array(Math.min(need * 2, this.#maxHeaderBytes));
      room.set(this.#block.subarray(0, this.#blockLength));
      this.#block = room;
    }
    this.#block.set(bytes.subarray(start, end), this.#blockLength);
    this.#blockLength = need;
  }

  #decode(stream: number, bytes: Uint8Array, start: number, end: number, ends: boolean): void {
    const block = this.#decoder.decode(bytes, start, end);
    if (block === null) this.die(ErrorCode.COMPRESSION_ERROR, "compression", "a header block cannot be decoded");
    else this.readBlock(stream, block, ends);
  }
}
