/**
 * Counters, gauges and histograms in one process, as cheap as a field write: a caller resolves its labels once and
 * keeps the handle. What is scraped is a list of snapshots, one a worker.
 */

export type MetricKind = "counter" | "gauge" | "histogram";

/** How values of several processes become one. */
export type Merge = "sum" | "max" | "min";

export class Counter {
  value = 0;
  inc(): void {
    this.value += 1;
  }
  add(amount: number): void {
    this.value += amount;
  }
}

export class Gauge {
  value = 0;
  set(value: number): void {
    this.value = value;
  }
  add(amount: number): void {
    this.value += amount;
  }
}

export class Histogram {
  /** One for each bound, then one for what lies above all of them; not cumulative. */
  readonly counts: Float64Array;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let i = 0;
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    this.counts[i] = (this.counts[i] as number) + 1;
    this.sum += value;
  }
}

export interface SeriesSnapshot {
  readonly labels: readonly string[];
  /** Value of a counter or gauge, sum of a histogram. */
  readonly value: number;
  readonly counts: readonly number[] | null;
}

export interface FamilySnapshot {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly merge: Merge;
  readonly labels: readonly string[];
  readonly bounds: readonly number[] | null;
  readonly series: readonly SeriesSnapshot[];
}

/** Plain JSON, for the way from a worker to its parent. */
export type MetricsSnapshot = readonly FamilySnapshot[];

export interface FamilyOptions {
  readonly labels?: readonly string[];
  /** Series kept apart; label values beyond them are counted together under "other". Default 64. */
  readonly maxSeries?: number;
}

const MAX_SERIES = 64;
const MAX_LABEL_CHARS = 64;
const OTHER = "other";

/** All series of one metric. */
export class Family<T extends Counter | Gauge | Histogram> {
  readonly #make: () => T;
  readonly #labels: readonly string[];
  readonly #max: number;
  readonly #series = new Map<string, { readonly labels: readonly string[]; readonly handle: T }>();

  constructor(make: () => T, options: FamilyOptions) {
    this.#make = make;
    this.#labels = options.labels ?? [];
    this.#max = options.maxSeries ?? MAX_SERIES;
  }

  /** The handle of one series. Bounded whatever the values are; resolve it once where the values are known early. */
  with(...values: readonly string[]): T {
    if (values.length !== this.#labels.length) throw new TypeError(`expected ${this.#labels.length} label values`);
    const key = values.length === 1 ? (values[0] as string) : values.join("\u0000");
    const found = this.#series.get(key);
    if (found !== undefined) return found.handle;
    const other = values.map(() => OTHER);
    const full = this.#series.size >= this.#max || values.some((value) => value.length > MAX_LABEL_CHARS);
    const otherKey = other.join("\u0000");
    if (full && key !== otherKey) return this.#series.get(otherKey)?.handle ?? this.#add(otherKey, other);
    return this.#add(key, values);
  }

  #add(key: string, labels: readonly string[]): T {
    const handle = this.#make();
    this.#series.set(key, { labels, handle });
    return handle;
  }

  snapshot(): SeriesSnapshot[] {
    return [...this.#series.values()].map(({ labels, handle }) =>
      handle instanceof Histogram
        ? { labels, value: handle.sum, counts: [...handle.counts] }
        : { labels, value: handle.value, counts: null },
    );
  }
}

type AnyFamily = Family<Counter> | Family<Gauge> | Family<Histogram>;
type Description = Omit<FamilySnapshot, "series">;

export class Metrics {
  readonly #families = new Map<string, { readonly about: Description; readonly family: AnyFamily }>();
  readonly #collectors: (() => void)[] = [];

  counter(name: string, help: string, options: FamilyOptions = {}): Family<Counter> {
    const about = { name, help, kind: "counter", merge: "sum", bounds: null, labels: options.labels ?? [] } as const;
    return this.#register(about, new Family(() => new Counter(), options));
  }

  gauge(name: string, help: string, merge: Merge, options: FamilyOptions = {}): Family<Gauge> {
    const about = { name, help, kind: "gauge", merge, bounds: null, labels: options.labels ?? [] } as const;
    return this.#register(about, new Family(() => new Gauge(), options));
  }

  /** `bounds` ascend; the bucket above the last is implied. */
  histogram(name: string, help: string, bounds: readonly number[], options: FamilyOptions = {}): Family<Histogram> {
    const about = { name, help, kind: "histogram", merge: "sum", bounds, labels: options.labels ?? [] } as const;
    return this.#register(about, new Family(() => new Histogram(bounds), options));
  }

  /** `run` sets gauges just before they are read. */
  collect(run: () => void): void {
    this.#collectors.push(run);
  }

  snapshot(): MetricsSnapshot {
    for (const run of this.#collectors) run();
    return [...this.#families.values()].map(({ about, family }) => ({ ...about, series: family.snapshot() }));
  }

  #register<F extends AnyFamily>(about: Description, family: F): F {
    if (this.#families.has(about.name)) throw new TypeError(`metric "${about.name}" is registered twice`);
    this.#families.set(about.name, { about, family });
    return family;
  }
}
