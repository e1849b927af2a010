/** Where a text is explored: what is undone of it, level below level, and what is read of JSON. */
import { Draft } from "./draft.ts";
import { ASCII_ROOM, MAX_INSPECTED, MAX_LETTERS_INPUT } from "./letters.ts";

/** Disguises over each other that are undone. */
export const MAX_DEPTH = 4;

/** One disguise undone, and the text below it. */
export class Level {
  readonly draft = new Draft();
  readonly ascii = new Uint8Array(MAX_LETTERS_INPUT + ASCII_ROOM);
  /** What signals tell of each block of it. */
  readonly blocks = new Uint8Array(MAX_LETTERS_INPUT / 128 + 2);
  #letters = new Uint8Array(0);

  /** Letters that stay while others have their turn, who read letters of their own. */
  keep(letters: Uint8Array, count: number): Uint8Array {
    if (this.#letters.length < count) this.#letters = new Uint8Array(count + 4096);
    this.#letters.set(letters.subarray(0, count));
    return this.#letters;
  }
}

/** Where an exploration writes what it undoes: 1.5 MB, for one at a time. */
export class Room {
  readonly leaves = new Uint8Array(MAX_INSPECTED + 64);
  readonly inner = new Uint8Array(MAX_INSPECTED + 64);
  readonly levels: readonly Level[] = Array.from({ length: MAX_DEPTH + 1 }, () => new Level());
}

/** Of all that is explored in one go. */
export const shared = new Room();
