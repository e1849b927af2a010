import type { Deadlines } from "../model/deadlines.ts";
import type { Scheme } from "../model/egress.ts";
import type { Permit } from "../model/permit.ts";
import type { H2Session } from "./h2-session.ts";
import { Unread } from "./unread.ts";
import type { UpstreamConn } from "./upstream-conn.ts";

/**
 * What must be equal for a connection to serve another permit: scheme, host, port, TLS identity (the host, as it is the
 * name verified) and the vetted set, so that a name which now resolves elsewhere never rides an old connection.
 */
export function poolKey({ destination, addresses }: Permit, scheme: Scheme = destination.scheme): string {
  const { host, port } = destination;
  const last = lastKey;
  // Most often the permit before this one led to the same place, and a key that was looked up is one whose hash is known.
  if (
    last.host === host &&
    last.port === port &&
    last.scheme === scheme &&
    (last.addresses === addresses || isSame(last.addresses, addresses))
  )
    return last.key;
  const key = `${scheme} ${host} ${port} ${addresses.join(",")}`;
  lastKey = { scheme, host, port, addresses, key };
  return key;
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((address, i) => address === others[i]);
}

let lastKey = { scheme: "", host: "", port: 0, addresses: [] as readonly string[], key: "" };

/** What is open at a place, for whoever only wants to know. */
export interface Standing {
  readonly address: string;
  /** HTTP/2: `session` has one. */
  readonly multiplexed: boolean;
  /** HTTP/1.1: `take` has one. */
  readonly plain: boolean;
  /** It was offered HTTP/2 and chose the other. */
  readonly plainOnly: boolean;
}

export interface PoolLimits {
  /** Connections that idle. */
  readonly limit: number;
  /** Milliseconds a connection may stand without an exchange. */
  readonly idleMs: number;
  /** Bytes of answers over HTTP/2 that may wait for their readers. */
  readonly maxUnread: number;
}

/** Keys kept although nothing idles under them. */
const MAX_EMPTY = 4096;

/**
 * Upstream connections that can take an exchange: of HTTP/1.1 the idle ones, newest first; of HTTP/2 all. Those that idle are
 * bounded in number and age, together: a client need not stay for what it has opened.
 */
export class Pool {
  readonly #sessions = new Map<string, H2Session[]>();
  readonly #opening = new Map<string, Promise<H2Session | null>>();
  readonly #idle = new Map<string, UpstreamConn[]>();
  /** Of HTTP/2, without an exchange and open, also those that take none any more; who has rested longest is first. */
  readonly #resting = new Set<H2Session>();
  /** Places that chose HTTP/1.1 although they were offered HTTP/2; as many as there are lists of idle connections. */
  readonly #plainOnly = new Set<string>();
  readonly #deadlines: Deadlines;
  readonly #limit: number;
  /** Milliseconds a connection may stand without an exchange. */
  readonly idleMs: number;
  /** Of all connections of HTTP/2. */
  readonly unread: Unread;
  #count = 0;

  constructor(deadlines: Deadlines, { limit, idleMs, maxUnread }: PoolLimits) {
    this.#deadlines = deadlines;
    this.#limit = limit;
    this.idleMs = idleMs;
    this.unread = new Unread(maxUnread);
  }

  /** Connections that idle. */
  get size(): number {
    let idle = this.#count;
    for (const list of this.#sessions.values()) for (const session of list) if (!session.busy) idle++;
    return idle;
  }

  take(key: string): UpstreamConn | null {
    const list = this.#idle.get(key);
    if (list === undefined) return null;
    const upstream = list.pop();
    if (upstream === undefined) return null;
    this.#count--;
    upstream.onIdleEnd = null;
    upstream.deadline = Number.POSITIVE_INFINITY;
    return upstream.alive ? upstream : this.take(key);
  }

  give(upstream: UpstreamConn): void {
    if (upstream.alive && upstream.reusable) this.#dismiss(this.#limit - 1, null);
    if (!upstream.alive || !upstream.reusable || this.#count >= this.#limit) {
      upstream.conn.destroy();
      return;
    }
    const list = this.#idle.get(upstream.key);
    if (list === undefined) this.#open(upstream);
    else list.push(upstream);
    this.#count++;
    upstream.deadline = this.#deadlines.now + this.idleMs;
    upstream.onIdleEnd = this.#forget;
  }

  /** Lists stay when they run empty, since a busy place fills its own again at once; so they are swept now and then. */
  #open(upstream: UpstreamConn): void {
    if (this.#idle.size >= MAX_EMPTY)
      for (const [key, list] of this.#idle) if (list.length === 0) this.#idle.delete(key);
    this.#idle.set(upstream.key, [upstream]);
  }

  /** Null: nothing is open there. */
  standing(key: string): Standing | null {
    const session = this.session(key);
    const idle = this.#idle.get(key)?.findLast(({ alive }) => alive);
    const address = session?.address ?? idle?.address;
    if (address === undefined) return null;
    return {
      address,
      multiplexed: session !== null,
      plain: idle !== undefined,
      plainOnly: this.#plainOnly.has(key),
    };
  }

  /** Who was offered HTTP/2 chose the other. */
  chosePlain(key: string): void {
    if (this.#plainOnly.size >= MAX_EMPTY) this.#plainOnly.clear();
    this.#plainOnly.add(key);
  }

  /** A connection on which an exchange could be opened now. */
  session(key: string): H2Session | null {
    return this.#sessions.get(key)?.find(({ open }) => open) ?? null;
  }

  /** One that has not said yet how many exchanges it takes. */
  untold(key: string): H2Session | null {
    return this.#sessions.get(key)?.find(({ untold }) => untold) ?? null;
  }

  join(session: H2Session, key: string): void {
    // Whoever has hung up since it was dialled leaves nothing behind, and tells no end any more.
    if (session.gone) return;
    const list = this.#sessions.get(key) ?? [];
    this.#sessions.set(key, list);
    list.push(session);
    session.onEnd = () => {
      const at = list.indexOf(session);
      if (at >= 0) list.splice(at, 1);
      if (list.length === 0 && this.#sessions.get(key) === list) this.#sessions.delete(key);
    };
    // Whoever dialled it has not had the time to take a place on it.
    this.#resting.add(session);
    this.#dismiss(this.#limit, session);
  }

  /** No exchange is under way on it, or about to be. */
  rested(session: H2Session): void {
    this.#resting.add(session);
    this.#dismiss(this.#limit, null);
  }

  /** It is wanted, or gone. */
  woke(session: H2Session): void {
    this.#resting.delete(session);
  }

  /** Ends who has rested longest, until no more than `most` idle, but for `spared`. */
  #dismiss(most: number, spared: H2Session | null): void {
    for (const session of this.#resting) {
      if (this.#count + this.#resting.size <= most) return;
      if (session === spared) continue;
      this.#resting.delete(session);
      session.dismiss();
    }
  }

  /** What many exchanges want at once is opened once. */
  share(key: string, open: () => Promise<H2Session | null>): Promise<H2Session | null> {
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = open().finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return opening;
  }

  /** Ends every idle connection. */
  clear(): void {
    for (const list of [...this.#sessions.values()]) for (const session of [...list]) session.leave();
    for (const list of [...this.#idle.values()]) for (const upstream of [...list]) upstream.conn.destroy();
  }

  readonly #forget = (upstream: UpstreamConn): void => {
    const list = this.#idle.get(upstream.key);
    const at = list?.indexOf(upstream) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    this.#count--;
  };
}
