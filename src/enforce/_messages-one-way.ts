import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Direction, Message, MessageAnswer, MessageGate, MessageVeto } from "../model/message.ts";
import { Fifo } from "../wire/fifo.ts";
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

/** Both directions together, as one of them sees them. */
export interface MessagesOf {
  readonly env: { afterTurn(run: () => void): void; readonly maxMessage: number };
  readonly gate: MessageGate;
  readonly stopped: boolean;
  moved(): void;
  /** A close frame has passed. */
  said(): void;
  vetoed(veto: MessageVeto, code?: number): void;
  broken(way: MessagesOneWay, fault: WebSocketFault): void;
  closed(error: Error | null, way: MessagesOneWay): void;
  crashed(thrown: unknown): void;
}

/** Unpacked bytes between two turns of the event loop. */
const SLICE = 128 * 1024;
const TOO_LARGE = 1009;
const NOTHING = new Uint8Array(0);
/** Frames up to here leave together; copying longer ones costs more than a write of their own. */
const SMALL = 8 * 1024;
/** Filled and sent within one `#run`, which never calls another: all connections share it. */
const outgoing = new OutBuffer();

/**
 * One direction: what `from` says goes to `to` message by message, each after its answer and no faster than `to` takes it. While
 * something is awaited `from` is not read, so what is held is one message, what one read brought behind it, and what `to` has not
 * taken yet.
 */
export class MessagesOneWay implements ConnHandler {
  /** Handed to `to`. */
  bytes = 0;
  /** A close frame has passed: nothing may follow it. */
  closed = false;
  readonly from: Conn;
  readonly to: Conn;
  /** The other direction. */
  peer: MessagesOneWay = this;
  readonly #relay: MessagesOf;
  readonly #direction: Direction;
  readonly #reader: MessageReader;
  readonly #inflater: MessageInflater | null;
  readonly #takeover: boolean;
  readonly #utf8 = new Utf8();
  /** Came while something was awaited; read up to `#at` of the first. */
  readonly #chunks = new Fifo<Uint8Array>();
  #at = 0;
  /** A message is being unpacked or judged. */
  #busy = false;
  /** `to` takes nothing until it has drained. */
  #blocked = false;
  #paused = false;
  /** FIN has come behind `#chunks`. */
  #ended = false;
  /** Nothing of it is passed any more. */
  #over = false;
  /** The reader's window lacks what was replaced, so nothing that refers to it can be passed as it came. */
  #diverged = false;

  constructor(relay: MessagesOf, direction: Direction, deflate: Deflate | null, from: Conn, to: Conn) {
    const { maxMessage } = relay.env;
    this.#relay = relay;
    this.#direction = direction;
    this.from = from;
    this.to = to;
    this.#reader = new MessageReader({ masked: direction === "up", deflate: deflate !== null, maxMessage });
    this.#takeover = deflate?.takeover ?? false;
    this.#inflater = deflate === null ? null : new MessageInflater(this.#takeover, deflate.windowBits, maxMessage);
  }

