/** gRPC: a request that was allowed by its head, carried both ways message by message. */
import type { FaultCode } from "../errors.ts";
import type { Decision, Verdict } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { ClientStream, Feeder } from "../model/exchange.ts";
import { type HeaderList, headerValue, without } from "../model/headers.ts";
import type { MessageGate, MessageVeto } from "../model/message.ts";
import type { Runtime } from "../runtime/contract.ts";
import { GrpcStatus, grpcCoding, isGrpcType, MESSAGE_CODINGS } from "../wire/grpc.ts";
import { ErrorCode } from "../wire/h2.ts";
import { endToEnd } from "../wire/http1.ts";
import { GrpcOneWay, type GrpcTrouble, type GrpcWays } from "./_grpc-one-way.ts";
import { badGateway, GRPC_HEAD, grpcEnd, grpcRefusal } from "./answers.ts";
import { CRASHED, type Ended, endedBy, type Tap } from "./ended.ts";
import type { Carried, ForwardEnv } from "./forward.ts";
import { H2Upstream } from "./h2-upstream.ts";
import type { Live, SeverReason } from "./live.ts";
import { type Outbound, Reach } from "./reach.ts";
import type { AnswerHead, Upstream, UpstreamUse } from "./upstream.ts";

export interface GrpcEnv extends ForwardEnv {
  /** As in the Runtime contract, bounded by what came too, and so many at a time as there is room for. */
  readonly decode: Runtime["decode"];
}

/** Messages are decided and sent one by one, and fields go as they came: there is nothing that could replace either. */
type GrpcCarried = Omit<Carried, "payload" | "fields">;

/** Ends through `env.settle`, exactly once; never throws. */
export function relayGrpc(env: GrpcEnv, carried: GrpcCarried, stream: ClientStream): void {
  const relay = new GrpcRelay(env, carried, stream);
  try {
    relay.start();
  } catch (thrown) {
    relay.crashed(thrown);
  }
}

/** Said anew: fields of one connection, and of a body whose length nobody knows. */
const NOT_PASSED = new Set(["te", "content-length"]);
const OF_A_BODY = new Set(["content-length", "content-encoding"]);
const OF_NO_BODY = new Set([...OF_A_BODY, "trailer"]);
const NONE: readonly string[] = [];

class GrpcRelay implements Outbound, UpstreamUse, Live, Feeder, GrpcWays {
  readonly egress: Egress;
  readonly env: GrpcEnv;
  readonly gate: MessageGate;
  place = -1;
  readonly #carried: GrpcCarried;
  readonly #stream: ClientStream;
  readonly #reach: Reach;
  readonly #tap: Tap | null;
  readonly #up: GrpcOneWay;
  readonly #down: GrpcOneWay;
  #upstream: H2Upstream | null = null;
  #address: string | null = null;
  #status: number | null = null;
  #started = false;
  /** Something is being certified of which the client is told next. */
  #refusing = false;
  #verdict: Verdict | null = null;
  #over = false;

  constructor(env: GrpcEnv, carried: GrpcCarried, stream: ClientStream) {
    this.env = env;
    this.#carried = carried;
    this.#stream = stream;
    this.#tap = carried.reservation?.tap ?? null;
    this.egress = carried.exchange.egress;
    this.gate = carried.within.messages();
    this.#reach = new Reach(env, carried.permit, carried.exchange.protocol, this);
    this.#up = new GrpcOneWay(this, "up");
    this.#down = new GrpcOneWay(this, "down");
    this.#up.coding = grpcCoding(this.egress.headers);
  }

  start(): void {
    const { responder } = this.#carried.exchange;
    if (responder.abandoned) {
      this.#finish("client_gone", false);
      return;
    }
    this.env.live.add(this);
    responder.feeder = this;
    this.#reach.go();
  }

  // ── what the way there says ──

  get over(): boolean {
    return this.#over;
  }

