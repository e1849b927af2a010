import type { Destination, Door, Egress, Principal } from "../model/egress.ts";
import type { Exchange, Held } from "../model/exchange.ts";
import type { HeaderList } from "../model/headers.ts";
import { formatAuthority } from "../wire/authority.ts";
import { isGrpcType, MESSAGE_CODINGS } from "../wire/grpc.ts";
import type { H2RequestHead } from "../wire/h2.ts";
import { endToEnd } from "../wire/http1.ts";
import { meant } from "../wire/http1-names.ts";
import { BodyHolder } from "./body.ts";
import { type BodySource, BodyWait } from "./body-wait.ts";
import { H2ClientStream } from "./h2-client-stream.ts";
import type { H2Conn } from "./h2-conn.ts";
import { H2Responder } from "./h2-responder.ts";

const NONE: readonly string[] = [];

/** The egress a stream asks for. Inside a tunnel its destination is the tunnel's, whatever it says. */
class H2Egress implements Egress {
  readonly door: Door;
  readonly phase = "request";
  readonly caller: string;
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
  readonly parent: string | null;

  constructor(head: H2RequestHead, { conn: { remoteAddress, remotePort }, inside, redirected }: H2Conn) {
    const { method, path, agent, parentAgent } = head;
    this.method = method;
    this.target = path;
    this.path = path;
    this.headers = endToEnd(head.headers, NONE, "request");
    // Messages inside a body may be compressed each by itself, whatever its type says.
    this.coded = head.coded || hasMessageCoding(head.headers);
    this.wordy = head.wordy;
    this.principal = { address: remoteAddress, port: remotePort, agent, parentAgent };
    this.door = inside === null ? "transparent" : "tunnel";
    this.caller = `sidecar.${this.door}.egress`;
    this.parent = inside?.parent ?? null;
    this.destination = inside?.destination ?? redirected?.destination(head) ?? head.destination;
    this.conflict =
      inside === null ? (redirected?.conflict(head, head.scheme) ?? null) : conflictOf(head, inside.destination);
  }
}

function hasMessageCoding(headers: HeaderList): boolean {
  for (let i = 0; i < headers.length; i += 2) if (MESSAGE_CODINGS.has(headers[i] as string)) return true;
  return false;
}

/**
 * A body that is coded as a whole is held as one, whatever its messages are: in raw DEFLATE a stored block reads as the frame
 * of a message, and behind it stands what nobody would have undone.
 */
function saysGrpc(headers: HeaderList): boolean {
  let says = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (name === "content-type" && isGrpcType(value)) says = true;
    else if (meant(name) === "content-encoding" && value !== "identity") return false;
  }
  return says;
}

function conflictOf({ host, port, scheme }: H2RequestHead, tunnel: Destination): string | null {
  if (host === tunnel.host && port === tunnel.port && scheme === tunnel.scheme) return null;
  return formatAuthority(host, port);
}

/** One stream, as the pipeline sees it. */
export class H2Exchange implements Exchange, BodySource {
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
  #wait: BodyWait | null = null;
  readonly #expectContinue: boolean;
  /** Bytes that arrived and may not be followed by as many yet. */
  #unconsumed = 0;

  constructor(owner: H2Conn, stream: number, head: H2RequestHead, ended: boolean) {
    const { door, share } = owner;
    this.#owner = owner;
    this.id = stream;
    this.startedAt = door.runtime.monotonic();
    this.declaredLength = head.contentLength;
    this.egress = new H2Egress(head, owner);
    // Of several types any one may be what the server goes by, and not every server asks for POST.
    const streamed = saysGrpc(head.headers);
    this.responder = new H2Responder(owner, stream, head.method, ended);
    this.stream = streamed ? new H2ClientStream(owner, stream, this.responder) : null;
    this.#body = ended || streamed ? null : new BodyHolder(door, share);
    this.#expectContinue = head.expectContinue;
  }

  hold(maxBytes: number): Held | Promise<Held> {
    const body = this.#body;
    if (body === null) return { kind: "none" };
    const held = body.hold(maxBytes);
    if (!(held instanceof Promise)) return held;
    const { door, engine, share } = this.#owner;
    if (this.#expectContinue && body.length === 0) engine.inform(this.id, 100);
    this.#wait = new BodyWait(door, share, body, this);
    this.#wait.begin();
    return this.#timed(this.#wait, held);
  }

  async #timed(wait: BodyWait, waiting: Promise<Held>): Promise<Held> {
    const { held, ms } = await wait.until(waiting);
    this.waitedMs = ms;
    if (held.kind !== "body") this.#consume();
    return held;
  }

  release(): void {
    this.#body?.release();
    this.stream?.over();
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
      // Before it is asked for it stays within its window; when nobody waits any more it is dropped.
      if (this.#wait !== null && !body.awaited) this.#consume();
      else this.#wait?.moved();
    }
  }

  /** Nobody has answered yet. */
  get #wanted(): boolean {
    return !this.responder.started && !this.responder.abandoned;
  }

  end(trailers: HeaderList | null): void {
    const passed = trailers === null ? null : endToEnd(trailers, NONE, "request");
    this.#body?.end(passed);
    this.#consume();
    this.stream?.end(passed);
    this.responder.heardAll();
  }

  // ── the body ──

  /** The window opens for nothing that was not consumed. */
  holdBody(): void {}

  readBody(): void {
    this.#consume();
  }

  bodyLate(): void {
    this.refuse(408, "body_timeout", "request body took too long");
  }

  #consume(): void {
    const count = this.#unconsumed;
    if (count === 0) return;
    this.#unconsumed = 0;
    this.#owner.engine.consumed(this.id, count);
    this.#owner.soon();
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
    this.#wait?.leave();
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
}
