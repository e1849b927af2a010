import type { Config } from "../config/config.ts";
import type { Conn } from "../model/conn.ts";
import type { Deadlines } from "../model/deadlines.ts";
import type { Destination } from "../model/egress.ts";
import type { Exchange, Responder } from "../model/exchange.ts";
import type { Runtime } from "../runtime/contract.ts";
import type { H2Limits } from "../wire/h2.ts";
import type { LineMemo, WireLimits } from "../wire/http1.ts";
import type { HeldBudget } from "./held.ts";

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

/** A connection that speaks HTTP with us. */
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
  notice(notice: Notice): void;
}
