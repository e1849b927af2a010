import type { FaultCode } from "../errors.ts";
import type { Certified } from "../model/certificate.ts";
import type { Decision, Verdict } from "../model/decision.ts";
import type { Egress } from "../model/egress.ts";
import type { Feeder, Responder } from "../model/exchange.ts";
import { type Fields, type HeaderList, without } from "../model/headers.ts";
import type { Permit } from "../model/permit.ts";
import type { MessageRoom } from "../model/room.ts";
import type { Within } from "../model/within.ts";
import { endToEnd } from "../wire/http1.ts";
import { agreement } from "../wire/websocket.ts";
import { badGateway } from "./answers.ts";
import { CRASHED, type Ended, endedBy, type Settle, type Settled, type Tap } from "./ended.ts";
import type { Live, SeverReason } from "./live.ts";
import { type Outbound, Reach, type ReachEnv } from "./reach.ts";
import type { Route } from "./route.ts";
import { type ScreenedAnswer, type Screening, screened } from "./screened.ts";
import type { AnswerHead, Sent, Upstream, UpstreamUse } from "./upstream.ts";
import { relayMessages, type WebSocketEnv } from "./websocket.ts";

export interface ForwardEnv extends ReachEnv, WebSocketEnv {
  readonly firstByteMs: number;
  readonly gapMs: number;
  readonly settle: Settle;
}

export interface Carried extends Settled {
  readonly permit: Permit;
  /** The exact bytes that were decided on (or their replacement), or null. */
  readonly payload: Uint8Array | null;
  /** End-to-end fields that go with the payload. */
  readonly fields: Fields;
  readonly certificate: Certified;
  /** Decides the answer, and the messages of a WebSocket. */
  readonly within: Within;
}

const TRAILER = new Set(["trailer"]);

/** Sends the decided request and streams the answer back. Ends through `env.settle`, exactly once; never throws. */
export function forward(env: ForwardEnv, carried: Carried): void {
  const forwarding = new Forwarding(env, carried);
  try {
    forwarding.start();
  } catch (thrown) {
    forwarding.crashed(thrown);
  }
}

class Forwarding implements Outbound, UpstreamUse, Live, Feeder, Screening {
  readonly egress: Egress;
  place = -1;
  readonly #env: ForwardEnv;
  readonly #carried: Carried;
  readonly #reach: Reach;
  readonly #tap: Tap | null;
  #upstream: Upstream | null = null;
  #interim = false;
  #over = false;
  #settled = false;
  #status: number | null = null;
  #bytesDown = 0;
  /** Of the payload, by an upstream that is not wanted any more. */
  #unsent = 0;
  #gapMs: number;
  #switching: AnswerHead | null = null;
  #address: string | null = null;
  #protocol: Upstream["protocol"] = "http";
  #screened: ScreenedAnswer | null = null;
  /** What was decided of the answer; null when nobody looked. */
  #verdict: Verdict | null = null;
  /** Why the upstream is not read: the client does not take what it has, or what came is being looked at. */
  #slow = false;
  #looking = false;

  constructor(env: ForwardEnv, carried: Carried) {
    this.#env = env;
    this.#carried = carried;
    this.#tap = carried.reservation?.tap ?? null;
    this.egress = carried.exchange.egress;
    this.#gapMs = env.gapMs;
    this.#reach = new Reach(env, carried.permit, carried.exchange.protocol, this);
  }

  start(): void {
    if (this.#carried.exchange.responder.abandoned) {
      this.#finish("client_gone", false);
      return;
    }
    this.#env.live.add(this);
    this.#carried.exchange.responder.feeder = this;
    this.#reach.go();
  }

  // ── what the way there says ──

  get over(): boolean {
    return this.#over;
  }

  send(upstream: Upstream): boolean {
    this.#upstream = upstream;
    this.#address = upstream.address;
    this.#protocol = upstream.protocol;
    return upstream.begin(this, this.#sent(), this.#env.firstByteMs);
  }

  unreachable(code: FaultCode, detail: string): void {
    this.#badGateway(code, detail);
  }

  /** Only plain requests are the proxy's to answer. */
  get #proxied(): Route["proxied"] {
    return this.egress.destination.scheme === "http" ? this.#env.route.proxied : null;
  }

  #sent(): Sent {
    const { egress, declaredLength } = this.#carried.exchange;
    const { payload: body, fields } = this.#carried;
    return { egress, fields, body, empty: declaredLength === 0, proxied: this.#proxied?.lines ?? null };
  }

