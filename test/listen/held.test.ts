import { describe, expect, test } from "bun:test";
import { HeldBudget, type HeldShare, type HeldWaiter } from "../../src/listen/held.ts";

class Waiter implements HeldWaiter {
  readonly share: HeldShare;
  said: string[] = [];
  readonly #budget: HeldBudget;
  held: number;

  constructor(budget: HeldBudget, share: HeldShare, held: number) {
    this.#budget = budget;
    this.share = share;
    this.held = held;
    share.take(held);
  }

  wait(): this {
    this.#budget.wait(this);
    return this;
  }

  roomAgain(): void {
    this.said.push("room");
  }

  noRoom(): void {
    this.said.push("none");
    this.#budget.leave(this);
    this.share.give(this.held);
    this.held = 0;
  }
}

describe("HeldBudget", () => {
  test("an address that holds much is full while others still have room; nobody is beyond the limit", () => {
    const budget = new HeldBudget(900, 100);
    const [greedy, modest] = [budget.open("a"), budget.open("b")];
    greedy.take(800);
    expect([greedy.full, modest.full]).toEqual([false, false]);
    greedy.take(1);
    expect([greedy.full, modest.full]).toEqual([true, false]);
    modest.take(99);
    expect([budget.full, modest.full]).toEqual([false, false]);
    modest.take(1);
    expect([budget.full, modest.full]).toEqual([true, true]);
  });

  test("an address is never full of one body, as long as there is room at all", () => {
    const share = new HeldBudget(100, 100).open("a");
    share.take(100);
    expect(share.full).toBe(false);
    share.take(1);
    expect(share.full).toBe(true);
  });

  test("whoever holds little does not wait for a hog that stands still itself", () => {
    const budget = new HeldBudget(1_000, 100);
    const hogs = [400, 400, 400].map((held) => new Waiter(budget, budget.open("hog"), held).wait());
    expect(hogs.map(({ said }) => said)).toEqual([[], [], []]);
    const small = new Waiter(budget, budget.open("small"), 50).wait();
    // No more of them than it takes: what one gave up is room for the others.
    expect(hogs.map(({ said }) => said)).toEqual([["none"], ["room"], ["room"]]);
    expect(small.said).toEqual(["room"]);
  });

  test("hogs alone wait for each other, and all that have room are woken, once", () => {
    const budget = new HeldBudget(1_000, 100);
    const share = budget.open("hog");
    const running = new Waiter(budget, share, 600);
    const waiting = [300, 200].map((held) => new Waiter(budget, share, held).wait());
    running.share.give(100);
    // Not over the limit, but one address has nearly all.
    expect(waiting.map(({ said }) => said)).toEqual([[], []]);
    running.share.give(500);
    running.share.give(0);
    expect(waiting.map(({ said }) => said)).toEqual([["room"], ["room"]]);
  });

  test("what comes beyond the limit and a quarter is kept for nobody, be it small", () => {
    const budget = new HeldBudget(1_000, 100);
    const [other, small] = [budget.open("other"), budget.open("small")];
    other.take(1_200);
    small.take(50);
    expect([budget.overrun, small.keeps, other.keeps]).toEqual([false, true, true]);
    small.take(1);
    expect([budget.overrun, small.keeps, other.keeps]).toEqual([true, false, false]);
    expect(new Waiter(budget, small, 0).wait().said).toEqual(["none"]);
  });

  test("a hog that waits makes room for what is small, and only as much as it takes", () => {
    const budget = new HeldBudget(1_000, 100);
    const share = budget.open("hog");
    const hogs = [400, 400, 400].map((held) => new Waiter(budget, share, held).wait());
    const small = budget.open("small");
    small.take(51);
    expect(small.keeps).toBe(true);
    expect(hogs.map(({ said }) => said[0])).toEqual(["none", "room", "room"]);
  });

  test("no more are woken than there is room for what they bring; the others when there is more", () => {
    const budget = new HeldBudget(64 * 512 * 1024, 1024);
    const running = new Waiter(budget, budget.open("running"), budget.limit + 1);
    const waiting = Array.from({ length: 5 }, (_, i) => new Waiter(budget, budget.open(`${i}`), 1).wait());
    const woken = () => waiting.filter(({ said }) => said.length > 0).length;
    running.share.give(1024);
    expect(woken()).toBe(1);
    running.share.give(2 * 512 * 1024);
    expect(woken()).toBe(4);
    running.share.give(1);
    expect(woken()).toBe(5);
    expect(waiting.map(({ said }) => said)).toEqual(waiting.map(() => ["room"]));
  });

  test("an address is forgotten when its last connection is closed and its last byte given back", () => {
    const budget = new HeldBudget(1_000, 100);
    const share = budget.open("a");
    expect(budget.open("a")).toBe(share);
    share.take(10);
    share.close();
    share.close();
    expect(budget.open("a")).toBe(share);
    share.close();
    share.give(10);
    expect(budget.open("a")).not.toBe(share);
    expect(budget.used).toBe(0);
  });
});
