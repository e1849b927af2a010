/** Who waits for room. Told in a later turn, one of the two, once. */
export interface RoomWaiter {
  roomAgain(): void;
  /** Waited long enough: there is none for this one. */
  noRoom(): void;
}

/** What one direction of a stream of messages holds, counted with all that is held (EVE_PROXY_MAX_HELD). */
export interface MessageRoom {
  /** No more should be held before `wait` has ended in `roomAgain`. */
  readonly full: boolean;
  /** So many bytes are held now, all in all. */
  holds(bytes: number): void;
  /** As long as a body waits. */
  wait(waiter: RoomWaiter): void;
  /** Nothing is held any more and nobody waits. It may be asked again all the same. */
  close(): void;
}
