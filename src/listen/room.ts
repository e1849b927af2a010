import type { Deadlined } from "../model/deadlines.ts";
import type { MessageRoom, RoomWaiter } from "../model/room.ts";
import type { Door } from "./door.ts";
import type { HeldShare, HeldWaiter } from "./held.ts";

/** How long a body or a message may wait for room among the held bytes. */
const HELD_WAIT_MS = 2_000;

/** Waits for room among the held bytes, with an end: for a body, or for a message. */
export class RoomWait implements HeldWaiter, Deadlined {
  deadline = Number.POSITIVE_INFINITY;
  readonly share: HeldShare;
  readonly #door: Pick<Door, "budget" | "deadlines">;
  #waiter: RoomWaiter | null = null;
  #since = 0;

  constructor(door: Pick<Door, "budget" | "deadlines">, share: HeldShare) {
    this.#door = door;
    this.share = share;
  }

  get waiting(): boolean {
    return this.#waiter !== null;
  }

  /** Milliseconds since the last wait began. */
  get waited(): number {
    return this.#door.deadlines.now - this.#since;
  }

  /** Perhaps ends before this returns. */
  begin(waiter: RoomWaiter): void {
    const { budget, deadlines } = this.#door;
    this.#waiter = waiter;
    this.#since = deadlines.now;
    this.deadline = this.#since + HELD_WAIT_MS;
    deadlines.add(this);
    budget.wait(this);
  }

  /** It is not waited for any more. */
  leave(): void {
    this.#over();
  }

  roomAgain(): void {
    this.#over()?.roomAgain();
  }

  noRoom(): void {
    this.#over()?.noRoom();
  }

  /** Perhaps there is room by now, and those that were woken for it have not filled it. */
  expired(): void {
    if (this.share.full) this.noRoom();
    else this.roomAgain();
  }

  #over(): RoomWaiter | null {
    const waiter = this.#waiter;
    if (waiter === null) return null;
    this.#waiter = null;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#door.budget.leave(this);
    this.#door.deadlines.remove(this);
    return waiter;
  }
}

/** Of one direction of a stream, in the share of its client. There is no share while nothing is held. */
export class Room implements MessageRoom, RoomWaiter {
  readonly #door: Pick<Door, "budget" | "deadlines" | "runtime">;
  readonly #address: string;
  #share: HeldShare | null = null;
  #wait: RoomWait | null = null;
  #waiter: RoomWaiter | null = null;
  #held = 0;

  constructor(door: Pick<Door, "budget" | "deadlines" | "runtime">, address: string) {
    this.#door = door;
    this.#address = address;
  }

  get full(): boolean {
    return this.#share === null ? this.#door.budget.full : this.#share.full;
  }

  holds(bytes: number): void {
    const more = bytes - this.#held;
    if (more === 0) return;
    this.#held = bytes;
    const share = this.#opened();
    if (more > 0) share.take(more);
    else share.give(-more);
  }

  wait(waiter: RoomWaiter): void {
    this.#waiter = waiter;
    this.#wait ??= new RoomWait(this.#door, this.#opened());
    this.#wait.begin(this);
  }

  close(): void {
    const share = this.#share;
    this.#waiter = null;
    this.#wait?.leave();
    this.#wait = null;
    if (share === null) return;
    const held = this.#held;
    this.#held = 0;
    this.#share = null;
    share.give(held);
    share.close();
  }

  roomAgain(): void {
    this.#tell((waiter) => waiter.roomAgain());
  }

  noRoom(): void {
    this.#tell((waiter) => waiter.noRoom());
  }

  /** Not from inside of what somebody else gives back, who may be in the middle of anything. */
  #tell(how: (waiter: RoomWaiter) => void): void {
    this.#door.runtime.afterTurn(() => {
      const waiter = this.#waiter;
      this.#waiter = null;
      if (waiter !== null) how(waiter);
    });
  }

  #opened(): HeldShare {
    this.#share ??= this.#door.budget.open(this.#address);
    return this.#share;
  }
}
