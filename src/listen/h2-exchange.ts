import type { Deadlined } from "../model/deadlines.ts";
import type { Destination, Door, Egress, Principal } from "../model/egress.ts";
import type { Exchange, Held } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import { formatAuthority } from "../wire/authority.ts";
import { isGrpcType, MESSAGE_CODINGS } from "../wire/grpc.ts";
import type { H2RequestHead } from "../wire/h2.ts";
import { endToEnd } from "../wire/http1.ts";
import { BodyHolder } from "./body.ts";
import type { TunnelInside } from "./door.ts";
import { H2ClientStream } from "./h2-client-stream.ts";
import type { H2Conn } from "./h2-conn.ts";
import { H2Responder } from "./h2-responder.ts";
import { HELD_WAIT_MS, type HeldShare, type HeldWaiter } from "./held.ts";

const NONE: readonly string[] = [];

/** The egress a stream asks for; its destination is the tunnel's, whatever it says. */
export class H2Egress implements Egress {
  readonly door: Door = "tunnel";
  readonly phase = "request";
  readonly caller = "sidecar.tunnel.egress";
  readonly method: string;
  readonly destination: Destination;
  readonly target: string;
  readonly path: string;
  readonly headers: HeaderList;
  readonly block = null;
  readonly coded: boolean;
  readonly wordy: boolean;
  readonly upgrade = null;
  readonly conflict: string | null;
  readonly principal: Principal;
  readonly parent: string;

  constructor(head: H2RequestHead, { remoteAddress, remotePort }: H2Conn["conn"], inside: TunnelInside) {
    const { method, path, agent, parentAgent } = head;
    this.method = method;
    this.target = path;
    this.path = path;
    this.destination = inside.destination;
    this.headers = endToEnd(head.headers, NONE, "request");
    // Messages inside a body may be compressed each by itself, whatever its type says.
    this.coded = head.coded || hasMessageCoding(head.headers);
    this.wordy = head.wordy;
    this.conflict = conflictOf(head, inside.destination);
    this.principal = { address: remoteAddress, port: remotePort, agent, parentAgent };
    this.parent = inside.parent;
  }
}

function hasMessageCoding(headers: HeaderList): boolean {
  for (let i = 0; i < headers.length; i += 2) if (MESSAGE_CODINGS.has(headers[i] as string)) return true;
  return false;
}

function saysGrpc(headers: HeaderList): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === "content-type" && isGrpcType(headers[i + 1] as string)) return true;
  }
  return false;
}

function conflictOf({ host, port, scheme }: H2RequestHead, tunnel: Destination): string | null {
  if (host === tunnel.host && port === tunnel.port && scheme === tunnel.scheme) return null;
  return formatAuthority(host, port);
}

/** One stream, as the pipeline sees it. */
export class H2Exchange implements Exchange, Deadlined, HeldWaiter {
  deadline = Number.POSITIVE_INFINITY;
  readonly egress: Egress;
  readonly protocol = "h2";
  readonly declaredLength: number;
  readonly startedAt: number;
  readonly responder: H2Responder;
  readonly stream: H2ClientStream | null;
  readonly id: number;
  waitedMs = 0;
  readonly #owner: H2Conn;
  readonly #body: BodyHolder | null;
  readonly #expectContinue: boolean;
  /** Bytes that arrived and may not be followed by as many yet. */
  #unconsumed = 0;
  #wantsRoom = false;
  #watched = false;

  constructor(owner: H2Conn, stream: number, head: H2RequestHead, ended: boolean) {
    const { door, share, conn, inside } = owner;
    this.#owner = owner;
    this.id = stream;
    this.startedAt = door.runtime.monotonic();
    this.declaredLength = head.contentLength;
    this.egress = new H2Egress(head, conn, inside);
    // Of several types any one may be what the server goes by, and not every server asks for POST.
    const streamed = saysGrpc(head.headers);
    this.responder = new H2Responder(owner, stream, head.method, ended);
    this.stream = streamed ? new H2ClientStream(owner, stream, this.responder) : null;
    this.#body = ended || streamed ? null : new BodyHolder(door, share);
    this.#expectContinue = head.expectContinue;
  }

  get share(): HeldShare {
    return this.#owner.share;
  }

