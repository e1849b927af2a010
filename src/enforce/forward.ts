import type { FaultCode } from "../errors.ts";
import { Fault, messageOf } from "../errors.ts";
import type { CertificateDraft } from "../model/certificate.ts";
import type { Destination, Egress } from "../model/egress.ts";
import type { Exchange, Feeder } from "../model/exchange.ts";
import type { Fields, HeaderList } from "../model/headers.ts";
import type { Permit } from "../model/permit.ts";
import { formatAuthority } from "../wire/authority.ts";
import { endToEnd, type ResponseHead, requestLines } from "../wire/http1.ts";
import type { Cancel, Dialled } from "./dial.ts";
import type { Live, LiveSet, SeverReason } from "./live.ts";
import { type Pool, poolKey } from "./pool.ts";
import { relay } from "./relay.ts";
import { type SentRequest, UpstreamConn, type UpstreamEnv, type UpstreamUse } from "./upstream-conn.ts";

/** How the carrying out of a permit ended. */
export interface Ended {
  /** The upstream's. */
  readonly status: number | null;
  /** What the client was answered; null when it was not answered any more. */
  readonly answered: number | null;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly address: string | null;
  readonly severed: boolean;
  readonly protocol: string | null;
  /** Stable code, or null when it ended well. */
  readonly error: string | null;
}

/** How requests reach their upstream: straight, or through the enterprise's proxy. */
export interface Route {
  /** Opens a connection the permit allows. */
  dial(permit: Permit, cancel: Cancel): Promise<Dialled>;
  /** Lines a proxied plain request needs in its head; null when requests go straight. */
  readonly proxied: { readonly lines: string } | null;
}

export interface ForwardEnv extends UpstreamEnv {
  readonly pool: Pool;
  readonly route: Route;
  readonly firstByteMs: number;
  readonly gapMs: number;
  readonly idleMs: number;
  /** Live exchanges and tunnels, for drain and for policy changes. */
  readonly live: LiveSet;
  readonly settle: Settle;
}

export interface Carried {
  readonly exchange: Exchange;
  readonly permit: Permit;
  /** The exact bytes that were decided on (or their replacement), or null. */
  readonly payload: Uint8Array | null;
  /** End-to-end fields that go with the payload. */
  readonly fields: Fields;
  /** The certificate as a header value. */
  readonly certificate: string;
  readonly certificateId: string;
  /** What was certified, for whoever is told how it ended. */
  readonly draft: CertificateDraft;
}

/** Told once how each permit's carrying out ended. */
export type Settle = (carried: Pick<Carried, "exchange" | "certificateId" | "draft">, ended: Ended) => void;

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
const BODY_METHODS = new Set(["POST", "PUT", "PATCH"]);

/** Sends the decided request and streams the answer back. Ends through `env.settle`, exactly once; never throws. */
export function forward(env: ForwardEnv, carried: Carried): void {
  new Forwarding(env, carried).start();
}

class Forwarding implements UpstreamUse, Live, Feeder, Cancel {
  readonly egress: Egress;
  place = -1;
  readonly #env: ForwardEnv;
  readonly #carried: Carried;
  /** Set by a dial under way: gives it up. */
  run: (() => void) | null = null;
  readonly #key: string;
  #upstream: UpstreamConn | null = null;
  #reused = false;
  #interim = false;
  #over = false;
  #status: number | null = null;
  #bytesDown = 0;
  #gapMs: number;
  #switching: ResponseHead | null = null;

  constructor(env: ForwardEnv, carried: Carried) {
    this.#env = env;
    this.#carried = carried;
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
    this.#env.route.dial(this.#carried.permit, this).then(
      (dialled) => {
        const upstream = new UpstreamConn(dialled, this.#key, this.#env);
        if (this.#over) upstream.conn.destroy();
        else this.#send(upstream);
      },
      (fault) => {
        const known = fault instanceof Fault ? fault : new Fault("dial_failed", messageOf(fault));
        this.#badGateway(known.code, known.message);
      },
    );
  }

  #send(upstream: UpstreamConn): void {
    this.#upstream = upstream;
    upstream.begin(this, this.egress.method, this.#request(), this.#env.firstByteMs);
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
    if (head.status === 101) {
      this.#switching = head;
      return;
    }
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
    if (head.eventStream) this.#gapMs = this.#env.idleMs;
    const { responder } = this.#carried.exchange;
    responder.head(head.status, head.reason, passed(head), head.contentLength, this.#carried.certificate);
  }

  body(bytes: Uint8Array): void {
    this.#bytesDown += bytes.length;
    this.#carried.exchange.responder.body(bytes);
  }

  end(trailers: HeaderList | null): void {
    if (this.#switching === null)
      this.#carried.exchange.responder.end(trailers === null ? null : endToEnd(trailers, [], "response"));
  }

  turn(): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    // Whoever says "processing" is still thinking: its time is the first byte's until the final head begins.
    if (this.#interim && this.#status === null) upstream.deadline = this.#env.deadlines.now + this.#env.firstByteMs;
    else if (upstream.answered) upstream.deadline = this.#env.deadlines.now + this.#gapMs;
    if (!this.#carried.exchange.responder.flush()) {
      upstream.conn.pause();
      // The client is the slow one now; it gets as long as any stream that stands still.
      upstream.deadline = this.#env.deadlines.now + this.#env.idleMs;
    }
  }

  completed(leftover: Uint8Array | null): void {
    const upstream = this.#upstream as UpstreamConn;
    if (this.#switching !== null) {
      this.#switch(upstream, this.#switching, leftover);
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

  drained(): void {}

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
      this.#env.settle(this.#carried, { ...end, status: 101, answered: 101, protocol: "websocket" }),
    );
  }

  #badGateway(code: FaultCode, detail: string): void {
    if (this.#over) return;
    this.#finish(code, false, 502);
    this.#carried.exchange.responder.answer(
      502,
      "Bad Gateway",
      ["Content-Type", "text/plain; charset=utf-8", "X-EVE-Decision-Cert", this.#carried.certificate],
      `upstream error: ${detail}\n`,
      false,
    );
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
    if (this.#over) return;
    this.#over = true;
    this.#env.live.delete(this);
    this.#env.settle(this.#carried, {
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
