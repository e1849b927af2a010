import type { MessageRoom, RoomWaiter } from "../model/room.ts";

/**
 * What one screened answer holds, counted with all that is held. Most answers hold nothing at the end of any turn, and are
 * never counted at all.
 */
export class AnswerRoom {
  /** Room is waited for: no more of the answer should come. */
  cramped = false;
  readonly #open: () => MessageRoom;
  readonly #waiter: RoomWaiter;
  #room: MessageRoom | null = null;
  #held = 0;

  constructor(open: () => MessageRoom, waiter: RoomWaiter) {
    this.#open = open;
    this.#waiter = waiter;
  }

  /** So many bytes now. */
  holds(bytes: number): void {
    if (bytes === this.#held) return;
    this.#held = bytes;
    this.#room ??= this.#open();
    this.#room.holds(bytes);
  }

  /** True: there is no room for more beside what is held, and it is waited for from now on. */
  wait(): boolean {
    if (this.cramped || this.#held === 0 || this.#room?.full !== true) return false;
    this.cramped = true;
    this.#room.wait({
      roomAgain: () => {
        this.cramped = false;
        this.#waiter.roomAgain();
      },
      noRoom: () => {
        this.cramped = false;
        this.#waiter.noRoom();
      },
    });
    return true;
  }

  /** There is no more to come: what is held stays counted, and no room is waited for. */
  enough(): void {
    this.cramped = false;
    this.#room?.close();
    if (this.#held > 0) this.#room?.holds(this.#held);
  }

  /** Nothing is held any more. */
  close(): void {
    this.cramped = false;
    this.#held = 0;
    this.#room?.close();
    this.#room = null;
  }
}
