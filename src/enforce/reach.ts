/** How an exchange gets what carries it: something that is open already, or a dial. */
import { Fault } from "../errors.ts";
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

/** Where an exchange goes, and what it may speak there. */
export class Reach {
  readonly #env: ReachEnv;
  readonly #permit: Permit;
  readonly #key: string;
  /** The client multiplexes, so its upstream may. */
  readonly #multiplexed: boolean;

  constructor(env: ReachEnv, permit: Permit, protocol: Exchange["protocol"]) {
    this.#env = env;
    this.#permit = permit;
    this.#key = poolKey(permit);
    // A proxy in the way reads plain requests, and is spoken to in HTTP/1.1.
    this.#multiplexed = protocol === "h2" && (permit.destination.scheme === "https" || env.route.proxied === null);
  }

  /** HTTP/2 without TLS: the client knew that it is spoken. */
  get #clear(): boolean {
    return this.#multiplexed && this.#permit.destination.scheme === "http";
  }

  /** What is open already. */
  ready(): Upstream | null {
    const { pool } = this.#env;
    const session = this.#multiplexed ? pool.session(this.#key) : null;
    if (session !== null) return new H2Upstream(session);
    return this.#clear ? null : pool.take(this.#key);
  }

  /** Rejects with the Fault of a dial; with anything else for a defect. */
  open(cancel: Cancel): Promise<Upstream> {
    return this.#multiplexed ? this.#shared(cancel) : this.#dial(cancel, HTTP1);
  }

  async #dial(cancel: Cancel, alpn: Alpn): Promise<Upstream> {
    const dialled = await this.#env.route.dial(this.#permit, cancel, alpn);
    const session = takeUp(this.#env, dialled, this.#key, this.#clear);
    return session instanceof H2Session ? new H2Upstream(session) : session;
  }

  /** One dial at a time for all who want a place on a connection, so nobody who leaves gives it up. */
  async #shared(cancel: Cancel): Promise<Upstream> {
    const { pool, route } = this.#env;
    for (;;) {
      const session = pool.session(this.#key);
      if (session !== null) return new H2Upstream(session);
      const untold = pool.untold(this.#key);
      if (untold !== null) {
        await unless(cancel, untold.told);
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
      const made = await unless(cancel, sharing);
      // It speaks HTTP/1.1, and then it is the first one's.
      if (made === null) return mine[0] ?? this.#dial(cancel, HTTP2);
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
