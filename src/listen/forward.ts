import type { Config } from "../config/config.ts";
import type { Conn, ConnHandler, Original } from "../model/conn.ts";
import type { Deadlines } from "../model/deadlines.ts";
import type { Destination, Egress } from "../model/egress.ts";
import type { Exchange, Responder, Taken } from "../model/exchange.ts";
import type { MessageRoom } from "../model/room.ts";
import type { Listener, Runtime } from "../runtime/contract.ts";
import { H2_LIMITS } from "../wire/h2.ts";
import { LineMemo, type WireLimits } from "../wire/http1.ts";
import { boundBy } from "../words/bound.ts";
import { serverFor } from "./_serve.ts";
import { clientCheck } from "./clients.ts";
import type { Door, Notice, Served, TunnelInside } from "./door.ts";
import { HeldBudget } from "./held.ts";
import { Room } from "./room.ts";
import { ServerConn } from "./server-conn.ts";
import { TransparentConn } from "./transparent.ts";

export interface ForwardDoorParts {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly deadlines: Deadlines;
  readonly wireLimits: WireLimits;
  handle(exchange: Exchange): void;
  local(method: string, path: string, responder: Responder, conn: Conn): void;
  notice(notice: Notice): void;
  opaque(address: string, port: number): boolean;
  loops(conn: Conn, original: Original): boolean;
}

/** Connections beyond the limit that are served health only: a full gateway must not look dead. */
const HEALTH_RESERVE = 32;

/** Plays what gathered on a connection to its new owner. */
export interface Gathered {
  handOver(conn: Conn, owner: ConnHandler): void;
}

/** The proxy port: absolute-form requests, CONNECT, requests to the gateway itself, and whatever the kernel redirects here. */
export class ForwardDoor implements Door {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly deadlines: Deadlines;
  readonly wireLimits: WireLimits;
  readonly h2Limits = H2_LIMITS;
  readonly lines = new LineMemo();
  readonly budget: HeldBudget;
  readonly connections = new Set<Served>();
  readonly redirections = new WeakMap<Destination, Destination>();
  readonly opaque: (address: string, port: number) => boolean;
  readonly loops: (conn: Conn, original: Original) => boolean;
  readonly mayUse: (address: string) => boolean;
  readonly handle: (exchange: Exchange) => void;
  readonly local: (method: string, path: string, responder: Responder, conn: Conn) => void;
  readonly notice: (notice: Notice) => void;
  draining = false;
  /** Client sockets of every kind, tunnels included. */
  open = 0;
  #listener: Listener | null = null;
  readonly #closed = () => {
    this.open--;
  };

  constructor(parts: ForwardDoorParts) {
    this.runtime = parts.runtime;
    this.config = parts.config;
    this.deadlines = parts.deadlines;
    this.wireLimits = parts.wireLimits;
    this.handle = parts.handle;
    this.local = parts.local;
    this.notice = parts.notice;
    this.opaque = parts.opaque;
    this.loops = parts.loops;
    this.budget = new HeldBudget(parts.config.maxHeld, parts.config.maxBody);
    this.mayUse = clientCheck(parts.config.clients, parts.runtime.localAddresses());
  }

  /**
   * Binds, or listens on the descriptor that was handed over; rejects with Fault listen_failed. `reusePort` only when several
   * processes share the port on purpose.
   */
  async listen(reusePort: boolean, fd: number | null = null): Promise<Listener> {
    const { host, port, transparent: redirected } = this.config;
    const options = { host, port, reusePort, redirected, ...(fd !== null && { fd }) };
    const binding = this.runtime.listen(options, (conn, from) => this.#accept(conn, from));
    this.#listener = await boundBy(fd === null ? "EVE_PROXY_HOST and EVE_PROXY_PORT" : "LISTEN_FDS", binding);
    return this.#listener;
  }

  #accept(conn: Conn, original: Original | null): void {
    const crowded = this.open >= this.config.maxConnections;
    if (this.open >= this.config.maxConnections + HEALTH_RESERVE || (crowded && original !== null))
      this.#turnAway(conn, "too_many_connections");
    else if (original === null) {
      this.open++;
      new ServerConn(conn, this, { crowded, done: this.#closed });
    } else if (this.mayUse(conn.remoteAddress)) {
      this.open++;
      new TransparentConn(conn, this, original, this.#closed);
    } else this.#turnAway(conn, "client_not_allowed");
  }

  /** Nothing was asked yet, so nothing is answered. */
  #turnAway(conn: Conn, code: string): void {
    this.notice({ status: 0, code, peer: conn.remoteAddress });
    conn.handler = IGNORE;
    conn.reset();
  }

  /** HTTP inside a tunnel: the same care as at the door, for the tunnel's destination only. */
  serveInside({ conn, done }: Pick<Taken, "conn" | "done">, gathered: Gathered, inside: TunnelInside): void {
    gathered.handOver(conn, serverFor(inside.protocol, conn, this, { inside, done }));
  }

  /** For what a stream of messages holds in one direction. */
  room({ principal }: Egress): MessageRoom {
    return new Room(this, principal.address);
  }

  /** Stops accepting and lets idle connections go; busy ones end with their answer. */
  async drain(): Promise<void> {
    this.draining = true;
    for (const connection of [...this.connections]) connection.drainDown();
    await this.#listener?.close();
  }

  /** Ends what is still open. */
  sever(): void {
    for (const connection of [...this.connections]) connection.conn.reset();
  }
}

const IGNORE: ConnHandler = { data() {}, end() {}, drain() {}, close() {} };
