/** Memory for questions under way, which can be many times what was held: bodies are decoded and encoded for them. */

/** Questions up to this take no room: as many of them as may wait are little. */
const FREE_BYTES = 64 * 1024;

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

export class QuestionRoom {
  readonly #total: number;
  #free: number;
  readonly #waiting = new Set<Waiting>();

  /** `total`: bytes of decoded bodies. */
  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /**
   * Resolves to what was taken, which is to be given back; to null when `signal` was aborted before there was room.
   * Whoever fits goes first: a small question must not wait behind a large one.
   */
  take(bytes: number, signal: AbortSignal): number | Promise<number | null> {
    if (bytes <= FREE_BYTES) return 0;
    const wanted = Math.min(bytes, this.#total);
    if (wanted <= this.#free) {
      this.#free -= wanted;
      return wanted;
    }
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.#waiting.delete(waiting);
        resolve(null);
      };
      const enter = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve(wanted);
      };
      const waiting: Waiting = { bytes: wanted, enter };
      this.#waiting.add(waiting);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  give(bytes: number): void {
    this.#free += bytes;
    for (const waiting of this.#waiting) {
      if (waiting.bytes > this.#free) continue;
      this.#waiting.delete(waiting);
      this.#free -= waiting.bytes;
      waiting.enter();
    }
  }
}
