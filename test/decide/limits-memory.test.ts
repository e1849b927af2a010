import { describe, expect, test } from "bun:test";
import { MemoryLimits } from "../../src/decide/limits-memory.ts";
import { giveBack } from "../../src/decide/limits-redis.ts";
import type { Taken } from "../../src/limits/store.ts";
import { budget, numbers, rate, slots } from "./_needs.ts";

function clock(at = Date.UTC(2025, 0, 1, 12)) {
  const time = { at, now: () => time.at, monotonic: () => time.at };
  return time;
}

describe("refusals", () => {
  test("take nothing, not even of the needs that fit", () => {
    const store = new MemoryLimits(clock());
    const needs = [budget({ max: 100, amount: 60 }), slots(), rate(), budget({ key: "small", max: 5, amount: 6 })];
    expect(store.take("a", needs).taken).toBe(false);
    expect(store.size).toBe(0);
    const levels = store.take("b", [budget({ max: 100, amount: 60 }), slots(), rate()]).levels;
    expect(levels.map(({ value }) => value)).toEqual([0, 0, 9]);
  });

  test("a full budget refuses what costs nothing", () => {
    const store = new MemoryLimits(clock());
    expect(store.take("a", [budget({ amount: 100 })]).taken).toBe(true);
    expect(store.take("b", [budget({ amount: 0 })]).taken).toBe(false);
  });

  test("a budget of nothing refuses all", () => {
    expect(new MemoryLimits(clock()).take("a", [budget({ max: 0, amount: 0 })]).taken).toBe(false);
  });

  test("no room for another counter throws, and is told from an outage by its code", () => {
    const time = clock();
    const store = new MemoryLimits(time, 10);
    for (let i = 0; i < 10; i++) store.take("a", [budget({ key: `k${i}` })]);
    expect(() => store.take("a", [budget({ key: "one more" })])).toThrow(
      expect.objectContaining({ code: "limits_uncounted" }),
    );
    // Who is counted already goes on.
    expect(store.take("a", [budget({ key: "k0" })]).taken).toBe(true);
    // What said nothing any more made room.
    time.at += 86_400_000;
    expect(store.take("a", [budget({ key: "one more" })]).taken).toBe(true);
  });
});

describe("names that somebody invents", () => {
  const key = (limit: string, name: string) => JSON.stringify([limit, "bytes", "1d", ["agent"], [name]]);

  test("for one limit keep nobody out of another, and the room stays bounded", () => {
    const store = new MemoryLimits(clock(), 100);
    const taken = (limit: string, many: number) => {
      let n = 0;
      for (let i = 0; i < many; i++) {
        try {
          store.take("a", [budget({ key: key(limit, `],["${i}`) })]);
          n++;
        } catch {}
      }
      return n;
    };
    expect(taken("first", 500)).toBe(100);
    // The even share of two, then of three.
    expect(taken("second", 500)).toBe(50);
    expect(taken("third", 500)).toBe(33);
    expect(taken("first", 500)).toBe(100);
    expect(store.size).toBe(183);
    expect(() => store.take("a", [budget({ key: key("first", "new") })])).toThrow("no room");
  });

  test("are forgotten as soon as their pace is full again, and not before", () => {
    const time = clock();
    const store = new MemoryLimits(time, 10);
    for (let i = 0; i < 10; i++) store.take("a", [rate({ key: key("pace", `k${i}`) })]);
    time.at += 5_999;
    expect(() => store.take("a", [rate({ key: key("pace", "new") })])).toThrow("no room");
    time.at += 1_001;
    expect(store.take("a", [rate({ key: key("pace", "new") })]).taken).toBe(true);
    expect(store.size).toBe(1);
  });

  test("of which none can be counted take nothing of what can", () => {
    const store = new MemoryLimits(clock(), 2);
    for (const name of ["x", "y"]) store.take("a", [budget({ key: key("l", name) })]);
    expect(() =>
      store.take("a", [budget({ key: key("l", "x"), amount: 50 }), budget({ key: key("l", "z") })]),
    ).toThrow();
    expect(store.take("a", [budget({ key: key("l", "x") })]).levels[0]?.value).toBe(1);
  });
});