  send(upstream: Upstream): boolean {
    if (!(upstream instanceof H2Upstream)) {
      upstream.release(true);
      this.#badGateway("upstream_malformed", "the upstream does not speak HTTP/2, which gRPC needs");
      return true;
    }
    this.#address = upstream.address;
    const fields = [...without(this.egress.headers, NOT_PASSED), "te", "trailers"];
    const sent = { egress: this.egress, fields, body: null, empty: false, proxied: null, streamed: true };
    if (!upstream.begin(this, sent, this.env.firstByteMs)) return false;
    this.#upstream = upstream;
    this.#started = true;
    this.#stream.start(this.#up);
    return true;
  }

  unreachable(code: FaultCode, detail: string): void {
    this.#badGateway(code, detail);
  }

  // ── what the client says ──

  clientDrained(): void {
    this.#down.goOn();
  }

  clientGone(): void {
    if (this.#over) return;
    this.#finish("client_gone", true);
    this.#leave();
  }

  // ── what the upstream says ──

  informational(): void {}

  head(head: AnswerHead): void {
    const { certificate, exchange, within } = this.#carried;
    const { status, headers, contentLength } = head;
    this.#status = status;
    this.#moved();
    this.#tap?.head(headers);
    // Its messages are unpacked one by one.
    const guard = within.screen({ status, headers: without(headers, MESSAGE_CODINGS), contentLength });
    const veto = guard?.atHead ?? null;
    if (veto === null && guard !== null && guard.allowed.would !== null) within.watched(guard.allowed);
    guard?.close();
    if (veto !== null) {
      this.#refuse(veto);
      return;
    }
    const fields = head.fields.list;
    if (status !== 200 || !isGrpcType(headerValue(headers, "content-type"))) {
      // Every client of gRPC knows what a status of HTTP means; nobody here knows how to read the body.
      this.#headOnly(status, without(fields, OF_NO_BODY));
    } else if (head.bodyless) this.#headOnly(status, fields);
    else if ((headerValue(headers, "content-encoding") ?? "identity") !== "identity") {
      // Coded as a whole, what reads as messages here is none to who undoes that.
      this.#upstream?.abandon();
      this.#upstream = null;
      this.#badGateway("upstream_malformed", "the answer is gRPC with a content coding");
    } else {
      this.#down.coding = grpcCoding(headers);
      exchange.responder.head(status, head.reason, without(fields, OF_A_BODY), -1, certificate);
    }
  }

  #headOnly(status: number, fields: HeaderList): void {
    this.#stream.headOnly(status, fields, this.#carried.certificate);
    this.#concluded();
  }

