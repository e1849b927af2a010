/**
 * The newest entries of a bounded number, each for its time. A Map remembers the order of insertion, which is all that
 * least-recently-used needs; a library would bring sizes, events and fetching that nobody here asks for.
 */
export class Recent<V> {
  readonly #clock: () => number;
  readonly #entries = new Map<string, { readonly value: V; readonly until: number }>();

  /** `clock`: monotonic ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What was set, while its time lasts; it is then the last one to be dropped. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (this.#clock() >= entry.until) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** `most`: how many there may be with it. */
  set(key: string, value: V, { forMs, most }: { readonly forMs: number; readonly most: number }): void {
    this.#entries.delete(key);
    if (forMs > 0) this.#entries.set(key, { value, until: this.#clock() + forMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= most) return;
      this.#entries.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
