/** The rooms of explorations that others come in between of: a fixed number, and a queue before them. */
import type { Budget } from "./effort.ts";
import { Room } from "./lattice-room.ts";

/** Rooms in use at a time, of 1.5 MB each: of what waits for one only its bytes are held. */
export const MAX_ROOMS = 16;
/** Kept for the next when nobody uses them. */
const MAX_SPARE = 2;
/** Bytes one inspection explores before it queues again behind whoever waits: the short ones end before the long ones. */
const TENURE = 128 * 1024;
/** Timers take no more. */
const LONGEST_WAIT = 2 ** 31 - 1;

interface Waiter {
  room: Room | null;
  over: boolean;
  tell: () => void;
}

const spare: Room[] = [];
/** In the order in which they came. */
const waiting = new Set<Waiter>();
let used = 0;

/** For tests and whoever measures: how many are in use, and how many inspections wait for one. */
export function roomsInUse(): { readonly used: number; readonly waiting: number } {
  return { used, waiting: waiting.size };
}

/** The room of one inspection, slice after slice. `end` on every way out. */
export class Lease {
  #room: Room | null = null;
  #explored = 0;

  /** Null: the deadline passed before there was one. What is yielded is to be awaited; asked again sooner, it yields again. */
  *take(budget: Budget): Generator<Promise<void>, Room | null> {
    if (this.#room === null) {
      this.#room = taken() ?? (yield* queued(budget));
      this.#explored = 0;
    }
    return this.#room;
  }

  /** So much of it is done. The room goes to whoever waits once it was enough. */
  explored(bytes: number): void {
    this.#explored += bytes;
    if (this.#explored >= TENURE && waiting.size > 0) this.end();
  }

  end(): void {
    const room = this.#room;
    this.#room = null;
    if (room !== null) give(room);
  }
}

/** Nobody is passed by. */
function taken(): Room | null {
  if (used >= MAX_ROOMS || waiting.size > 0) return null;
  used += 1;
  return spare.pop() ?? new Room();
}

/** To the first who waits; it stays in use then. */
function give(room: Room): void {
  for (const first of waiting) {
    waiting.delete(first);
    first.room = room;
    first.tell();
    return;
  }
  used -= 1;
  if (spare.length < MAX_SPARE) spare.push(room);
}

function* queued({ deadline, clock }: Budget): Generator<Promise<void>, Room | null> {
  const waiter: Waiter = { room: null, over: false, tell: () => {} };
  const told = new Promise<void>((resolve) => {
    waiter.tell = resolve;
  });
  const late = (): void => {
    waiter.over = true;
    waiter.tell();
  };
  const timer = deadline < Number.POSITIVE_INFINITY ? setTimeout(late, waitFor(deadline - clock())) : undefined;
  waiting.add(waiter);
  try {
    while (waiter.room === null && !waiter.over && clock() <= deadline) yield told;
    const { room } = waiter;
    if (room === null || clock() > deadline) return null;
    waiter.room = null;
    return room;
  } finally {
    clearTimeout(timer);
    waiting.delete(waiter);
    // Handed over, and not taken: too late, or whoever drove this has gone.
    if (waiter.room !== null) give(waiter.room);
  }
}

function waitFor(ms: number): number {
  return Math.min(Math.max(0, ms), LONGEST_WAIT);
}
