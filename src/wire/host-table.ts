/** Values by host: the longest suffix on a label boundary that is in the table wins. */

export interface Found<T> {
  /** The suffix that matched, or the literal. */
  readonly host: string;
  readonly value: T;
}

/**
 * Hosts, given and asked for, are canonical, as `normalizeHost` has them. A literal matches itself alone, because no suffix of
 * one is a canonical host.
 */
export class HostTable<T> {
  readonly #entries: ReadonlyMap<string, Found<T>>;

  constructor(entries: Iterable<readonly [host: string, value: T]>) {
    this.#entries = new Map([...entries].map(([host, value]) => [host, { host, value }]));
  }

  get size(): number {
    return this.#entries.size;
  }

  find(host: string): Found<T> | null {
    const entries = this.#entries;
    if (entries.size === 0) return null;
    for (let at = 0; ; ) {
      const found = entries.get(at === 0 ? host : host.slice(at));
      if (found !== undefined) return found;
      const dot = host.indexOf(".", at);
      if (dot === -1) return null;
      at = dot + 1;
    }
  }
}
