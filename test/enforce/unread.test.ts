import { describe, expect, test } from "bun:test";
import { type Standing, Unread } from "../../src/enforce/unread.ts";

const LIMIT = 1000;

describe("answers that nobody takes", () => {
  class Reader implements Standing {
    readonly client: string;
    unconsumed = 0;
    cut = false;
    readonly #unread: Unread;

    constructor(unread: Unread, client: string) {
      this.#unread = unread;
      this.client = client;
    }
    comes(bytes: number): this {
      this.unconsumed += bytes;
      this.#unread.take(this, bytes);
      return this;
    }
    stands(): this {
      this.#unread.stand(this);
      return this;
    }
    tooSlow(): void {
      this.cut = true;
      this.#unread.leave(this);
      const { unconsumed } = this;
      this.unconsumed = 0;
      this.#unread.give(this, unconsumed);
    }
  }

  test("the address that left most gives way, whoever stood first", () => {
    const unread = new Unread(LIMIT);
    const honest = new Reader(unread, "a").comes(100).stands();
    const greedy = [1, 2, 3, 4].map(() => new Reader(unread, "b").comes(300).stands());
    expect(honest.cut).toBe(false);
    expect(greedy.map(({ cut }) => cut)).toEqual([true, false, false, false]);
    expect(unread.bytes).toBe(1000);
  });

  test("of one address who stood still longest gives way, and nobody who has nothing to give", () => {
    const unread = new Unread(LIMIT);
    const empty = new Reader(unread, "a").stands();
    const first = new Reader(unread, "a").comes(400).stands();
    const second = new Reader(unread, "a").comes(400).stands();
    const reading = new Reader(unread, "a").comes(400);
    expect([empty.cut, first.cut, second.cut, reading.cut]).toEqual([false, true, false, false]);
  });

  test("of an address all of whose answers are read the next one is taken; with none at all nobody is cut", () => {
    const unread = new Unread(LIMIT);
    const standing = new Reader(unread, "a").comes(100).stands();
    const reading = new Reader(unread, "b").comes(950);
    expect([standing.cut, reading.cut, unread.bytes]).toEqual([true, false, 950]);
    reading.comes(200);
    expect([reading.cut, unread.bytes]).toEqual([false, 1150]);
    reading.tooSlow();
    expect(unread.bytes).toBe(0);
  });
});
