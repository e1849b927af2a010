import { describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { BodyHolder } from "../../src/listen/body.ts";
import { HeldBudget } from "../../src/listen/held.ts";
import type { Held } from "../../src/model/exchange.ts";
import { runtime as bun } from "../../src/runtime/bun.ts";

/** What one turn may hash or copy. */
const TURN = 512 * 1024;

/** A holder whose turns are taken by hand; `hashed` are the sizes of what was hashed in each turn. */
function rig() {
  let next: (() => void) | null = null;
  const hashed: number[] = [0];
  const runtime = {
    ...bun,
    hasher() {
      const hasher = bun.hasher();
      return {
        update(bytes: Uint8Array) {
          hashed[hashed.length - 1] = (hashed.at(-1) ?? 0) + bytes.length;
          hasher.update(bytes);
        },
        hex: () => hasher.hex(),
      };
    },
    sha256(data: string | Uint8Array) {
      hashed[hashed.length - 1] = (hashed.at(-1) ?? 0) + data.length;
      return bun.sha256(data);
    },
    afterTurn(run: () => void) {
      if (next !== null) throw new Error("two turns asked for");
      next = run;
    },
  };
  const budget = new HeldBudget(1e9, 1e9);
  const config = { bodyTimeoutMs: 30_000, bodyMinRate: 1_000 } as Config;
  const holder = new BodyHolder({ runtime, config }, budget.open("a"));
  /** False when no further turn is asked for. */
  const turn = () => {
    const run = next;
    next = null;
    hashed.push(0);
    run?.();
    return run !== null;
  };
  return { holder, budget, hashed, turn };
}

const noise = (length: number) => {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 2_654_435_761) >>> 13;
  return bytes;
};

describe("BodyHolder", () => {
  for (const [what, cut] of [
    ["one read", 3_000_000],
    ["large reads", TURN + 1],
    ["small reads", 1_460],
  ] as const) {
    test(`hashes and puts together what comes in ${what}, never more than a turn's worth at once`, async () => {
      const { holder, budget, hashed, turn } = rig();
      const bytes = noise(cut === 3_000_000 ? TURN : 3_000_000);
      const holding = holder.hold(10_000_000);
      for (let at = 0; at < bytes.length; at += cut) holder.add(bytes.slice(at, at + cut));
      holder.end(null);
      while (turn()) {
        // Until there is nothing left to do.
      }
      const held = await holding;
      expect(Math.max(...hashed)).toBeLessThanOrEqual(TURN);
      expect(hashed.reduce((sum, each) => sum + each, 0)).toBe(bytes.length);
      if (held.kind !== "body") throw new Error(held.kind);
      expect(Buffer.compare(held.body.bytes, bytes)).toBe(0);
      expect(held.body.sha256).toBe(bun.sha256(bytes));
      expect(budget.used).toBe(bytes.length);
      holder.release();
      expect(budget.used).toBe(0);
    });
  }

  test("a small body is there at once, in however many pieces", () => {
    const { holder } = rig();
    for (let i = 0; i < 10; i++) holder.add(noise(1_000));
    holder.end(["X-A", "b"]);
    const held = holder.hold(100_000);
    expect(held).toMatchObject({ kind: "body", body: { trailers: ["X-A", "b"] } });
  });

  test("an empty chunked body has the hash of nothing", () => {
    const { holder } = rig();
    holder.end(null);
    expect(holder.hold(10)).toMatchObject({ kind: "body", body: { sha256: bun.sha256("") } });
  });

  test("a turn that has done its share asks for no more bytes until the next one", () => {
    const { holder, turn } = rig();
    void holder.hold(100 * TURN);
    holder.add(noise(100));
    expect(holder.sated).toBe(false);
    holder.add(noise(TURN));
    expect(holder.sated).toBe(true);
    turn();
    expect(holder.sated).toBe(false);
  });

  test("given up in the middle of the work, it does nothing more and holds nothing", async () => {
    for (const ended of [false, true]) {
      const { holder, budget, hashed, turn } = rig();
      const holding = holder.hold(100 * TURN) as Promise<Held>;
      for (let i = 0; i < 4; i++) holder.add(noise(TURN));
      if (ended) holder.end(null);
      holder.settle({ kind: "gone" });
      expect(await holding).toEqual({ kind: "gone" });
      const before = hashed.reduce((sum, each) => sum + each, 0);
      while (turn()) {
        // Until there is nothing left to do.
      }
      expect(hashed.reduce((sum, each) => sum + each, 0)).toBe(before);
      expect(budget.used).toBe(0);
      holder.add(noise(10));
      expect(budget.used).toBe(0);
    }
  });

  test("is due after the longest gap, or when it has lagged behind the least rate by as much; our own waits excuse it", () => {
    const { holder } = rig();
    holder.begin(5_000);
    expect(holder.due(5_000)).toBe(35_000);
    expect(holder.due(20_000)).toBe(35_000);
    holder.add(noise(10_000));
    expect(holder.due(20_000)).toBe(45_000);
    expect(holder.due(8_000)).toBe(38_000);
    holder.excuse(2_000);
    expect(holder.due(60_000)).toBe(47_000);
  });
});