  // ── what the upstream says ──

  informational(head: AnswerHead): void {
    this.#interim = true;
    const { responder } = this.#carried.exchange;
    // A 100 answers an Expect we never send; the client's own was answered by the gateway.
    if (head.status !== 100) responder.interim(head.status, head.reason, passed(head, responder));
  }

  head(head: AnswerHead): void {
    if (head.status === 101) {
      this.#switching = head;
      return;
    }
    if (head.status === 407 && this.#proxied !== null) {
      // Passed on, it would ask the client for credentials that are the gateway's to give.
      this.#upstream?.abandon();
      this.#badGateway("dial_failed", "upstream proxy answered 407");
      return;
    }
    this.#status = head.status;
    this.#tap?.head(head.headers);
    if (head.eventStream) this.#gapMs = this.#env.idleMs;
    const { certificate, exchange, within } = this.#carried;
    const { responder } = exchange;
    const guard = head.bodyless ? null : within.screen(head);
    const fields = passed(head, responder);
    if (guard === null) responder.head(head.status, head.reason, fields, head.contentLength, certificate);
    else {
      const room = (): MessageRoom => this.#env.room(this.egress);
      this.#screened = screened({ owner: this, guard, within, responder, head, fields, certificate, room });
    }
  }

  body(bytes: Uint8Array): void {
    this.#tap?.body(bytes);
    if (this.#screened !== null) this.#screened.body(bytes);
    else {
      this.#bytesDown += bytes.length;
      this.#carried.exchange.responder.body(bytes);
    }
  }

  end(trailers: HeaderList | null): void {
    if (this.#switching !== null) return;
    const passedOn = trailers === null ? null : endToEnd(trailers, [], "trailers");
    if (this.#screened !== null) this.#screened.end(passedOn);
    else this.#carried.exchange.responder.end(passedOn);
  }

  // ── what whoever decides the answer says ──

  afterTurn(run: () => void): void {
    this.#env.afterTurn(run);
  }

  holdAnswer(holding: boolean): void {
    this.#looking = holding;
    if (holding) this.#upstream?.hold();
    else if (!this.#slow) this.#upstream?.goOn();
  }

  delivered(bytes: number): void {
    this.#bytesDown += bytes;
  }

  passed(decision: Decision): void {
    this.#verdict = decision.verdict;
    if (decision.would !== null) this.#carried.within.watched(decision);
    // The upstream may have told already that it is through.
    if (this.#upstream === null) this.#through();
  }

  watched(decision: Decision): void {
    this.#carried.within.watched(decision);
  }

  stopped(decision: Decision): void {
    this.#verdict = decision.verdict;
    this.#unsent = this.#upstream?.unsent ?? this.#unsent;
    this.#upstream?.abandon();
    this.#upstream = null;
  }

  vetoed(decision: Decision): void {
    const { responder } = this.#carried.exchange;
    this.#finish(endedBy(decision.vector), true, responder.started ? this.#status : decision.status);
  }

  turn(): void {
    this.#screened?.came();
    const upstream = this.#upstream;
    if (upstream === null) {
      this.#carried.exchange.responder.flush();
      return;
    }
    if (this.#thinking) upstream.deadline = this.#env.deadlines.now + this.#env.firstByteMs;
    else if (upstream.answered) upstream.deadline = this.#env.deadlines.now + this.#gapMs;
    if (!this.#carried.exchange.responder.flush()) {
      this.#slow = true;
      upstream.hold();
      // The client is the slow one now; it gets as long as any stream that stands still.
      upstream.deadline = this.#env.deadlines.now + this.#env.idleMs;
    }
    this.#screened?.left(upstream.whole);
  }

  uploaded(): void {
    const upstream = this.#upstream;
    if (upstream === null || (upstream.answered && !this.#thinking)) return;
    // An upstream need not answer before it has the whole request.
    upstream.deadline = this.#env.deadlines.now + this.#env.firstByteMs;
  }

  /** Whoever says "processing" is still thinking: its time is the first byte's until the final head has come. */
  get #thinking(): boolean {
    return this.#interim && this.#status === null;
  }

  completed(leftover: Uint8Array | null): void {
    const upstream = this.#upstream as Upstream;
    if (this.#switching !== null) {
      try {
        this.#switch(upstream, this.#switching, leftover);
      } catch (thrown) {
        // The connection no longer tells this exchange how it ends.
        this.crashed(thrown);
      }
      return;
    }
    if (this.#screened === null || this.#screened.over) {
      this.#finish(null, false);
      upstream.release(false);
      this.#carried.exchange.responder.flush();
      return;
    }
    // The last of the answer is still looked at; the connection has nothing to do with that any more, and is read again.
    this.#upstream = null;
    this.#unsent = upstream.unsent;
    upstream.goOn();
    upstream.release(false);
  }

  #through(): void {
    this.#finish(null, false);
    this.#carried.exchange.responder.flush();
  }

  failed(code: FaultCode, detail: string, untouched: boolean): void {
    // What is whole of an answer that is not goes before the end of it.
    this.#screened?.came();
    // A veto is told in its own words.
    if (this.#over || this.#screened?.over) return;
    const answered = this.#upstream?.answered ?? false;
    const { exchange } = this.#carried;
    if (this.#reach.again(exchange.egress.method, { code, untouched, answered })) return;
    if (exchange.responder.started) {
      // The upstream was not read because the client did not take what it had: whose silence it was is said.
      this.#finish(code === "upstream_timeout" && this.#slow ? "client_stalled" : code, true);
      exchange.responder.sever();
      return;
    }
    this.#badGateway(code, detail);
  }

  // ── the ends ──

  #switch(upstream: Upstream, head: AnswerHead, leftover: Uint8Array | null): void {
    const { egress, responder } = this.#carried.exchange;
    if (egress.upgrade === null || head.upgrade !== egress.upgrade) {
      upstream.release(true);
      this.#badGateway("upstream_malformed", "switched protocols without being asked");
      return;
    }
    const agreed = agreement(egress.headers, head.headers);
    if (agreed.kind === "refused") {
      upstream.release(true);
      this.#badGateway("upstream_malformed", agreed.detail);
      return;
    }
    const framing = `Connection: Upgrade\r\nUpgrade: ${egress.upgrade}\r\n`;
    const { certificate } = this.#carried;
    const taken = responder.takeover(101, "Switching Protocols", passed(head, responder), framing, certificate);
    this.#env.live.delete(this);
    this.#over = true;
    const far = { conn: upstream.detach(), leftover, address: upstream.address };
    const gate = this.#carried.within.messages();
    relayMessages(this.#env, { egress, gate, agreed, client: taken, upstream: far }, (end) => {
      this.#settle({ ...end, status: 101, answered: 101, protocol: "websocket", transcript: gate.transcript() });
    });
  }

  #badGateway(code: FaultCode, detail: string): void {
    if (this.#over) return;
    this.#finish(code, false, 502);
    badGateway(this.#carried.exchange, this.#carried.certificate, detail, false);
  }

  /** A defect of ours, wherever it stood: nobody may be left waiting for what will not come. */
  crashed(thrown: unknown): void {
    this.#env.crashed(thrown);
    this.#reach.giveUp();
    this.#upstream?.abandon();
    this.#carried.exchange.responder.sever();
    this.#finish(CRASHED, true);
  }

  clientDrained(): void {
    this.#slow = false;
    if (!this.#looking) this.#upstream?.goOn();
  }

  clientGone(): void {
    if (this.#over) return;
    this.#finish("client_gone", true);
    this.#screened?.close();
    this.#reach.giveUp();
    this.#upstream?.abandon();
  }

  sever(reason: SeverReason): void {
    if (this.#over) return;
    this.#finish(reason, true);
    this.#screened?.close();
    this.#reach.giveUp();
    this.#upstream?.abandon();
    this.#carried.exchange.responder.sever();
  }

  #finish(error: Ended["error"], severed: boolean, answered = this.#status): void {
    this.#over = true;
    if (this.#screened?.over === false) this.#screened.close();
    this.#env.live.delete(this);
    this.#settle({
      status: this.#status,
      answered,
      bytesUp: (this.#carried.payload?.length ?? 0) - (this.#upstream?.unsent ?? this.#unsent),
      bytesDown: this.#bytesDown,
      address: this.#address,
      severed,
      protocol: this.#status === null ? null : this.#protocol,
      error,
      answer: this.#verdict,
    });
  }

  #settle(ended: Ended): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#env.settle(this.#carried, ended);
  }
}

/** The end-to-end fields of an answer; to whom no trailers can be sent, none are announced (RFC 9110 section 6.6.2). */
function passed({ fields }: AnswerHead, { lines, modern }: Responder): Fields {
  if (!modern) return without(fields.list, TRAILER);
  return (lines ? fields.block : null) ?? fields.list;
}