  /** Lets `from` be heard, unless what it had said before is awaited. */
  begin(): void {
    if (!this.#paused) this.from.resume();
  }

  /** Nothing more passes; `from` is heard to its end. */
  stop(): void {
    this.#over = true;
    this.#chunks.clear();
    this.#at = 0;
    this.#flow(false);
  }

  data(bytes: Uint8Array): void {
    this.#relay.moved();
    if (this.#over) return;
    this.#chunks.push(bytes);
    this.#run();
  }

  end(): void {
    this.#ended = true;
    this.#run();
  }

  /** `from` can be written again: the other direction goes on. */
  drain(): void {
    this.#relay.moved();
    this.peer.#blocked = false;
    this.peer.#run();
  }

  close(error: Error | null): void {
    // Nobody is there any more to be passed anything.
    this.peer.stop();
    if (error !== null) this.stop();
    this.#ended = true;
    this.#run();
    this.#relay.closed(error, this);
  }

  /** `first`, then everything that can be read; what passes leaves in as few writes as may be. */
  #run(first: (() => void) | null = null): void {
    outgoing.clear();
    try {
      first?.();
      this.#read();
    } catch (thrown) {
      outgoing.clear();
      this.#relay.crashed(thrown);
    }
  }

  #read(): void {
    const reader = this.#reader;
    while (!this.#busy && !this.#blocked && !this.#over) {
      const chunk = this.#chunks.first;
      if (chunk === undefined) break;
      this.#at += reader.push(chunk, this.#at);
      if (this.#at === chunk.length) {
        this.#chunks.shift();
        this.#at = 0;
      }
      if (reader.fault !== null) this.#broken(reader.fault);
      else {
        const held = reader.take();
        if (held !== null) this.#came(held);
      }
    }
    this.#flush();
    const waiting = this.#busy || this.#blocked;
    this.#flow(waiting && !this.#over);
    // Only behind everything that was said before it. What was not whole by then is nobody's.
    if (this.#ended && !waiting) {
      this.#over = true;
      if (!this.#relay.stopped) this.to.end();
    }
  }

  #flow(pause: boolean): void {
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.from.pause();
    else this.from.resume();
  }

  #came(held: Held): void {
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
    else {
      this.#busy = true;
      this.#relay.env.afterTurn(() => this.#later(() => this.#inflate(inflater, held, output.length)));
    }
  }

  #judge(held: Held, bytes: Uint8Array): void {
    const control = isControl(held.opcode);
    const text = held.opcode === TEXT || held.opcode === CLOSE;
    const message: Message = { direction: this.#direction, protocol: "websocket", text, control, bytes };
    const answer = this.#relay.gate.judge(message);
    if (answer instanceof Promise) this.#await(answer, (said) => this.#answered(held, bytes, said));
    else this.#answered(held, bytes, answer);
  }

  #await<T>(answer: Promise<T>, then: (said: T) => void): void {
    this.#busy = true;
    answer.then(
      (said) => this.#later(() => then(said)),
      (thrown) => this.#relay.crashed(thrown),
    );
  }

  /** In a later turn: everything may be over by now. */
  #later(then: () => void): void {
    if (this.#over) return;
    this.#busy = false;
    this.#run(then);
  }

  #answered(held: Held, bytes: Uint8Array, answer: MessageAnswer): void {
    if (answer.kind === "pass") this.#pass(held, bytes);
    else if (answer.kind === "replace") this.#replace(held, answer.bytes);
    else this.#vetoed(answer);
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
    return writeFrame(opcode, payload, this.#direction === "up");
  }

  #close(): void {
    this.closed = true;
    // What is said behind it is no part of the protocol and was not looked at.
    this.#over = true;
    this.#chunks.clear();
    this.#at = 0;
    this.#relay.said();
  }

  #send(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    if (bytes.length <= SMALL && !this.#blocked) {
      outgoing.append(bytes);
      if (outgoing.length > JOIN_LIMIT) this.#flush();
      return;
    }
    this.#flush();
    this.#relay.moved();
    if (!this.to.write(bytes)) this.#blocked = true;
  }

  #flush(): void {
    if (outgoing.length === 0) return;
    this.#relay.moved();
    if (!this.to.send(outgoing.bytes, outgoing.length)) this.#blocked = true;
    outgoing.clear();
  }

  #vetoed(veto: MessageVeto, code?: number): void {
    // What passed before it comes before what is said of it.
    this.#flush();
    this.#relay.vetoed(veto, code);
  }

  #broken(fault: WebSocketFault): void {
    this.#flush();
    if (fault.close !== TOO_LARGE) {
      this.#relay.broken(this, fault);
      return;
    }
    const veto = this.#relay.gate.tooLarge(this.#direction);
    if (veto instanceof Promise) this.#await(veto, (said) => this.#vetoed(said, TOO_LARGE));
    else this.#vetoed(veto, TOO_LARGE);
  }
}
