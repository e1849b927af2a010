/** How an exchange gets what carries it: something that is open already, or a dial; and when it gets another. */
import { Fault, type FaultCode } from "../errors.ts";
import type { Exchange } from "../model/exchange.ts";
import type { Permit } from "../model/permit.ts";
import { type Alpn, type Cancel, type Dialled, HTTP1, HTTP2 } from "./dial.ts";
import { H2Session } from "./h2-session.ts";
import { H2Upstream } from "./h2-upstream.ts";
import { poolKey } from "./pool.ts";
import type { Route } from "./route.ts";
import type { Upstream } from "./upstream.ts";
import { UpstreamConn, type UpstreamEnv } from "./upstream-conn.ts";

export interface ReachEnv extends UpstreamEnv {
  readonly route: Route;
}

/** An exchange on its way to an upstream. */
export interface Outbound {
  /** It is wanted no more, and is told nothing. */
  readonly over: boolean;
  /** Sends its request there. False: nothing could be written any more, and nothing will be told of it. */
  send(upstream: Upstream): boolean;
  /** There is no way there, and no more is tried. */
  unreachable(code: FaultCode, detail: string): void;
  /** A defect of ours on the way. */
  crashed(thrown: unknown): void;
}

/** How an exchange failed on what carried it. */
export interface Failure {
  readonly code: FaultCode;
  /** The upstream says that it did nothing about it. */
  readonly untouched: boolean;
  /** A byte of an answer has come. */
  readonly answered: boolean;
}

const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** Where an exchange goes, what it may speak there, and how often it may try. */
export class Reach implements Cancel {
  /** Set by a dial under way. */
  run: (() => void) | null = null;
  readonly #env: ReachEnv;
  readonly #permit: Permit;
  readonly #outbound: Outbound;
  readonly #key: string;
  /** The client multiplexes, so its upstream may. */
  readonly #multiplexed: boolean;
  /** What carries it may have been ended by the upstream while it waited, also where it never carried anything. */
  #reused = false;
  /** It has been tried anew already because nothing was done about it, which is so whatever its method. */
  #wasted = false;

  constructor(env: ReachEnv, permit: Permit, protocol: Exchange["protocol"], outbound: Outbound) {
    this.#env = env;
    this.#permit = permit;
    this.#outbound = outbound;
    this.#key = poolKey(permit);
    // A proxy in the way reads plain requests, and is spoken to in HTTP/1.1.
    this.#multiplexed = protocol === "h2" && (permit.destination.scheme === "https" || env.route.proxied === null);
  }

  /** On what is open already, or a dial. */
  go(): void {
    const ready = this.#ready();
    this.#reused = ready !== null;
    if (ready !== null) this.#send(ready);
    else this.#open();
  }

  /** What failed may go once more, whole, and does. False: it may not, and the failure is the exchange's. */
  again(method: string, { code, untouched, answered }: Failure): boolean {
    // What the upstream says it did not look at may go again, whatever its method; once, as what found a closed connection.
    const may = untouched ? !this.#wasted : this.#reused && IDEMPOTENT.has(method);
    if (!may || answered || code === "upstream_timeout") return false;
    this.#wasted ||= untouched;
    this.#open();
    return true;
  }

  /** Gives up a dial under way. */
  giveUp(): void {
    this.run?.();
  }

  #open(): void {
    const outbound = this.#outbound;
    this.#reused = false;
    const dialling = (this.#multiplexed ? this.#shared() : this.#dial(HTTP1)).then(
      (upstream) => {
        if (outbound.over) upstream.release(true);
        else this.#send(upstream);
      },
      (fault) => {
        if (!(fault instanceof Fault)) throw fault;
        outbound.unreachable(fault.code, fault.message);
      },
    );
    dialling.catch((thrown) => outbound.crashed(thrown));
  }

  #send(upstream: Upstream): void {
    if (this.#outbound.send(upstream)) return;
    // Not a byte was written, so any method may go on a fresh connection; once, or a server that hangs up at once is
    // dialled for ever.
    const first = !this.#wasted;
    this.#wasted = true;
    if (first) this.#open();
    else this.#outbound.unreachable("upstream_closed", "connection closed before the request");
  }

  /** HTTP/2 without TLS: the client knew that it is spoken. */
  get #clear(): boolean {
    return this.#multiplexed && this.#permit.destination.scheme === "http";
  }

  #ready(): Upstream | null {
    const { pool } = this.#env;
    const session = this.#multiplexed ? pool.session(this.#key) : null;
    if (session !== null) return new H2Upstream(session);
    return this.#clear ? null : pool.take(this.#key);
  }

  /** Rejects with the Fault of a dial; with anything else for a defect. */
  async #dial(alpn: Alpn): Promise<Upstream> {
    const dialled = await this.#env.route.dial(this.#permit, this, alpn);
    const session = takeUp(this.#env, dialled, this.#key, this.#clear);
    return session instanceof H2Session ? new H2Upstream(session) : session;
  }

  /** One dial at a time for all who want a place on a connection, so nobody who leaves gives it up. */
  async #shared(): Promise<Upstream> {
    const { pool, route } = this.#env;
    for (;;) {
      const session = pool.session(this.#key);
      if (session !== null) return new H2Upstream(session);
      const untold = pool.untold(this.#key);
      if (untold !== null) {
        await unless(this, untold.told);
        continue;
      }
      const mine: Upstream[] = [];
      const sharing = pool.share(this.#key, async () => {
        const dialled = await route.dial(this.#permit, { run: null }, HTTP2);
        const upstream = takeUp(this.#env, dialled, this.#key, this.#clear);
        if (upstream instanceof H2Session) return upstream;
        mine.push(upstream);
        return null;
      });
      const made = await unless(this, sharing);
      // It speaks HTTP/1.1, and then it is the first one's.
      if (made === null) return mine[0] ?? this.#dial(HTTP2);
      // Others may have been quicker; one that takes nobody would be dialled for ever.
      if (!made.open && !made.busy && !made.untold)
        throw new Fault("upstream_closed", "the upstream takes no requests on its connection");
    }
  }
}

/** What many wait for goes on when one of them gives up. */
function unless<T>(cancel: Cancel, wanted: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      cancel.run = null;
    };
    cancel.run = () => {
      done();
      reject(new Fault("dial_failed", "given up"));
    };
    wanted.then(resolve, reject).finally(done);
  });
}

/** A fresh connection is kept for the first exchange that wants it. */
export function keep(env: UpstreamEnv, dialled: Dialled, key: string, multiplexed: boolean): void {
  const upstream = takeUp(env, dialled, key, multiplexed);
  if (upstream instanceof UpstreamConn) env.pool.give(upstream);
}

/**
 * A fresh connection, as what it speaks; one of HTTP/2 is everybody's. `multiplexed`: without TLS HTTP/2 is spoken, as
 * nothing is chosen there. What it throws has closed the connection.
 */
export function takeUp(
  env: UpstreamEnv,
  dialled: Dialled,
  key: string,
  multiplexed: boolean,
): H2Session | UpstreamConn {
  try {
    if (dialled.conn.alpn !== "h2" && !multiplexed) return new UpstreamConn(dialled, key, env);
    const session = new H2Session(dialled, env);
    env.pool.join(session, key);
    return session;
  } catch (thrown) {
    dialled.conn.destroy();
    throw thrown;
  }
}
