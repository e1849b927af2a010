/** Waiting for room among the held bytes. */
export interface HeldWaiter {
  readonly share: HeldShare;
  roomAgain(): void;
  /** No longer worth waiting: there will be no room for this one. */
  noRoom(): void;
}

/**
 * One address may come to hold so many times what is then still free. Alone it gets 8/9 of the limit, two greedy ones
 * 8/17 each, and something is left for the next one always: no fraction to configure, and nothing to take back.
 */
const OF_FREE = 8;
/** What was on its way when the limit was reached is kept, and waits: a quarter of the limit, or one largest body. What comes then is dropped. */
const BEYOND = 4;
/** What one that is woken is thought to bring before it is asked again: a read of a socket, of a small limit a part. */
const READ_BYTES = 512 * 1024;
const READS = 64;

/** Bounds what is held in memory over all connections together (EVE_PROXY_MAX_HELD): bodies, messages, answers that are not taken. */
export class HeldBudget {
  used = 0;
  readonly limit: number;
  /** What an address may hold whatever the others do, while there is room: the largest body. */
  readonly allowance: number;
  #waiting = new Set<HeldWaiter>();
  readonly #shares = new Map<string, HeldShare>();

  constructor(limit: number, allowance: number) {
    this.limit = limit;
    this.allowance = allowance;
  }

  get full(): boolean {
    return this.used > this.limit;
  }

  /** Nothing more is kept, not even of whoever would wait. */
  get overrun(): boolean {
    return this.used > this.limit + Math.max(this.limit / BEYOND, this.allowance);
  }

  /** The share of a client address for one connection, which closes it in its end. */
  open(address: string): HeldShare {
    let share = this.#shares.get(address);
    if (share === undefined) {
      share = new HeldShare(this, address);
      this.#shares.set(address, share);
    }
    share.connections += 1;
    return share;
  }

  /** Called by a share that nobody uses and that holds nothing. */
  forget(share: HeldShare): void {
    if (this.#shares.get(share.address) === share) this.#shares.delete(share.address);
  }

  /** Ends in `roomAgain` or `noRoom`, perhaps before this returns, unless the waiter leaves. */
  wait(waiter: HeldWaiter): void {
    this.#waiting.add(waiter);
    this.#dismiss(waiter.share, () => this.full);
    if (this.overrun && this.#waiting.has(waiter)) waiter.noRoom();
  }

  /** False: what this share has just taken cannot be kept. */
  keeps(share: HeldShare): boolean {
    if (this.overrun) this.#dismiss(share, () => this.overrun);
    return !this.overrun;
  }

  /** Whoever holds little does not wait for those who hold much and stand still themselves. */
  #dismiss(small: HeldShare, wanting: () => boolean): void {
    if (small.used > this.allowance) return;
    for (const other of [...this.#waiting]) {
      if (!wanting()) break;
      if (other.share.used > this.allowance) other.noRoom();
    }
  }

  leave(waiter: HeldWaiter): void {
    this.#waiting.delete(waiter);
  }

  /** Called by a share that has given bytes back: wakes, in order, no more of them than what is free now has room for. */
  wake(): void {
    if (this.#waiting.size === 0 || this.full) return;
    const read = Math.min(READ_BYTES, this.limit / READS);
    let free = this.limit - this.used;
    for (const waiter of [...this.#waiting]) {
      if (waiter.share.full || !this.#waiting.delete(waiter)) continue;
      waiter.roomAgain();
      free -= read;
      if (free <= 0) break;
    }
  }
}

/** A connection with much that waits for its client. */
export interface Standing {
  /** Ends, and gives back at once what it holds. */
  giveWay(): void;
}

/** What the connections of one client address hold together. */
export class HeldShare {
  used = 0;
  connections = 0;
  /** In the order in which they came to stand. */
  readonly standing = new Set<Standing>();
  readonly address: string;
  readonly #budget: HeldBudget;

  constructor(budget: HeldBudget, address: string) {
    this.#budget = budget;
    this.address = address;
  }

  /** True when more would be too much: of all together, or of this address beside what is free for others. */
  get full(): boolean {
    const { used, limit, allowance } = this.#budget;
    return used > limit || (this.used > allowance && this.used > OF_FREE * (limit - used));
  }

  /** False: what was just taken must be dropped. */
  get keeps(): boolean {
    return this.#budget.keeps(this);
  }

  /** What waits for clients cannot be refused any more: while the address has too much, who stands longest ends. */
  relieve(): void {
    for (const who of this.standing) {
      if (!this.full || this.used <= this.#budget.allowance) return;
      who.giveWay();
    }
  }

  take(bytes: number): void {
    this.used += bytes;
    this.#budget.used += bytes;
  }

  give(bytes: number): void {
    if (bytes === 0) return;
    this.used -= bytes;
    this.#budget.used -= bytes;
    this.#tidy();
    this.#budget.wake();
  }

  close(): void {
    this.connections -= 1;
    this.#tidy();
  }

  #tidy(): void {
    if (this.connections === 0 && this.used === 0) this.#budget.forget(this);
  }
}
