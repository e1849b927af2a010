import { unforeseen } from "../errors.ts";
import type { Conn, ConnHandler, Original } from "../model/conn.ts";
import type { Deadlined } from "../model/deadlines.ts";
import type { Exchange, Objection, Taken } from "../model/exchange.ts";
import { normalizeHost } from "../wire/authority.ts";
import { ACCESS_DENIED_ALERT, INTERNAL_ERROR_ALERT } from "../wire/client-hello.ts";
import { concat } from "../wire/concat.ts";
import { FirstBytes, type Spoken } from "../wire/first-bytes.ts";
import { serverFor } from "./_serve.ts";
import type { Door, Served } from "./door.ts";
import { Redirected } from "./redirected.ts";
import { type Judged, TransparentExchange } from "./transparent-exchange.ts";

/** How long a refused client may take to read the alert before the reset. */
const LINGER_MS = 300;

type State = "first" | "deciding" | "refused" | "taken" | "closed";

/**
 * A connection the kernel redirected here. Its first bytes say what it is: HTTP is served as at the door, each request
 * going where its Host says; TLS is an egress of its own, going where its server name says; anything else goes by its
 * address and needs a policy that calls the place opaque.
 */
export class TransparentConn implements ConnHandler, Deadlined, Served {
  deadline: number;
  readonly conn: Conn;
  readonly #door: Door;
  readonly #original: Original;
  readonly #done: () => void;
  readonly #first = new FirstBytes();
  /** Came while it was decided; reading stops at once, so this is one socket buffer at most. */
  readonly #later: Uint8Array[] = [];
  #state: State = "first";
  #ended = false;
  #tls = false;
  #exchange: TransparentExchange | null = null;

  /** `done` is called once, when the socket is gone and was not handed over. */
  constructor(conn: Conn, door: Door, original: Original, done: () => void) {
    this.conn = conn;
    this.#door = door;
    this.#original = original;
    this.#done = done;
    this.deadline = door.deadlines.now + door.config.headerTimeoutMs;
    conn.handler = this;
    door.deadlines.add(this);
    door.connections.add(this);
    // Where servers speak first nothing would come from the client to tell by.
    if (door.opaque(original.address, original.port)) this.#decide({ name: null, objection: null });
  }

  get busy(): boolean {
    return this.#state === "deciding";
  }

  data(bytes: Uint8Array): void {
    if (this.#state === "first") {
      const spoken = this.#first.push(bytes);
      if (spoken !== null) this.#told(spoken);
    } else if (this.#state === "deciding") this.#later.push(bytes);
  }

  end(): void {
    this.#ended = true;
    if (this.#state === "first") this.#vanish();
  }

  drain(): void {}

  close(): void {
    if (this.#state === "taken" || this.#state === "closed") return;
    this.#leave("closed");
    this.#exchange?.responder.gone();
    this.#done();
  }

  expired(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#state === "first") {
      const detail = this.#first.length === 0 ? "nothing was said" : "no protocol recognised in time";
      this.#decide({
        name: null,
        objection: { vector: "tunnel_silent", reason: `${detail} on a redirected connection` },
      });
    } else this.conn.reset();
  }

  drainDown(): void {
    if (this.#state === "first") this.conn.destroy();
  }

  #told(spoken: Spoken): void {
    switch (spoken.kind) {
      case "http":
        this.#serve("http/1.1");
        break;
      case "h2c":
        this.#serve("h2");
        break;
      case "tls": {
        this.#tls = true;
        const { sni } = spoken.hello;
        this.#decide({ name: sni === null ? null : normalizeHost(sni), objection: null });
        break;
      }
      case "other": {
        const reason = `${spoken.detail} on a redirected connection`;
        this.#decide({ name: null, objection: { vector: "tunnel_protocol", reason } });
        break;
      }
      default:
        unforeseen(spoken);
    }
  }

  #serve(protocol: Exchange["protocol"]): void {
    const { conn } = this;
    const door = this.#door;
    if (door.loops(conn, this.#original)) {
      this.#decide({ name: null, objection: null });
      return;
    }
    const { bytes } = this.#first;
    this.#leave("taken");
    const options = { redirected: new Redirected(this.#original, door.redirections), done: this.#done };
    serverFor(protocol, conn, door, options).data(bytes);
  }

  #decide(judged: Judged): void {
    const door = this.#door;
    const loops = door.loops(this.conn, this.#original);
    this.#state = "deciding";
    this.deadline = Number.POSITIVE_INFINITY;
    this.conn.pause();
    const found = loops ? { ...judged, objection: LOOP } : judged;
    this.#exchange = new TransparentExchange(this, door.runtime.monotonic(), this.#original, found);
    door.handle(this.#exchange);
  }

  /** Called by the responder. */
  taken(): Taken {
    const { conn } = this;
    this.#leave("taken");
    conn.resume();
    const { length, bytes } = this.#first;
    const pieces = length === 0 ? this.#later : [bytes, ...this.#later];
    const leftover = pieces.length === 0 ? null : pieces.length === 1 ? (pieces[0] as Uint8Array) : concat(pieces);
    return { conn, leftover, ended: this.#ended, done: this.#done };
  }

  /** Called by the responder: an alert for who speaks TLS, a reset for everybody else. */
  refused(allowed: boolean): void {
    if (this.#state !== "deciding") return;
    if (!this.#tls) {
      this.conn.reset();
      return;
    }
    this.#state = "refused";
    // To a client whose upstream is down a veto would be a wrong answer: it would look for the rule that made it.
    this.conn.write(allowed ? INTERNAL_ERROR_ALERT : ACCESS_DENIED_ALERT);
    this.conn.end();
    // Unread input would turn the close into a reset, and the alert would be lost.
    this.conn.resume();
    this.deadline = this.#door.deadlines.now + LINGER_MS;
  }

  /** It has carried nothing, and nobody is left to tell. */
  #vanish(): void {
    this.#door.notice({ status: 0, code: "client_gone", peer: this.conn.remoteAddress });
    this.conn.destroy();
  }

  #leave(state: "taken" | "closed"): void {
    this.#state = state;
    this.#door.deadlines.remove(this);
    this.#door.connections.delete(this);
  }
}

const LOOP: Objection = {
  vector: "loop",
  reason: "the gateway's own connection was redirected to it: its user, group or mark is not exempt",
};
