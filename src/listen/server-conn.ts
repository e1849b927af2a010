import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import type { Taken } from "../model/exchange.ts";
import { concat } from "../wire/concat.ts";
import { type RequestHead, RequestParser, type WireFault } from "../wire/http1.ts";
import { Outbox } from "./_outbox.ts";
import { refusal, type UndecidedStatus } from "./_refusal.ts";
import type { BodySource, BodyWait } from "./body-wait.ts";
import type { Arrival, Door, Served, TunnelInside } from "./door.ts";
import type { HeldShare } from "./held.ts";
import { Intake } from "./intake.ts";
import type { Redirected } from "./redirected.ts";
import { ServerExchange } from "./server-exchange.ts";

/** Bytes of the next pipelined requests kept while one is being answered; beyond it the socket is not read. */
const PIPELINE_BYTES = 64 * 1024;
/** How long a severed client may take to read its answer before the reset. */
const LINGER_MS = 300;

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

type State = "idle" | "head" | "busy" | "closing" | "taken" | "closed";

/**
 * One client connection speaking HTTP/1.1: requests are read, handed on and answered strictly one after the other, so
 * every pipelined request gets a decision of its own and nothing is read twice.
 */
export class ServerConn implements ConnHandler, Deadlined, BodySource, Served {
  deadline: number;
  readonly conn: Conn;
  readonly door: Door;
  readonly inside: TunnelInside | null;
  readonly redirected: Redirected | null;
  readonly share: HeldShare;
  /** What goes to the client; one for all its exchanges, as they follow one another. */
  readonly out = new Outbox();
  readonly #parser: RequestParser;
  #state: State = "idle";
  #rest: Uint8Array | null = null;
  readonly #intake: Intake;
  #exchange: ServerExchange | null = null;
  #pumping = false;
  #paused = false;
  #peerEnded = false;
  /** The client has not yet taken what was written: nothing more is read for it until it has. */
  #stuck = false;
  readonly #done: () => void;
  readonly #crowded: boolean;

  constructor(conn: Conn, door: Door, { inside, redirected, crowded, done }: Arrival) {
    this.conn = conn;
    this.door = door;
    this.inside = inside ?? null;
    this.redirected = redirected ?? null;
    this.#done = done;
    this.#crowded = crowded === true;
    this.share = door.budget.open(conn.remoteAddress);
    this.#intake = new Intake(door, this.share);
    this.#parser = new RequestParser(door.wireLimits, this.#intake, door.lines);
    this.deadline = door.deadlines.now + door.config.keepAliveTimeoutMs;
    conn.handler = this;
    door.deadlines.add(this);
    door.connections.add(this);
  }

  get busy(): boolean {
    return this.#state === "busy";
  }

  // ── the socket ──

