import type { Runtime } from "../runtime/contract.ts";

/** Does something again and again, never two at a time, and never in step with whoever else does: up to a fifth later by chance. */
export class Poll {
  readonly #random: () => number;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #stopped = false;

  constructor(runtime: Pick<Runtime, "randomHex">, intervalMs: number) {
    this.#random = () => Number.parseInt(runtime.randomHex(2), 16) / 0xffff;
    this.#intervalMs = intervalMs;
  }

  /** `run` answers for its own faults; what it throws ends nothing. */
  start(run: () => Promise<void>): void {
    if (this.#stopped) return;
    const later = (): void => this.start(run);
    this.#timer = setTimeout(() => void run().then(later, later), this.#intervalMs * (1 + this.#random() / 5));
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