  body(bytes: Uint8Array): void {
    if (this.#told) return;
    this.#moved();
    this.#down.data(bytes);
  }

  end(trailers: HeaderList | null): void {
    if (!this.#told) this.#down.end(trailers === null ? null : endToEnd(trailers, NONE, "trailers"));
  }

  turn(): void {
    if (!this.#told) this.#carried.exchange.responder.flush();
  }

  uploaded(): void {
    this.#moved();
    this.#up.goOn();
  }

  completed(): void {
    this.#upstream = null;
    // What the client still says is nobody's.
    this.#up.stop();
  }

  failed(code: FaultCode, detail: string, untouched: boolean): void {
    const resetBy = this.#upstream?.resetBy ?? -1;
    this.#upstream = null;
    if (this.#told) return;
    if (resetBy === -1 && !untouched) {
      this.#badGateway(code, detail);
      return;
    }
    // Told as the upstream told it, so that the client may do what it would have done.
    this.#finish(code, true);
    this.#stream.reset(untouched ? ErrorCode.REFUSED_STREAM : resetBy);
  }

  // ── what the two directions say ──

  read(way: GrpcOneWay, bytes: number): void {
    if (way === this.#down) return;
    this.#moved();
    this.#stream.read(bytes);
  }

  deliver(way: GrpcOneWay, wire: Uint8Array): boolean {
    this.#moved();
    if (way === this.#up) return this.#upstream?.write(wire) ?? true;
    this.#carried.exchange.responder.body(wire);
    return this.#carried.exchange.responder.flush();
  }

  flow(way: GrpcOneWay, hold: boolean): void {
    // The client's window stays closed by itself: it opens for what was read.
    if (way === this.#up) return;
    if (hold) this.#upstream?.hold();
    else this.#upstream?.goOn();
  }

  /** Trailers of a request are dropped: nobody has decided them, and gRPC has none. */
  ended(way: GrpcOneWay, trailers: HeaderList | null): void {
    if (way === this.#up) this.#upstream?.finish();
    else {
      this.#carried.exchange.responder.end(trailers);
      this.#concluded();
    }
  }

  vetoed({ decision, certificate }: MessageVeto): void {
    if (this.#over) return;
    this.#say(endedBy(decision.vector), grpcRefusal(decision, certificate));
  }

  broken(way: GrpcOneWay, trouble: GrpcTrouble): void {
    const side = way === this.#up ? "client" : "upstream";
    this.#say(`${side}_grpc_${trouble}`, grpcEnd(GrpcStatus.INTERNAL, `malformed gRPC of the ${side} (${trouble})`));
  }

  /** Of the answer's head. */
  #refuse(decision: Decision): void {
    this.#verdict = decision.verdict;
    this.#refusing = true;
    this.#leave();
    this.#carried.within
      .vetoed(decision)
      .then((certificate) => {
        if (!this.#over) this.#say(endedBy(decision.vector), grpcRefusal(decision, certificate));
      })
      .catch((thrown) => this.crashed(thrown));
  }

  /** Ends the call in the words of gRPC, behind what has been delivered. */
  #say(error: Ended["error"], fields: HeaderList): void {
    if (this.#over) return;
    const { exchange } = this.#carried;
    this.#finish(error, true, exchange.responder.started ? this.#status : 200);
    this.#leave();
    if (exchange.responder.started) {
      exchange.responder.end(fields, true);
      exchange.responder.flush();
    } else this.#stream.headOnly(200, [...GRPC_HEAD, ...fields], null, true);
  }

  // ── the ends ──

  /** The client was told what the upstream said, to its end. */
  #concluded(): void {
    this.#finish(null, false);
    this.#leave();
    this.#carried.exchange.responder.flush();
  }

  #badGateway(code: FaultCode, detail: string): void {
    if (this.#over) return;
    const { exchange, certificate } = this.#carried;
    const { responder } = exchange;
    this.#finish(code, responder.started, responder.started ? this.#status : 502);
    if (!responder.started) badGateway(exchange, certificate, detail, false);
    else {
      responder.end(grpcEnd(GrpcStatus.UNAVAILABLE, `upstream error: ${detail}`), true);
      responder.flush();
    }
  }

  crashed(thrown: unknown): void {
    this.env.crashed(thrown);
    this.#cut(CRASHED);
  }

  sever(reason: SeverReason): void {
    if (!this.#over) this.#cut(reason);
  }

  #cut(error: Ended["error"]): void {
    this.#finish(error, true);
    this.#leave();
    this.#carried.exchange.responder.sever();
  }

  /** Nothing more is wanted of the upstream. */
  #leave(): void {
    this.#reach.giveUp();
    this.#upstream?.abandon();
    this.#upstream = null;
    this.#up.stop();
    this.#down.stop();
  }

  /** The client is told nothing more of what the upstream says. */
  get #told(): boolean {
    return this.#over || this.#refusing;
  }

  /** An upstream need not answer before it has heard everything; behind its first word, silence is silence. */
  #moved(): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    const { firstByteMs, idleMs, deadlines } = this.env;
    upstream.deadline = deadlines.now + (upstream.answered ? idleMs : firstByteMs);
  }

  #finish(error: Ended["error"], severed: boolean, answered = this.#status): void {
    if (this.#over) return;
    this.#over = true;
    this.#up.stop();
    this.#down.stop();
    this.env.live.delete(this);
    this.env.settle(this.#carried, {
      status: this.#status,
      answered,
      bytesUp: this.#up.bytes,
      bytesDown: this.#down.bytes,
      address: this.#address,
      severed,
      protocol: this.#started ? "grpc" : null,
      error,
      answer: this.#verdict,
      transcript: this.gate.transcript(),
    });
  }
}
