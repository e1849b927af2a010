import { Fault } from "../errors.ts";
import { block } from "../model/decision.ts";
import type { ClientStreamSink } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import type { Direction, Message, MessageAnswer, MessageVeto } from "../model/message.ts";
import type { Runtime } from "../runtime/contract.ts";
import { type GrpcCoding, type GrpcFault, type GrpcFrame, GrpcReader, grpcFrame } from "../wire/grpc.ts";
import { OneWay, type WaysOf } from "./_one-way.ts";

/** `bad_coding`: compressed, and the head says that nothing is. */
export type GrpcTrouble = GrpcFault | "bad_coding";

/** Both directions together, as one of them sees them. */
export interface GrpcWays extends WaysOf {
  readonly env: WaysOf["env"] & { readonly decode: Runtime["decode"] };
  /** So many bytes of `way` were read. */
  read(way: GrpcOneWay, bytes: number): void;
  /** Hands a whole message on. False: `way` waits for its `goOn`. */
  deliver(way: GrpcOneWay, wire: Uint8Array): boolean;
  /** Everything that was said has been delivered. */
  ended(way: GrpcOneWay, trailers: HeaderList | null): void;
  /** `way` has more than it can deal with now, or no longer. */
  flow(way: GrpcOneWay, hold: boolean): void;
  vetoed(veto: MessageVeto): void;
  /** What came is no message. It is no veto: nothing was judged. */
  broken(way: GrpcOneWay, trouble: GrpcTrouble): void;
}

export class GrpcOneWay extends OneWay implements ClientStreamSink {
  /** How its messages are compressed, as the head of its stream says. */
  coding: GrpcCoding = null;
  declare protected readonly ways: GrpcWays;
  readonly #reader: GrpcReader;
  /** Bytes of the message that is being unpacked or judged. */
  #whole = 0;
  #trailers: HeaderList | null = null;

  constructor(ways: GrpcWays, direction: Direction) {
    super(ways, direction);
    this.#reader = new GrpcReader(ways.env.maxMessage);
  }

  end(trailers: HeaderList | null): void {
    this.#trailers = trailers;
    this.finishing();
    this.run();
  }

  /** What was delivered has been taken. */
  goOn(): void {
    if (this.blocked) this.taken();
  }

  protected read(chunk: Uint8Array, at: number): number {
    const count = this.#reader.push(chunk, at);
    this.ways.read(this, count);
    return count;
  }

  protected get size(): number {
    return this.#reader.size + this.#whole;
  }

  protected flow(pause: boolean): void {
    this.ways.flow(this, pause);
  }

  protected flush(): void {}

  protected finish(): void {
    if (this.over) return;
    this.#reader.end();
    if (this.#reader.fault !== null) {
      this.#broken(this.#reader.fault);
      return;
    }
    this.stop();
    this.ways.ended(this, this.#trailers);
  }

  protected came(): void {
    const { fault } = this.#reader;
    if (fault !== null) {
      this.#broken(fault);
      return;
    }
    const frame = this.#reader.take();
    if (frame === null) return;
    const { coding } = this;
    this.#whole = frame.wire.length;
    if (!frame.compressed) this.#judge(frame, frame.payload);
    else if (coding === null) this.#broken("bad_coding");
    else if (coding === "unknown") this.#undecodable(frame, "the message is compressed in a way not known here");
    else this.withRoom(() => this.await(this.#decoded(frame, coding), (then) => then()));
  }

  /** What is to be done about it, when it is unpacked. */
  async #decoded(frame: GrpcFrame, coding: "gzip" | "deflate"): Promise<() => void> {
    const { decode, maxMessage } = this.ways.env;
    try {
      const bytes = await decode(coding, frame.payload, maxMessage);
      return () => {
        this.#whole += bytes.length;
        this.#judge(frame, bytes);
      };
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      if (thrown.code === "decode_too_large") return () => this.#broken("too_large");
      if (thrown.code === "decode_failed") return () => this.#undecodable(frame, "the message cannot be decompressed");
      throw thrown;
    }
  }

  /** Never a pass where somebody looks. */
  #undecodable(frame: GrpcFrame, reason: string): void {
    if (this.ways.gate.looksAt(this.direction)) this.refuse(block(reason, "body_undecodable"));
    else this.#judge(frame, frame.payload);
  }

  #judge(frame: GrpcFrame, bytes: Uint8Array): void {
    const message: Message = { direction: this.direction, protocol: "grpc", text: false, control: false, bytes };
    this.await(this.ways.gate.judge(message), (answer) => this.#answered(frame, answer));
  }

  #answered(frame: GrpcFrame, answer: MessageAnswer): void {
    if (answer.kind === "veto") {
      this.vetoed(answer);
      return;
    }
    const wire = answer.kind === "pass" ? frame.wire : grpcFrame(answer.bytes);
    this.#whole = 0;
    this.bytes += wire.length;
    // What waits for a client counts at the door already.
    if (!this.ways.deliver(this, wire)) this.block(this.direction === "up" ? wire.length : 0);
  }

  #broken(trouble: GrpcTrouble): void {
    if (trouble === "too_large") {
      this.tooLarge();
      return;
    }
    this.stop();
    this.ways.broken(this, trouble);
  }

  protected vetoed(veto: MessageVeto): void {
    this.stop();
    this.ways.vetoed(veto);
  }
}
