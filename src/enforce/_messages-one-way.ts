import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Direction, Message, MessageAnswer, MessageVeto } from "../model/message.ts";
import { JOIN_LIMIT, OutBuffer } from "../wire/out-buffer.ts";
import { isUtf8, Utf8 } from "../wire/utf8.ts";
import {
  CLOSE,
  type Deflate,
  type Held,
  isControl,
  MessageInflater,
  MessageReader,
  TEXT,
  type WebSocketFault,
  writeFrame,
} from "../wire/websocket.ts";
import { OneWay, type WaysOf, type Why } from "./_one-way.ts";

/** Both directions together, as one of them sees them. */
export interface MessagesOf extends WaysOf {
  readonly stopped: boolean;
  moved(): void;
  /** A close frame has passed. */
  said(): void;
  vetoed(veto: MessageVeto, code: number): void;
  broken(way: MessagesOneWay, fault: WebSocketFault): void;
  closed(error: Error | null, way: MessagesOneWay): void;
}

/** Unpacked bytes between two turns of the event loop. */
const SLICE = 128 * 1024;
const TOO_LARGE = 1009;
/** Codes of a close. */
const CODES: Readonly<Record<Why, number>> = { vetoed: 1008, too_large: TOO_LARGE, no_room: 1013 };
const NOTHING = new Uint8Array(0);
/** Frames up to here leave together; copying longer ones costs more than a write of their own. */
const SMALL = 8 * 1024;
/** Filled and sent within one `#run`, which never calls another: all connections share it. */
const outgoing = new OutBuffer();

/** What `from` says goes to `to`. */
export class MessagesOneWay extends OneWay implements ConnHandler {
  /** A close frame has passed: nothing may follow it. */
  closed = false;
  readonly from: Conn;
  readonly to: Conn;
  /** The other direction. */
  peer: MessagesOneWay = this;
  declare protected readonly ways: MessagesOf;
  readonly #reader: MessageReader;
  readonly #inflater: MessageInflater | null;
  readonly #takeover: boolean;
  readonly #utf8 = new Utf8();
  /** Bytes of the message that is being unpacked or judged, as it came and unpacked. */
  #whole = 0;
  /** The reader's window lacks what was replaced, so nothing that refers to it can be passed as it came. */
  #diverged = false;

  constructor(relay: MessagesOf, direction: Direction, deflate: Deflate | null, from: Conn, to: Conn) {
    super(relay, direction);
    const { maxMessage } = relay.env;
    this.from = from;
    this.to = to;
    this.#reader = new MessageReader({ masked: direction === "up", deflate: deflate !== null, maxMessage });
    this.#takeover = deflate?.takeover ?? false;
    this.#inflater = deflate === null ? null : new MessageInflater(this.#takeover, deflate.windowBits, maxMessage);
  }

  /** Lets `from` be heard, unless what it had said before is awaited. */
  begin(): void {
    if (!this.paused) this.from.resume();
  }

  override data(bytes: Uint8Array): void {
    this.ways.moved();
    super.data(bytes);
  }

  end(): void {
    this.finishing();
    this.run();
  }

  /** `from` can be written again: the other direction goes on. */
  drain(): void {
    this.ways.moved();
    this.peer.taken();
  }

  close(error: Error | null): void {
    // Nobody is there any more to be passed anything.
    this.peer.stop();
    if (error !== null) this.stop();
    this.end();
    this.ways.closed(error, this);
  }

  /** What passes leaves in as few writes as may be. */
  protected override run(first: (() => void) | null = null): void {
    outgoing.clear();
    super.run(first);
    // Not sent, when that was a crash.
    outgoing.clear();
  }

  protected read(chunk: Uint8Array, at: number): number {
    return this.#reader.push(chunk, at);
  }

  protected came(): void {
    const { fault } = this.#reader;
    if (fault !== null) {
      this.#broken(fault);
      return;
    }
    const held = this.#reader.take();
    if (held !== null) this.#came(held);
  }

  protected get size(): number {
    return this.#reader.size + this.#whole + (this.#inflater?.size ?? 0);
  }

  protected flow(pause: boolean): void {
    if (pause) this.from.pause();
    else this.from.resume();
  }