describe("a budget", () => {
  test("1,000 reserves at once against a budget of 100 give exactly 100", async () => {
    const store = new MemoryLimits(clock());
    const all = await Promise.all(Array.from({ length: 1000 }, async (_, i) => store.take(`h${i}`, [budget()]).taken));
    expect(all.filter(Boolean)).toHaveLength(100);
  });

  test("begins anew with the UTC day, week and month", () => {
    const starts = [
      { seconds: 86_400, offset: 0, last: Date.UTC(2025, 0, 1, 23, 59, 59, 999) },
      { seconds: 604_800, offset: 4 * 86_400, last: Date.UTC(2025, 0, 5, 23, 59, 59, 999) },
      { seconds: 0, offset: 0, last: Date.UTC(2024, 1, 29, 23, 59, 59, 999) },
    ];
    for (const { seconds, offset, last } of starts) {
      const time = clock(last);
      const store = new MemoryLimits(time);
      expect(store.take("a", [budget({ seconds, offset, amount: 100 })]).taken).toBe(true);
      expect(store.take("b", [budget({ seconds, offset })]).taken).toBe(false);
      time.at += 1;
      expect(store.take("c", [budget({ seconds, offset })]).taken).toBe(true);
    }
  });

  test("is not opened again by a clock that goes back", () => {
    const time = clock();
    const store = new MemoryLimits(time);
    store.take("a", [budget({ amount: 100 })]);
    time.at -= 86_400_000;
    expect(store.take("b", [budget()]).taken).toBe(false);
  });

  test("an adjustment of a period that is over changes nothing", () => {
    const time = clock();
    const store = new MemoryLimits(time);
    const taken = store.take("a", [budget({ amount: 90 })]);
    time.at += 86_400_000;
    store.take("b", [budget({ amount: 100 })]);
    store.adjust("a", giveBack([budget({ amount: 90 })], taken));
    expect(store.take("c", [budget()]).taken).toBe(false);
  });

  test("property: what is settled is never over the maximum by more than the last overshoots; release restores", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = numbers(seed);
      const store = new MemoryLimits(clock());
      const open: { holder: string; amount: number; taken: Taken }[] = [];
      let settled = 0;
      let overshoot = 0;
      for (let i = 0; i < 400; i++) {
        const amount = Math.floor(random() * 20);
        const need = budget({ max: 500, amount });
        const taken = store.take(`h${i}`, [need]);
        const outstanding = open.reduce((sum, each) => sum + each.amount, 0);
        expect(taken.levels[0]?.value).toBe(settled + outstanding);
        if (taken.taken) open.push({ holder: `h${i}`, amount, taken });
        expect(taken.taken).toBe(settled + outstanding + amount <= 500 && settled + outstanding < 500);
        if (random() < 0.7 && open.length > 0) {
          const [one] = open.splice(Math.floor(random() * open.length), 1);
          if (one === undefined) continue;
          const released = random() < 0.3;
          const actual = released ? 0 : Math.floor(random() * 25);
          if (released) store.adjust(one.holder, giveBack([budget({ amount: one.amount })], one.taken));
          else {
            const window = one.taken.levels[0]?.mark ?? 0;
            store.adjust(one.holder, [{ kind: "window", key: "window", window, delta: actual - one.amount }]);
          }
          settled += actual;
          overshoot += Math.max(0, actual - one.amount);
        }
        expect(settled).toBeLessThanOrEqual(500 + overshoot);
      }
    }
  });
});

describe("places", () => {
  test("are given back once, by their holder", () => {
    const store = new MemoryLimits(clock());
    const taken = ["a", "b", "c", "d"].map((holder) => store.take(holder, [slots()]).taken);
    expect(taken).toEqual([true, true, true, false]);
    store.adjust("d", [{ kind: "slots", key: "slots" }]);
    expect(store.take("d", [slots()]).taken).toBe(false);
    store.adjust("a", [{ kind: "slots", key: "slots" }]);
    store.adjust("a", [{ kind: "slots", key: "slots" }]);
    expect(store.take("d", [slots()]).taken).toBe(true);
    expect(store.take("e", [slots()]).taken).toBe(false);
  });

  test("of a holder that is not heard of any more are free after their lease", () => {
    const time = clock();
    const store = new MemoryLimits(time);
    for (const holder of ["a", "b", "c"]) store.take(holder, [slots()]);
    time.at += 59_000;
    store.renew([{ holder: "a", key: "slots" }], 60_000);
    time.at += 1_000;
    expect(store.take("d", [slots()]).levels[0]?.value).toBe(1);
  });
});

describe("a pace", () => {
  test("lets the burst through and then one at a time", () => {
    const time = clock();
    const store = new MemoryLimits(time);
    const take = () => store.take("a", [rate({ requests: 60, burst: 5 })]);
    for (let i = 0; i < 5; i++) expect(take().taken).toBe(true);
    const refused = take();
    expect(refused.taken).toBe(false);
    expect(refused.levels[0]?.mark).toBe(1_000_000);
    time.at += 999;
    expect(take().taken).toBe(false);
    time.at += 1;
    expect(take().taken).toBe(true);
    expect(take().taken).toBe(false);
  });

  test("is exact where a period does not divide evenly", () => {
    const time = clock();
    const store = new MemoryLimits(time);
    let passed = 0;
    for (let ms = 0; ms < 600_000; ms++) {
      time.at += 1;
      if (store.take("a", [rate({ requests: 7, burst: 1 })]).taken) passed++;
    }
    expect(passed).toBe(70);
  });

  test("refills no further than its burst, however long it was silent", () => {
    const time = clock();
    const store = new MemoryLimits(time);
    const need = rate({ requests: 1_000_000, periodUs: 1_000_000, burst: 3 });
    store.take("a", [need]);
    time.at += 10 * 365 * 86_400_000;
    expect([1, 2, 3, 4].map(() => store.take("a", [need]).taken)).toEqual([true, true, true, false]);
  });
});

test("a need that is not enforced is counted and never refuses", () => {
  const store = new MemoryLimits(clock());
  const needs = [
    budget({ enforce: false, max: 1 }),
    slots({ enforce: false, max: 1 }),
    rate({ enforce: false, burst: 1 }),
  ];
  expect(store.take("a", needs).levels.every(({ fits }) => fits)).toBe(true);
  const second = store.take("b", needs);
  expect(second.taken).toBe(true);
  expect(second.levels.some(({ fits }) => fits)).toBe(false);
  expect(store.take("c", needs).levels[0]?.value).toBe(2);
});
