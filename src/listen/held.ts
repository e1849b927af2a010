/** Waiting for room among the held bytes. */
export interface HeldWaiter {
  roomAgain(): void;
}

/** Bounds the request bodies held in memory over all connections together (EVE_PROXY_MAX_HELD). */
export class HeldBudget {
  used = 0;
  readonly limit: number;
  #waiting = new Set<HeldWaiter>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get full(): boolean {
    return this.used > this.limit;
  }

  take(bytes: number): void {
    this.used += bytes;
  }

  give(bytes: number): void {
    if (bytes === 0) return;
    this.used -= bytes;
    if (this.#waiting.size === 0 || this.full) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const waiter of waiting) waiter.roomAgain();
  }

  wait(waiter: HeldWaiter): void {
    this.#waiting.add(waiter);
  }

  leave(waiter: HeldWaiter): void {
    this.#waiting.delete(waiter);
  }
}
