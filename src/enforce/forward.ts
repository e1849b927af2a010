import type { FaultCode } from "../errors.ts";
import { Fault, messageOf } from "../errors.ts";
import type { Certified } from "../model/certificate.ts";
import type { Destination, Egress } from "../model/egress.ts";
import type { Feeder } from "../model/exchange.ts";
import type { Fields, HeaderList } from "../model/headers.ts";
import type { Permit } from "../model/permit.ts";
import { formatAuthority } from "../wire/authority.ts";
import { endToEnd, type ResponseHead, requestLines } from "../wire/http1.ts";
import { badGateway } from "./answers.ts";
import type { Cancel } from "./dial.ts";
import { CRASHED, type Ended, type Settle, type Settled, type Tap } from "./ended.ts";
import type { Live, SeverReason } from "./live.ts";
import { type Pool, poolKey } from "./pool.ts";
import { type RelayEnv, relay } from "./relay.ts";
import type { Route } from "./route.ts";
import { type SentRequest, UpstreamConn, type UpstreamEnv, type UpstreamUse } from "./upstream-conn.ts";

export interface ForwardEnv extends UpstreamEnv, RelayEnv {
  readonly pool: Pool;
  readonly route: Route;
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
}

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
const BODY_METHODS = new Set(["POST", "PUT", "PATCH"]);

/** Sends the decided request and streams the answer back. Ends through `env.settle`, exactly once; never throws. */
export function forward(env: ForwardEnv, carried: Carried): void {
  const forwarding = new Forwarding(env, carried);
  try {
    forwarding.start();
  } catch (thrown) {
    forwarding.crashed(thrown);
  }
}

class Forwarding implements UpstreamUse, Live, Feeder, Cancel {
  readonly egress: Egress;
  place = -1;
  readonly #env: ForwardEnv;
  readonly #carried: Carried;
  /** Set by a dial under way: gives it up. */
  run: (() => void) | null = null;
  readonly #key: string;
  readonly #tap: Tap | null;
  #upstream: UpstreamConn | null = null;
  #reused = false;
  /** A connection was found closed before anything was written. */
  #wasted = false;
  #interim = false;
  #over = false;
  #settled = false;
  #status: number | null = null;
  #bytesDown = 0;
  #gapMs: number;
  #switching: ResponseHead | null = null;

  constructor(env: ForwardEnv, carried: Carried) {
    this.#env = env;
    this.#carried = carried;
    this.#tap = carried.reservation?.tap ?? null;
    this.egress = carried.exchange.egress;
    this.#gapMs = env.gapMs;
    this.#key = poolKey(carried.permit);
  }

  start(): void {
    if (this.#carried.exchange.responder.abandoned) {
      this.#finish("client_gone", false);
      return;
    }
    this.#env.live.add(this);
    this.#carried.exchange.responder.feeder = this;
    const pooled = this.#env.pool.take(this.#key);
    // Also a connection that never carried a request may have been ended by the upstream while it waited.
    this.#reused = pooled !== null;
    if (pooled !== null) this.#send(pooled);
    else this.#dial();
  }

  #dial(): void {
    const dialling = this.#env.route.dial(this.#carried.permit, this).then(
      (dialled) => {
        try {
          const upstream = new UpstreamConn(dialled, this.#key, this.#env);
          if (this.#over) upstream.conn.destroy();
          else this.#send(upstream);
        } catch (thrown) {
          dialled.conn.destroy();
          throw thrown;
        }
      },
      (fault) => {
        const known = fault instanceof Fault ? fault : new Fault("dial_failed", messageOf(fault));
        this.#badGateway(known.code, known.message);
      },
    );
    dialling.catch((thrown) => this.crashed(thrown));
  }

  #send(upstream: UpstreamConn): void {
    this.#upstream = upstream;
    if (upstream.begin(this, this.egress.method, this.#request(), this.#env.firstByteMs)) return;
    // Not a byte was written, so any method may go on a fresh connection; once, or a server that hangs up at once is
    // dialled for ever.
    const again = !this.#wasted;
    this.#wasted = true;
    this.#reused = false;
    if (again) this.#dial();
    else this.#badGateway("upstream_closed", "connection closed before the request");
  }

  get #payload(): Uint8Array | null {
    return this.#carried.payload;
  }