  protected finish(): void {
    this.silence();
    if (!this.ways.stopped) this.to.end();
  }

  #came(held: Held): void {
    this.#whole = held.payload.length;
    if (held.compressed && this.#inflater !== null) {
      this.#inflater.start(held.payload);
      this.#utf8.reset();
      this.#inflate(this.#inflater, held, 0);
      return;
    }
    const control = isControl(held.opcode);
    const bytes = held.opcode === CLOSE ? held.payload.subarray(2) : held.payload;
    if (control && bytes.length === 0) this.#pass(held, bytes);
    else this.#judge(held, bytes);
  }

  /** Slice by slice, so that no message holds the event loop. `seen`: bytes of it that were found to be text. */
  #inflate(inflater: MessageInflater, held: Held, seen: number): void {
    const state = inflater.run(SLICE);
    if (state === "too_large") {
      this.#broken({ close: 1009, code: "message_too_large" });
      return;
    }
    const { output } = inflater;
    const text =
      held.opcode !== TEXT || (this.#utf8.push(output.subarray(seen)) && (state !== "done" || this.#utf8.whole));
    if (state === "malformed") this.#broken({ close: 1007, code: "bad_deflate" });
    else if (!text) this.#broken({ close: 1007, code: "bad_text" });
    else if (state === "done") this.#judge(held, inflater.take());
    else this.nextTurn(() => this.#inflate(inflater, held, output.length));
  }

  #judge(held: Held, bytes: Uint8Array): void {
    const control = isControl(held.opcode);
    const text = held.opcode === TEXT || held.opcode === CLOSE;
    const message: Message = { direction: this.direction, protocol: "websocket", text, control, bytes };
    if (bytes.buffer !== held.payload.buffer) this.#whole += bytes.length;
    this.await(this.ways.gate.judge(message), (answer) => this.#answered(held, bytes, answer));
  }

  #answered(held: Held, bytes: Uint8Array, answer: MessageAnswer): void {
    this.#whole = 0;
    if (answer.kind === "pass") this.#pass(held, bytes);
    else if (answer.kind === "replace") this.#replace(held, answer.bytes);
    else this.vetoed(answer, "vetoed");
  }

  #pass(held: Held, bytes: Uint8Array): void {
    if (held.compressed && this.#diverged) this.#send(this.#frame(held.opcode, bytes));
    else for (const part of held.wire()) this.#send(part);
    if (held.opcode === CLOSE) this.#close();
  }

  #replace(held: Held, bytes: Uint8Array): void {
    if (held.compressed && this.#takeover) this.#diverged = true;
    if (isControl(held.opcode)) {
      // It has a meaning without what it carried.
      this.#send(this.#frame(held.opcode, held.opcode === CLOSE ? held.payload.subarray(0, 2) : NOTHING));
      if (held.opcode === CLOSE) this.#close();
      return;
    }
    if (held.opcode === TEXT && !isUtf8(bytes)) throw new Error("a text was replaced by what is none");
    this.#send(this.#frame(held.opcode, bytes));
  }

  #frame(opcode: number, payload: Uint8Array): Uint8Array {
    return writeFrame(opcode, payload, this.direction === "up");
  }

  #close(): void {
    this.closed = true;
    // What is said behind it is no part of the protocol and was not looked at.
    this.silence();
    this.ways.said();
  }

  #send(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    if (bytes.length <= SMALL && !this.blocked) {
      outgoing.append(bytes);
      if (outgoing.length > JOIN_LIMIT) this.flush();
      return;
    }
    this.flush();
    this.ways.moved();
    if (!this.to.write(bytes)) this.block(bytes.length);
  }

  protected flush(): void {
    if (outgoing.length === 0) return;
    this.ways.moved();
    if (!this.to.send(outgoing.bytes, outgoing.length)) this.block(outgoing.length);
    outgoing.clear();
  }

  protected vetoed(veto: MessageVeto, why: Why): void {
    // What passed before it comes before what is said of it.
    this.flush();
    this.ways.vetoed(veto, CODES[why]);
  }

  #broken(fault: WebSocketFault): void {
    this.flush();
    if (fault.close === TOO_LARGE) this.tooLarge();
    else this.ways.broken(this, fault);
  }
}
