/** The most that is given back at once: no longer than what is awaited soonest may take. */
const GIVEN_BACK_MS = 2_000;

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
  #heldUntil: number | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.now = clock();
  }

  start(periodMs: number): void {
    this.#periodMs = periodMs;
    this.#timer ??= setInterval(() => this.#tick(), periodMs);
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

  /**
   * While this process stands still (stopped, or kept from the processor) nobody is read, and that is no silence of theirs:
   * behind it the time is given back, up to a bound, before anything is ended. What was said meanwhile is read by then, and
   * who armed from a `now` that was old has their time. Never twice without a sweep between: a slow loop ends things late.
   */
  #tick(): void {
    const now = this.#clock();
    const stood = now - this.now - 2 * this.#periodMs;
    this.now = now;
    if (this.#heldUntil === null && stood > 0) this.#heldUntil = now + Math.min(stood, GIVEN_BACK_MS);
    if (this.#heldUntil !== null && now < this.#heldUntil) return;
    this.#heldUntil = null;
    this.sweep();
  }

  /** Ends whatever is overdue. Members may join and leave while it runs. */
  sweep(): void {
    this.now = this.#clock();
    // Whoever armed between two sweeps counted from the one before: a period of grace keeps that from being early.
    const due = this.now - this.#periodMs;
    for (const member of this.#members) if (member.deadline <= due) member.expired();
  }
}
