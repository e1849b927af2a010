import type { Lease } from "./rooms.ts";

/** What an inspection may cost. Running out is never a pass: the decision then fails closed. */
export interface Budget {
  /** Monotonic milliseconds. */
  readonly deadline: number;
  readonly clock: () => number;
  /** Bytes handed to inspectors. */
  readonly work: number;
  /** Of what is inspected in one go. Absent: it goes on to its end. */
  readonly share?: Share;
  /** Of what is inspected in steps: the room of all of its slices. Absent: each takes one. */
  readonly lease?: Lease;
}

/** Readings of one text may come to this many times its bytes, and to this much anyway. */
const WORK_PER_BYTE = 16;
const LEAST_WORK = 256 * 1024;

/** Bytes that are passed over between two turns, each pass counted, unless one pass alone is longer: two milliseconds or so. */
export const TURN_BYTES = 64 * 1024;

/**
 * What an event loop is held for: bytes that may be passed over in one go, each pass counted. All that is asked about in one
 * go shares it: two or three milliseconds. Prompts of 10 KB in prose come to 100 KiB, code and Markdown to 20 to 300; what
 * comes to more is begun again in steps.
 */
const SHARE_BYTES = 256 * 1024;

/** Used by one question at a time, between two awaits. */
export class Share {
  #left = SHARE_BYTES;

  renew(): void {
    this.#left = SHARE_BYTES;
  }

  /** True: what was inspected is "exhausted" for no other reason than this, and inspected in steps it may not be. */
  get spent(): boolean {
    return this.#left < 0;
  }

  /** False: no more of it in one go. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }
}

/** The work one text may still cause. */
export class Effort {
  readonly #budget: Budget;
  /** Others have their turns in between. */
  readonly stepped: boolean;
  /** It may stop on its way: what is made of parts is made part by part. */
  readonly stops: boolean;
  #left: number;
  #passed = 0;

  constructor(bytes: number, budget: Budget, stepped = false) {
    this.#budget = budget;
    this.stepped = stepped;
    this.stops = stepped || budget.share !== undefined;
    this.#left = WORK_PER_BYTE * bytes + LEAST_WORK;
  }

  /** Asked before each pass over so many bytes; true: others have their turn first, or it is no more for one go. */
  due(bytes: number): boolean {
    if (!this.stops) return false;
    if (!this.stepped) return this.#budget.share?.take(bytes) === false;
    this.#passed += bytes;
    if (this.#passed <= TURN_BYTES) return false;
    this.#passed = bytes;
    return true;
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
