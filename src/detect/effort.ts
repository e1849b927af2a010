/** What an inspection may cost. Running out is never a pass: the decision then fails closed. */
export interface Budget {
  /** Monotonic milliseconds. */
  readonly deadline: number;
  readonly clock: () => number;
  /** Bytes handed to inspectors. */
  readonly work: number;
}

/** Readings of one text may come to this many times its bytes, and to this much anyway. */
const WORK_PER_BYTE = 16;
const LEAST_WORK = 256 * 1024;

/** The work one text may still cause. */
export class Effort {
  readonly #budget: Budget;
  #left: number;

  constructor(bytes: number, budget: Budget) {
    this.#budget = budget;
    this.#left = WORK_PER_BYTE * bytes + LEAST_WORK;
  }

  /** Work whose sum is bounded by that of the readings it is for: only the time may run out. */
  inTime(): boolean {
    return this.#budget.clock() <= this.#budget.deadline;
  }

  /** False: there is no work left for as many bytes, or no time. */
  spend(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0 && this.#budget.clock() <= this.#budget.deadline;
  }
}

export const UNLIMITED: Budget = { deadline: Number.POSITIVE_INFINITY, clock: () => 0, work: Number.POSITIVE_INFINITY };
