import { Fault } from "../errors.ts";
import { block, type Decision, failClosed } from "../model/decision.ts";
import type { ClientStreamSink } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import type { Direction, Message, MessageAnswer, MessageGate, MessageVeto } from "../model/message.ts";
import type { Runtime } from "../runtime/contract.ts";
import { Fifo } from "../wire/fifo.ts";
import { type GrpcCoding, type GrpcFault, type GrpcFrame, GrpcReader, grpcFrame } from "../wire/grpc.ts";

/** `bad_coding`: compressed, and the head says that nothing is. */
export type GrpcTrouble = GrpcFault | "bad_coding";

/** Both directions together, as one of them sees them. */
export interface GrpcWays {
  readonly env: { readonly maxMessage: number; readonly decode: Runtime["decode"] };
  readonly gate: MessageGate;
  /** So many bytes of `way` were read, and are kept. False: there is no room for them. */
  kept(way: GrpcOneWay, bytes: number): boolean;
  /** Hands a whole message on, of which `bytes` were kept. False: `way` waits for its `goOn`. */
  deliver(way: GrpcOneWay, wire: Uint8Array, bytes: number): boolean;
  /** Everything that was said has been delivered. */
  ended(way: GrpcOneWay, trailers: HeaderList | null): void;
  /** `way` has more than it can deal with now, or no longer. */
  flow(way: GrpcOneWay, hold: boolean): void;
  vetoed(veto: MessageVeto): void;
  /** What came is no message. It is no veto: nothing was judged. */
  broken(way: GrpcOneWay, trouble: GrpcTrouble): void;
  crashed(thrown: unknown): void;
}

/** One direction: message by message, each after its answer and no faster than they are taken. */
export class GrpcOneWay implements ClientStreamSink {
  /** Bytes delivered. */
  bytes = 0;
  /** How its messages are compressed, as the head of its stream says. */
  coding: GrpcCoding = null;
  readonly direction: Direction;
  readonly #ways: GrpcWays;
  readonly #reader: GrpcReader;
  readonly #chunks = new Fifo<Uint8Array>();
  #at = 0;
  #kept = 0;
  /** A message is being unpacked or judged. */
  #busy = false;
  #blocked = false;
  #holding = false;
  #ended = false;
  #trailers: HeaderList | null = null;
  #over = false;

  constructor(ways: GrpcWays, direction: Direction) {
    this.#ways = ways;
    this.direction = direction;
    this.#reader = new GrpcReader(ways.env.maxMessage);
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#chunks.push(bytes);
    this.#run();
  }

  end(trailers: HeaderList | null): void {
    this.#ended = true;
    this.#trailers = trailers;
    this.#run();
  }

  /** What was delivered has been taken. */
  goOn(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#run();
  }

  /** Nothing more passes. */
  stop(): void {
    this.#over = true;
    this.#chunks.clear();
  }

  #run(): void {
    try {
      this.#read();
    } catch (thrown) {
      this.#ways.crashed(thrown);
    }
  }

  #read(): void {
    const reader = this.#reader;
    while (!this.#busy && !this.#blocked && !this.#over) {
      const chunk = this.#chunks.first;
      if (chunk === undefined) break;
      const count = reader.push(chunk, this.#at);
      this.#at += count;
      this.#kept += count;
      if (this.#at === chunk.length) {
        this.#chunks.shift();
        this.#at = 0;
      }
      const room = this.#ways.kept(this, count);
      if (reader.fault !== null) this.#broken(reader.fault);
      else {
        const frame = reader.take();
        if (frame !== null) this.#came(frame);
        else if (!room) this.#refuse(failClosed("no room to hold the message for inspection", "held_exhausted"));
      }
    }
    const waiting = this.#busy || this.#blocked;
    if (this.#ended && !waiting && !this.#over) this.#finish();
    if (waiting === this.#holding) return;
    this.#holding = waiting;
    this.#ways.flow(this, waiting && !this.#over);
  }

  #finish(): void {
    this.#reader.end();
    if (this.#reader.fault !== null) {
      this.#broken(this.#reader.fault);
      return;
    }
    this.stop();
    this.#ways.ended(this, this.#trailers);
  }

  #came(frame: GrpcFrame): void {
    if (!frame.compressed) this.#judge(frame, frame.payload);
    else if (this.coding === null) this.#broken("bad_coding");
    else if (this.coding === "unknown") this.#undecodable(frame, "the message is compressed in a way not known here");
    else this.#await(this.#decoded(frame, this.coding), (then) => then());
  }

  /** What is to be done about it, when it is unpacked. */
  async #decoded({ payload, ...frame }: GrpcFrame, coding: "gzip" | "deflate"): Promise<() => void> {
    const whole = { ...frame, payload };
    try {
      const bytes = await this.#ways.env.decode(coding, payload, this.#ways.env.maxMessage);
      return () => this.#judge(whole, bytes);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      if (thrown.code === "decode_too_large") return () => this.#broken("too_large");
      if (thrown.code === "decode_failed") return () => this.#undecodable(whole, "the message cannot be decompressed");
      throw thrown;
    }
  }

  /** Never a pass where somebody looks. */
  #undecodable(frame: GrpcFrame, reason: string): void {
    if (this.#ways.gate.looksAt(this.direction)) this.#refuse(block(reason, "body_undecodable"));
    else this.#judge(frame, frame.payload);
  }

  #judge(frame: GrpcFrame, bytes: Uint8Array): void {
    const message: Message = { direction: this.direction, protocol: "grpc", text: false, control: false, bytes };
    const answer = this.#ways.gate.judge(message);
    if (answer instanceof Promise) this.#await(answer, (said) => this.#answered(frame, said));
    else this.#answered(frame, answer);
  }

  #answered(frame: GrpcFrame, answer: MessageAnswer): void {
    if (answer.kind === "veto") {
      this.#vetoed(answer);
      return;
    }
    const wire = answer.kind === "pass" ? frame.wire : grpcFrame(answer.bytes);
    const kept = this.#kept;
    this.#kept = 0;
    this.bytes += wire.length;
    if (!this.#ways.deliver(this, wire, kept)) this.#blocked = true;
  }

  #broken(trouble: GrpcTrouble): void {
    if (trouble !== "too_large") {
      this.stop();
      this.#ways.broken(this, trouble);
      return;
    }
    this.#told(this.#ways.gate.tooLarge(this.direction));
  }

  #refuse(decision: Decision): void {
    this.#told(this.#ways.gate.refuse(this.direction, decision));
  }

  #told(veto: MessageVeto | Promise<MessageVeto>): void {
    if (veto instanceof Promise) this.#await(veto, (said) => this.#vetoed(said));
    else this.#vetoed(veto);
  }

  #vetoed(veto: MessageVeto): void {
    this.stop();
    this.#ways.vetoed(veto);
  }

  #await<T>(answer: Promise<T>, then: (said: T) => void): void {
    this.#busy = true;
    answer.then(
      (said) => {
        if (this.#over) return;
        this.#busy = false;
        try {
          then(said);
        } catch (thrown) {
          this.#ways.crashed(thrown);
          return;
        }
        this.#run();
      },
      (thrown) => this.#ways.crashed(thrown),
    );
  }
}
