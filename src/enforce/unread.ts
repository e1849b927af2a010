/** Whose answer has come and stands here. */
export interface Standing {
  /** The address of the client it is for. */
  readonly client: string;
  /** Bytes of it that are counted. */
  readonly unconsumed: number;
  /** Gives up the exchange: what is kept of it is let go of. */
  tooSlow(): void;
}

/** What the clients of one address have not taken. */
interface Share {
  bytes: number;
  /** In the order in which they came to stand still. */
  readonly standing: Set<Standing>;
}

/**
 * Bytes of answers over HTTP/2 that have come and whose readers have not taken them, of all upstream connections together. No
 * window of a connection bounds them (`SHARED_WINDOWS`), so this does: of the address that has left most, who has stood still
 * longest gives way. So whoever asks for much and reads nothing cuts its own answers and nobody else's, and of several readers
 * of one address it is never one that reads, which never stands for long.
 */
export class Unread {
  bytes = 0;
  readonly #limit: number;
  readonly #shares = new Map<string, Share>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  stand(who: Standing): void {
    this.#shareOf(who).standing.add(who);
  }

  leave(who: Standing): void {
    const share = this.#shares.get(who.client);
    if (share?.standing.delete(who) === true) this.#tidy(who.client, share);
  }

  /** They count as unconsumed of `who` already. */
  take(who: Standing, bytes: number): void {
    this.bytes += bytes;
    this.#shareOf(who).bytes += bytes;
    while (this.bytes > this.#limit) {
      const next = this.#next();
      if (next === null) return;
      // Leaves, and gives its bytes back.
      next.tooSlow();
      this.leave(next);
    }
  }

  give(who: Standing, bytes: number): void {
    this.bytes -= bytes;
    const share = this.#shareOf(who);
    share.bytes -= bytes;
    this.#tidy(who.client, share);
  }

  /** Null: nobody stands still with anything. */
  #next(): Standing | null {
    let next: Standing | null = null;
    let most = 0;
    for (const { bytes, standing } of this.#shares.values()) {
      if (bytes <= most) continue;
      const first = longest(standing);
      if (first === null) continue;
      most = bytes;
      next = first;
    }
    return next;
  }

  #shareOf({ client }: Standing): Share {
    let share = this.#shares.get(client);
    if (share === undefined) {
      share = { bytes: 0, standing: new Set() };
      this.#shares.set(client, share);
    }
    return share;
  }

  #tidy(client: string, { bytes, standing }: Share): void {
    if (bytes === 0 && standing.size === 0) this.#shares.delete(client);
  }
}

/** Of those whose end would give anything back. */
function longest(standing: ReadonlySet<Standing>): Standing | null {
  for (const who of standing) if (who.unconsumed > 0) return who;
  return null;
}
