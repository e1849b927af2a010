import type { Config } from "../config/config.ts";
import type { Conn, Original } from "../model/conn.ts";
import type { Deadlines } from "../model/deadlines.ts";
import type { Destination } from "../model/egress.ts";
import type { Exchange, Responder } from "../model/exchange.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { H2Limits } from "../wire/h2.ts";
import type { LineMemo, WireLimits } from "../wire/http1.ts";
import type { HeldBudget } from "./held.ts";
import type { Redirected } from "./redirected.ts";

/** Something a door answered (or dropped) itself: nothing was decided, so there is no certificate. */
export interface Notice {
  /** 0 when nobody was left to answer. */
  readonly status: number;
  /** Stable snake_case code. */
  readonly code: string;
  readonly peer: string;
}

/** A connection that serves the inside of a tunnel: what it names must be the tunnel's own destination. */
export interface TunnelInside {
  readonly destination: Destination;
  /** `certificate_id` of the tunnel. */
  readonly parent: string;
  readonly protocol: Exchange["protocol"];
}

/** How a connection came to be served, other than by being made to the gateway. `done` is called once, when the socket is gone. */
export interface Arrival {
  /** It is the inside of a tunnel. */
  readonly inside?: TunnelInside;
  /** The kernel redirected it here. */
  readonly redirected?: Redirected;
  /** Over the limit of connections: it is served health only. */
  readonly crowded?: boolean;
  readonly done: () => void;
}

/** A connection that is not yet, or not any more, somebody else's. */
export interface Served {
  readonly conn: Conn;
  /** A request is under way. */
  readonly busy: boolean;
  /** The door closes: an idle connection ends now, a busy one after what it is busy with. */
  drainDown(): void;
}

/** What every connection of one listener shares. */
export interface Door {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly deadlines: Deadlines;
  readonly budget: HeldBudget;
  readonly wireLimits: WireLimits;
  readonly h2Limits: H2Limits;
  readonly lines: LineMemo;
  /** Connections that still speak HTTP with us. */
  readonly connections: Set<Served>;
  draining: boolean;
  /** Decides one request (CONNECT included) and sees it to its end; never throws. */
  handle(exchange: Exchange): void;
  /** Answers a request made to the gateway itself. */
  local(method: string, path: string, responder: Responder, conn: Conn): void;
  mayUse(address: string): boolean;
  /** Policy lets a redirected connection to this address carry anything. */
  opaque(address: string, port: number): boolean;
  /** It is one the gateway has dialled itself. */
  loops(conn: Conn, original: Original): boolean;
  /** Destinations of redirected requests by what they said. */
  readonly redirections: WeakMap<Destination, Destination>;
  notice(notice: Notice): void;
}
