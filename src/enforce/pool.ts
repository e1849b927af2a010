import type { Deadlines } from "../model/deadlines.ts";
import type { Scheme } from "../model/egress.ts";
import type { Permit } from "../model/permit.ts";
import type { UpstreamConn } from "./upstream-conn.ts";

/**
 * What must be equal for a connection to serve another permit: scheme, host, port, TLS identity (the host, as it is the
 * name verified) and the vetted set, so that a name which now resolves elsewhere never rides an old connection.
 */
export function poolKey(permit: Permit, scheme: Scheme = permit.destination.scheme): string {
  const { host, port } = permit.destination;
  const { addresses } = permit;
  return `${scheme} ${host} ${port} ${addresses.length === 1 ? addresses[0] : addresses.join(",")}`;
}

/** Keys kept although nothing idles under them. */
const MAX_EMPTY = 4096;

/** Idle upstream connections, newest first, bounded in number and age. */
export class Pool {
  readonly #idle = new Map<string, UpstreamConn[]>();
  readonly #deadlines: Deadlines;
  readonly #limit: number;
  readonly #idleMs: number;
  #count = 0;

  constructor(deadlines: Deadlines, limit: number, idleMs: number) {
    this.#deadlines = deadlines;
    this.#limit = limit;
    this.#idleMs = idleMs;
  }

  get size(): number {
    return this.#count;
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
    if (!upstream.alive || !upstream.reusable || this.#count >= this.#limit) {
      upstream.conn.destroy();
      return;
    }
    const list = this.#idle.get(upstream.key);
    if (list === undefined) this.#open(upstream);
    else list.push(upstream);
    this.#count++;
    upstream.deadline = this.#deadlines.now + this.#idleMs;
    upstream.onIdleEnd = this.#forget;
  }

  /** Lists stay when they run empty, since a busy place fills its own again at once; so they are swept now and then. */
  #open(upstream: UpstreamConn): void {
    if (this.#idle.size >= MAX_EMPTY)
      for (const [key, list] of this.#idle) if (list.length === 0) this.#idle.delete(key);
    this.#idle.set(upstream.key, [upstream]);
  }

  /** Ends every idle connection. */
  clear(): void {
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
