import type { AuditSync } from "../config/config.ts";
import { Fault, messageOf } from "../errors.ts";
import type { ChainPoint } from "./chain.ts";
import type { Waiting } from "./evidence.ts";
import type { Finished } from "./finished.ts";
import type { Sink } from "./journal.ts";

/** Lines in one write: bounds both the string built and what one failure takes down. */
const MAX_BATCH = 256;

/** A certificate's place in the log. */
interface Place {
  readonly seq: number;
  /** Lines that go out right behind this one. */
  readonly loose: Uint8Array;
  readonly waiting: Waiting;
}

class Entry {
  readonly place: Place;
  /** Null until it is signed. */
  ready: Finished | null = null;
  error: unknown = null;

  constructor(place: Place) {
    this.place = place;
  }
}

/**
 * Puts certificates into the log in `seq` order although signatures finish in any, everything ready in one write a turn
 * of the event loop (a write for each costs 15–20 % more CPU a request under load, measured side by side), and
 * answers each when the write (and with a sync policy the fdatasync that covers it) is done. The first failure takes
 * down everything that waits, because later certificates name the failed one in `prev`.
 */
export class CommitQueue {
  readonly #sink: Sink<ChainPoint>;
  readonly #sync: AuditSync;
  readonly #afterTurn: (run: () => void) => void;
  readonly #broke: (cause: unknown) => void;
  #entries: Entry[] = [];
  #lines = new Uint8Array(64 * 1024);
  #pumping = false;
  #scheduled = false;
  #waiters: (() => void)[] = [];

  constructor(
    sink: Sink<ChainPoint>,
    sync: AuditSync,
    afterTurn: (run: () => void) => void,
    broke: (cause: unknown) => void,
  ) {
    this.#afterTurn = afterTurn;
    this.#sink = sink;
    this.#sync = sync;
    this.#broke = broke;
  }

  /** Takes the next certificate in `seq` order, signed or about to be. */
  put(place: Place, made: Finished | Promise<Finished>): void {
    const entry = new Entry(place);
    this.#entries.push(entry);
    if (made instanceof Promise) {
      made.then(
        (value) => this.#settled(entry, value, null),
        (error: unknown) => this.#settled(entry, null, error ?? new Error("signing failed")),
      );
    } else this.#settled(entry, made, null);
  }

  /** Resolves when nothing waits any more, written or failed. */
  async idle(): Promise<void> {
    while (this.#entries.length > 0 || this.#pumping) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  #settled(entry: Entry, ready: Finished | null, error: unknown): void {
    entry.ready = ready;
    entry.error = error;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#afterTurn(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (!this.#pumping) void this.#pump();
  };

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#entries.length > 0 && (await this.#writeBatch())) {
        // One batch after the other.
      }
    } finally {
      this.#pumping = false;
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const wake of waiters) wake();
    }
  }

  /** False when the next certificate is not signed yet, and after a failure. */
  async #writeBatch(): Promise<boolean> {
    const batch = this.#takeReady();
    try {
      const [first] = batch;
      if (first === undefined) {
        const head = this.#entries[0];
        if (head === undefined || head.error === null) return false;
        throw head.error;
      }
      this.#sink.append(this.#join(batch), first.place.seq);
      if (this.#sync !== "none") await this.#sink.sync();
    } catch (cause) {
      this.#fail(batch, cause);
      return false;
    }
    for (const { ready, place } of batch) if (ready !== null) place.waiting.written(ready);
    return true;
  }

  /** The lines of a batch, in memory that the next one uses again. */
  #join(batch: readonly Entry[]): Uint8Array {
    let length = 0;
    for (const { ready, place } of batch) length += (ready?.line.length ?? 0) + place.loose.length;
    if (this.#lines.length < length) this.#lines = new Uint8Array(length * 2);
    let at = 0;
    for (const { ready, place } of batch) {
      if (ready === null) continue;
      this.#lines.set(ready.line, at);
      at += ready.line.length;
      this.#lines.set(place.loose, at);
      at += place.loose.length;
    }
    return this.#lines.subarray(0, at);
  }

  #takeReady(): Entry[] {
    const max = this.#sync === "each" ? 1 : MAX_BATCH;
    let count = 0;
    while (count < max && (this.#entries[count]?.ready ?? null) !== null) count++;
    return this.#entries.splice(0, count);
  }

  #fail(batch: readonly Entry[], cause: unknown): void {
    const failed = [...batch, ...this.#entries];
    this.#entries = [];
    this.#broke(cause);
    const fault = unwritable(cause);
    for (const { place } of failed) place.waiting.unwritable(fault);
  }
}

/** The fault for whatever kept a line from being written. */
export function unwritable(cause: unknown): Fault {
  return new Fault("evidence_unwritable", `write the audit log: ${messageOf(cause)}`, { cause });
}
