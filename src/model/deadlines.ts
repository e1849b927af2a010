/** Something that must happen before a moment, or be ended. */
export interface Deadlined {
  /** Monotonic ms; Infinity while nothing is awaited. */
  deadline: number;
  /** Called once per passing of `deadline`; must move the deadline or leave the set. */
  expired(): void;
}

/**
 * One coarse timer for every timeout of every connection. A timer per request would cost more than the request's parse;
 * here arming is a field write, and the price is that a deadline is met up to two periods late, never early.
 */
export class Deadlines {
  /** Monotonic ms at the last sweep: good enough to arm from. */
  now: number;
  readonly #clock: () => number;
  readonly #members = new Set<Deadlined>();
  #periodMs = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.now = clock();
  }

  start(periodMs: number): void {
    this.#periodMs = periodMs;
    this.#timer ??= setInterval(() => this.sweep(), periodMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  add(member: Deadlined): void {
    this.#members.add(member);
  }

  remove(member: Deadlined): void {
    this.#members.delete(member);
  }

  get size(): number {
    return this.#members.size;
  }

  /** Ends whatever is overdue. Members may join and leave while it runs. */
  sweep(): void {
    this.now = this.#clock();
    // Whoever armed between two sweeps counted from the one before: a period of grace keeps that from being early.
    const due = this.now - this.#periodMs;
    for (const member of this.#members) if (member.deadline <= due) member.expired();
  }
}
