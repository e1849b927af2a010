/**
 * The newest entries of a bounded number, each for its time. A Map remembers the order of insertion, which is all that
 * least-recently-used needs; a library would bring sizes, events and fetching that nobody here asks for.
 */
export class Recent<V> {
  readonly #max: number;
  readonly #clock: () => number;
  readonly #entries = new Map<string, { readonly value: V; readonly until: number }>();

  /** `clock`: monotonic ms. */
  constructor(max: number, clock: () => number) {
    this.#max = max;
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

  set(key: string, value: V, forMs: number): void {
    this.#entries.delete(key);
    if (this.#max === 0 || forMs <= 0) return;
    if (this.#entries.size >= this.#max) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, { value, until: this.#clock() + forMs });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