  /** Only plain requests are the proxy's to answer. */
  get #proxied(): Route["proxied"] {
    return this.egress.destination.scheme === "http" ? this.#env.route.proxied : null;
  }

  #request(): SentRequest {
    const { egress, declaredLength } = this.#carried.exchange;
    const payload = this.#payload;
    let framing = "";
    if (payload !== null) framing = `Content-Length: ${payload.length}\r\n`;
    else if (declaredLength === 0 || BODY_METHODS.has(egress.method)) framing = "Content-Length: 0\r\n";
    if (egress.upgrade !== null) framing += `Connection: Upgrade\r\nUpgrade: ${egress.upgrade}\r\n`;
    const proxied = this.#proxied;
    const lines = linesOf(egress, proxied !== null);
    if (proxied !== null) framing += proxied.lines;
    return { lines, fields: this.#carried.fields, framing, body: payload };
  }

  // ── what the upstream says ──

  informational(head: ResponseHead): void {
    this.#interim = true;
    const { responder } = this.#carried.exchange;
    // A 100 answers an Expect we never send; the client's own was answered by the gateway.
    if (head.status !== 100) responder.interim(head.status, head.reason, passed(head));
  }

  head(head: ResponseHead): void {
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
    const { responder } = this.#carried.exchange;
    responder.head(head.status, head.reason, passed(head), head.contentLength, this.#carried.certificate);
  }

  body(bytes: Uint8Array): void {
    this.#bytesDown += bytes.length;
    this.#tap?.body(bytes);
    this.#carried.exchange.responder.body(bytes);
  }

  end(trailers: HeaderList | null): void {
    if (this.#switching === null)
      this.#carried.exchange.responder.end(trailers === null ? null : endToEnd(trailers, [], "response"));
  }

  turn(): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    if (this.#thinking) upstream.deadline = this.#env.deadlines.now + this.#env.firstByteMs;
    else if (upstream.answered) upstream.deadline = this.#env.deadlines.now + this.#gapMs;
    if (!this.#carried.exchange.responder.flush()) {
      upstream.conn.pause();
      // The client is the slow one now; it gets as long as any stream that stands still.
      upstream.deadline = this.#env.deadlines.now + this.#env.idleMs;
    }
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
    const upstream = this.#upstream as UpstreamConn;
    if (this.#switching !== null) {
      try {
        this.#switch(upstream, this.#switching, leftover);
      } catch (thrown) {
        // The connection no longer tells this exchange how it ends.
        this.crashed(thrown);
      }
      return;
    }
    this.#finish(null, false);
    // A server that ignores the body of such a request would read it as the next one: nobody may follow on that connection.
    const { method } = this.#carried.exchange.egress;
    if (this.#payload !== null && !BODY_METHODS.has(method)) upstream.conn.destroy();
    else this.#env.pool.give(upstream);
    this.#carried.exchange.responder.flush();
  }

  failed(code: FaultCode, detail: string): void {
    const answered = this.#upstream?.answered ?? false;
    const { exchange } = this.#carried;
    if (!answered && code !== "upstream_timeout" && this.#reused && IDEMPOTENT.has(exchange.egress.method)) {
      this.#reused = false;
      this.#dial();
      return;
    }
    if (exchange.responder.started) {
      this.#finish(code, true);
      exchange.responder.sever();
      return;
    }
    this.#badGateway(code, detail);
  }

  // ── the ends ──

  #switch(upstream: UpstreamConn, head: ResponseHead, leftover: Uint8Array | null): void {
    const { egress, responder } = this.#carried.exchange;
    if (egress.upgrade === null || head.upgrade !== egress.upgrade) {
      upstream.conn.destroy();
      this.#badGateway("upstream_malformed", "switched protocols without being asked");
      return;
    }
    const framing = `Connection: Upgrade\r\nUpgrade: ${egress.upgrade}\r\n`;
    const { certificate } = this.#carried;
    const taken = responder.takeover(101, "Switching Protocols", passed(head), framing, certificate);
    this.#env.live.delete(this);
    this.#over = true;
    const far = { conn: upstream.detach(), leftover, ended: false, parked: null, address: upstream.address };
    relay(this.#env, egress, { ...taken, parked: null }, far, (end) =>
      this.#settle({ ...end, status: 101, answered: 101, protocol: "websocket" }),
    );
  }

  #badGateway(code: FaultCode, detail: string): void {
    if (this.#over) return;
    this.#finish(code, false, 502);
    badGateway(this.#carried.exchange.responder, this.#carried.certificate, detail, false);
  }

  /** A defect of ours, wherever it stood: nobody may be left waiting for what will not come. */
  crashed(thrown: unknown): void {
    this.#env.crashed(thrown);
    this.run?.();
    this.#upstream?.abandon();
    this.#carried.exchange.responder.sever();
    this.#finish(CRASHED, true);
  }

  clientDrained(): void {
    this.#upstream?.conn.resume();
  }

  clientGone(): void {
    if (this.#over) return;
    this.#finish("client_gone", true);
    this.run?.();
    this.#upstream?.abandon();
  }

  sever(reason: SeverReason): void {
    if (this.#over) return;
    this.#finish(reason, true);
    this.run?.();
    this.#upstream?.abandon();
    this.#carried.exchange.responder.sever();
  }

  #finish(error: string | null, severed: boolean, answered = this.#status): void {
    this.#over = true;
    this.#env.live.delete(this);
    this.#settle({
      status: this.#status,
      answered,
      bytesUp: this.#payload === null ? 0 : this.#payload.length,
      bytesDown: this.#bytesDown,
      address: this.#upstream?.address ?? null,
      severed,
      protocol: this.#status === null ? null : "http",
      error,
    });
  }

  #settle(ended: Ended): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#env.settle(this.#carried, ended);
  }
}

/** The end-to-end fields of an answer. */
function passed({ fields }: ResponseHead): Fields {
  return fields.block ?? fields.list;
}

interface Lines {
  readonly method: string;
  readonly path: string;
  readonly proxied: boolean;
  readonly text: string;
}

/** The last request lines per destination: equal requests of one door share that object. */
const known = new WeakMap<Destination, Lines>();

/** Request line and Host. */
function linesOf({ method, path, destination }: Egress, proxied: boolean): string {
  const last = known.get(destination);
  if (last !== undefined && last.path === path && last.method === method && last.proxied === proxied) return last.text;
  const { scheme, host, port } = destination;
  const authority = formatAuthority(host, port === (scheme === "https" ? 443 : 80) ? null : port);
  const target = proxied ? `http://${authority}${path === "*" ? "" : path}` : path;
  const text = requestLines(method, target, authority);
  known.set(destination, { method, path, proxied, text });
  return text;
}
