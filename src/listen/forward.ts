import type { Config } from "../config/config.ts";
import type { Conn, ConnHandler } from "../model/conn.ts";
import type { Deadlines } from "../model/deadlines.ts";
import type { Exchange, Responder, Taken } from "../model/exchange.ts";
import type { Listener, Runtime } from "../runtime/contract.ts";
import { H2_LIMITS } from "../wire/h2.ts";
import { LineMemo, type WireLimits } from "../wire/http1.ts";
import { boundBy } from "../words/bound.ts";
import { clientCheck } from "./clients.ts";
import type { Door, Notice, Served, TunnelInside } from "./door.ts";
import { H2Conn } from "./h2-conn.ts";
import { HeldBudget } from "./held.ts";
import { ServerConn } from "./server-conn.ts";

export interface ForwardDoorParts {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly deadlines: Deadlines;
  readonly wireLimits: WireLimits;
  handle(exchange: Exchange): void;
  local(method: string, path: string, responder: Responder, conn: Conn): void;
  notice(notice: Notice): void;
}

/** Connections beyond the limit that are served health only: a full gateway must not look dead. */
const HEALTH_RESERVE = 32;

/** Plays what gathered on a connection to its new owner. */
export interface Gathered {
  handOver(conn: Conn, owner: ConnHandler): void;
}

/** The proxy port: absolute-form requests, CONNECT, and requests to the gateway itself. */
export class ForwardDoor implements Door {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly deadlines: Deadlines;
  readonly wireLimits: WireLimits;
  readonly h2Limits = H2_LIMITS;
  readonly lines = new LineMemo();
  readonly budget: HeldBudget;
  readonly connections = new Set<Served>();
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
    this.budget = new HeldBudget(parts.config.maxHeld, parts.config.maxBody);
    this.mayUse = clientCheck(parts.config.clients, parts.runtime.localAddresses());
  }

  /** Binds; rejects with Fault listen_failed. `reusePort` only when several processes share the port on purpose. */
  async listen(reusePort: boolean): Promise<Listener> {
    const { host, port } = this.config;
    const binding = this.runtime.listen({ host, port, reusePort }, (conn) => this.#accept(conn));
    this.#listener = await boundBy("EVE_PROXY_HOST and EVE_PROXY_PORT", binding);
    return this.#listener;
  }

  #accept(conn: Conn): void {
    const crowded = this.open >= this.config.maxConnections;
    if (this.open >= this.config.maxConnections + HEALTH_RESERVE) {
      this.notice({ status: 0, code: "too_many_connections", peer: conn.remoteAddress });
      conn.handler = IGNORE;
      conn.reset();
      return;
    }
    this.open++;
    new ServerConn(conn, this, null, this.#closed, crowded);
  }

  /** HTTP inside a tunnel: the same care as at the door, for the tunnel's destination only. */
  serveInside({ conn, done }: Pick<Taken, "conn" | "done">, gathered: Gathered, inside: TunnelInside): void {
    const served =
      inside.protocol === "h2" ? new H2Conn(conn, this, inside, done) : new ServerConn(conn, this, inside, done);
    gathered.handOver(conn, served);
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
