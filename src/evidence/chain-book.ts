/** The last line read of one chain. */
export interface ChainEnd {
  readonly id: string;
  readonly seq: number;
  /** sha256 hex of its signed bytes. */
  readonly hash: string;
  readonly timestamp: string;
  /** The log it stands in. */
  readonly log: string;
}

/** Chains remembered. A log of files has one; on standard output each start begins another. */
export const MAX_CHAINS = 65_536;

/**
 * Where every chain met so far ended, across all logs of one verification: a chain that comes back must go on exactly
 * there, and in the same log. Without it, lines could be put in twice with another chain between them, and a log could be
 * cut where a line was removed and be passed off as two.
 */
export class ChainBook {
  readonly #ends = new Map<string, ChainEnd>();

  /** False when there are too many to remember this one. */
  keep(end: ChainEnd): boolean {
    if (this.#ends.size >= MAX_CHAINS && !this.#ends.has(end.id)) return false;
    this.#ends.set(end.id, end);
    return true;
  }

  find(id: string): ChainEnd | null {
    return this.#ends.get(id) ?? null;
  }
}