  data(bytes: Uint8Array): void {
    if (this.#state === "closing" || this.#state === "closed") return;
    if (this.#rest !== null || this.#stuck || (this.#state === "busy" && this.#parser.complete)) {
      this.#rest = this.#rest === null ? bytes : concat([this.#rest, bytes]);
      if (this.#rest.length > PIPELINE_BYTES) this.#pause();
      return;
    }
    this.#pump(bytes);
  }

  end(): void {
    this.#peerEnded = true;
    if (this.#state === "busy") {
      const body = this.#intake.holder;
      if (body !== null && !body.complete) this.#vanish();
      return;
    }
    // What is read when the client has caught up is answered first.
    if (this.#state === "idle" && this.#stuck) return;
    if (this.#state !== "taken") this.conn.end();
  }

  drain(): void {
    this.#stuck = false;
    if (this.#state === "closing") this.deadline = this.door.deadlines.now + LINGER_MS;
    else if (this.#state === "idle") this.#goOn();
    else this.#exchange?.responder.drained();
  }

  /** Called by the responder: a write answered that the kernel has had enough. */
  blocked(): void {
    this.#stuck = true;
  }

  close(): void {
    if (this.#state === "closed" || this.#state === "taken") return;
    this.#state = "closed";
    this.#leave();
    this.#intake.holder?.settle({ kind: "gone" });
    this.#exchange?.responder.gone();
    this.#done();
  }

  expired(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    switch (this.#state) {
      case "idle":
        this.#hangUp();
        return;
      case "head":
        this.#malformed({ status: 408, code: "head_timeout", detail: "request head took too long" });
        return;
      case "busy":
        return;
      default:
        // Closing keeps what the kernel holds on its way, and answers whoever still writes with a reset.
        if (this.#stuck) this.conn.reset();
        else this.conn.destroy();
    }
  }

  /** The door closes: an idle connection ends now, a busy one after its answer. */
  drainDown(): void {
    if (this.#state === "idle") this.#hangUp();
  }

  // ── one request after the other ──

  #pump(bytes: Uint8Array): void {
    this.#pumping = true;
    let input: Uint8Array | null = bytes;
    while (input !== null && input.length > 0) {
      this.#rest = null;
      const used: number = this.#parser.push(input, 0);
      if (used < input.length) this.#rest = input.subarray(used);
      if (!this.#advance()) break;
      // Only a finished exchange leaves `idle` behind; then what follows is the next request.
      input = this.#rest;
    }
    this.#pumping = false;
  }

  /** True when the rest may be parsed now. */
  #advance(): boolean {
    const fault = this.#parser.fault;
    if (this.#state === "busy") {
      if (fault !== null) this.#malformed(fault);
      else this.#bodyMoved();
      return this.#is("idle") && !this.#stuck;
    }
    if (fault !== null) {
      this.#malformed(fault);
      return false;
    }
    if (this.#intake.request !== null) this.#begin(this.#intake.request);
    else if (this.#parser.started && this.#state === "idle") {
      this.#state = "head";
      this.deadline = this.door.deadlines.now + this.door.config.headerTimeoutMs;
    }
    return this.#is("idle") && !this.#stuck;
  }

  #is(state: State): boolean {
    return this.#state === state;
  }

  #begin(head: RequestHead): void {
    this.#state = "busy";
    this.deadline = Number.POSITIVE_INFINITY;
    const exchange = new ServerExchange(this, head, this.#intake.holder);
    this.#exchange = exchange;
    if (head.form === "origin" && this.inside === null && this.redirected === null) {
      this.door.local(exchange.egress.method, head.path, exchange.responder, this.conn);
      return;
    }
    if (this.#crowded) {
      this.#refuse(503, "too_many_connections", "too many connections");
      return;
    }
    if (!this.door.mayUse(this.conn.remoteAddress)) {
      this.#refuse(403, "client_not_allowed", "this client may not use the gateway");
      return;
    }
    if (head.form === "asterisk" || (this.inside !== null && head.form === "authority")) {
      this.#refuse(400, "target_form", "request target form not served here");
      return;
    }
    this.door.handle(exchange);
  }

  #bodyMoved(): void {
    const body = this.#intake.holder;
    if (body === null || body.complete) return;
    if (body.awaited) this.#exchange?.wait?.moved();
    else this.#pause();
  }

  // ── the body ──

  holdBody(): void {
    this.#pause();
  }

  readBody(): void {
    this.#resume();
  }

  bodyLate(): void {
    this.#malformed({ status: 408, code: "body_timeout", detail: "request body took too long" });
  }

  /** Called by the exchange, which begins to wait for the body. */
  awaits(wait: BodyWait): void {
    if (this.#intake.request?.expectContinue && this.#intake.holder?.length === 0) this.conn.write(CONTINUE);
    wait.begin();
    if (this.#peerEnded) this.#vanish();
  }

  release(): void {
    this.#intake.holder?.release();
  }

  /** Called by the responder when the answer is complete and with the kernel. */
  finished(keep: boolean): void {
    if (this.#state !== "busy") return;
    this.release();
    const unread = this.#intake.holder !== null && !this.#intake.holder.complete;
    if (!keep || unread || this.door.draining) {
      this.#closeSoon();
      return;
    }
    this.#reset();
    this.#goOn();
  }

  /** The next request, or the wait for it; a client that does not take its answers is not asked for more. */
  #goOn(): void {
    const { idleTimeoutMs, keepAliveTimeoutMs } = this.door.config;
    this.deadline = this.door.deadlines.now + (this.#stuck ? idleTimeoutMs : keepAliveTimeoutMs);
    if (this.#stuck) this.#pause();
    if (this.#stuck || this.#pumping) return;
    if (this.#rest !== null) this.#pump(this.#rest);
    if (this.#peerEnded && (this.#is("idle") || this.#is("head")) && !this.#stuck) this.#closeSoon();
    else if (!this.#stuck && (this.#rest?.length ?? 0) <= PIPELINE_BYTES) this.#resume();
  }

  #reset(): void {
    this.#state = "idle";
    this.#intake.request = null;
    this.#intake.holder = null;
    this.#exchange = null;
    this.#parser.next();
  }

  /** The answer is out: FIN, and a reset for whoever keeps writing or never leaves. */
  severed(): void {
    this.release();
    this.#closeSoon();
  }

  #closeSoon(): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#exchange?.wait?.leave();
    this.#rest = null;
    this.conn.end();
    // Reading on (and dropping) is what lets the answer arrive: unread input turns a close into a reset.
    this.#resume();
    this.#linger();
  }

  #hangUp(): void {
    this.#state = "closing";
    this.conn.end();
    this.#linger();
  }

  /** The time begins when the kernel has everything: a slow reader is given as long as any stream that stands still. */
  #linger(): void {
    this.deadline = this.door.deadlines.now + (this.#stuck ? this.door.config.idleTimeoutMs : LINGER_MS);
  }

  /** Nothing can be decided any more and nobody is left to tell. */
  #vanish(): void {
    this.#intake.holder?.settle({ kind: "gone" });
    this.door.notice({ status: 0, code: "client_gone", peer: this.conn.remoteAddress });
    this.conn.destroy();
  }

  #malformed(fault: WireFault): void {
    this.#intake.holder?.settle({ kind: "gone" });
    if (this.#exchange?.responder.started) {
      this.conn.reset();
      return;
    }
    this.#refuse(fault.status, fault.code, fault.detail);
  }

  /** An answer without a decision: one line, a counter, no certificate. */
  #refuse(status: UndecidedStatus, code: string, detail: string): void {
    this.door.notice({ status, code, peer: this.conn.remoteAddress });
    // Somebody may still be deciding: this is the answer all the same.
    this.#exchange?.responder.gone();
    this.conn.write(refusal(status, detail));
    this.#closeSoon();
  }

  /** Called by the responder: HTTP ends here, the socket goes to somebody else. */
  taken(): Taken {
    this.#state = "taken";
    this.#leave();
    this.release();
    const leftover = this.#rest;
    this.#rest = null;
    this.#resume();
    return { conn: this.conn, leftover, ended: this.#peerEnded, done: this.#done };
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.conn.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.conn.resume();
  }

  #leave(): void {
    this.#exchange?.wait?.leave();
    this.share.close();
    this.door.deadlines.remove(this);
    this.door.connections.delete(this);
  }
}