  hold(maxBytes: number): Held | Promise<Held> {
    const body = this.#body;
    if (body === null) return { kind: "none" };
    const held = body.hold(maxBytes);
    if (!(held instanceof Promise)) return held;
    const { door, engine } = this.#owner;
    if (this.#expectContinue && body.length === 0) engine.inform(this.id, 100);
    body.begin(door.deadlines.now);
    this.deadline = body.due(door.deadlines.now);
    this.#watched = true;
    door.deadlines.add(this);
    this.#moved(body);
    return this.#timed(held);
  }

  async #timed(waiting: Promise<Held>): Promise<Held> {
    const { runtime } = this.#owner.door;
    const from = runtime.monotonic();
    const held = await waiting;
    this.#unwatch();
    this.waitedMs = runtime.monotonic() - from;
    return held;
  }

  release(): void {
    this.#body?.release();
    this.stream?.release();
  }

  // ── the stream ──

  data(bytes: Uint8Array): void {
    if (this.stream !== null) {
      this.stream.data(bytes);
      return;
    }
    this.#unconsumed += bytes.length;
    const body = this.#body;
    if (body === null || body.complete || !this.#wanted) this.#consume();
    else {
      body.add(bytes);
      this.#moved(body);
    }
  }

  /** Nobody has answered yet. */
  get #wanted(): boolean {
    return !this.responder.started && !this.responder.abandoned;
  }

  end(trailers: HeaderList | null): void {
    const passed = trailers === null ? null : endToEnd(trailers, NONE, "request");
    this.#body?.end(passed);
    this.stream?.end(passed);
    this.responder.heardAll();
  }

  #moved(body: BodyHolder): void {
    if (body.complete || this.#wantsRoom) return;
    const { door } = this.#owner;
    if (body.awaited && this.share.full) {
      this.#wantsRoom = true;
      this.deadline = door.deadlines.now + HELD_WAIT_MS;
      door.budget.wait(this);
      return;
    }
    if (body.awaited) this.deadline = body.due(door.deadlines.now);
    this.#consume();
  }

  #consume(): void {
    const count = this.#unconsumed;
    if (count === 0) return;
    this.#unconsumed = 0;
    this.#owner.engine.consumed(this.id, count);
    this.#owner.soon();
  }

  roomAgain(): void {
    const body = this.#body;
    if (!this.#wantsRoom || body === null) return;
    this.#wantsRoom = false;
    const { now } = this.#owner.door.deadlines;
    body.excuse(now - (this.deadline - HELD_WAIT_MS));
    this.deadline = body.due(now);
    this.#consume();
  }

  noRoom(): void {
    this.#leaveBudget();
    this.#body?.settle({ kind: "exhausted" });
  }

  expired(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#wantsRoom) this.noRoom();
    else this.refuse(408, "body_timeout", "request body took too long");
  }

  /** The request has been read to its end. */
  get whole(): boolean {
    return this.stream === null ? this.#body === null || this.#body.complete : this.stream.ended;
  }

  /** Its body is waited for. */
  get waiting(): boolean {
    return this.#body?.awaited === true;
  }

  /** Both messages are through, or the stream was cut by us. */
  over(): void {
    this.#unwatch();
    this.#leaveBudget();
    this.#body?.settle({ kind: "gone" });
    this.stream?.over();
    this.responder.over();
    this.#consume();
  }

  /** The client has left the stream. */
  gone(): void {
    this.over();
    this.responder.gone();
  }

  /** An answer without a decision: one line, a counter, no certificate. */
  refuse(status: number, code: string, detail: string): void {
    const { door, conn } = this.#owner;
    door.notice({ status, code, peer: conn.remoteAddress });
    this.#body?.settle({ kind: "gone" });
    if (this.responder.started) {
      this.responder.sever();
      return;
    }
    // Somebody may still be deciding: this is the answer all the same.
    this.responder.supersede(status, `${detail}\n`);
  }

  #leaveBudget(): void {
    if (this.#wantsRoom) this.#owner.door.budget.leave(this);
    this.#wantsRoom = false;
  }

  #unwatch(): void {
    if (this.#watched) this.#owner.door.deadlines.remove(this);
    this.#watched = false;
    this.deadline = Number.POSITIVE_INFINITY;
  }
}
