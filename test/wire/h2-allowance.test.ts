import { describe, expect, test } from "bun:test";
import * as allowance from "../../src/wire/h2-allowance.ts";

const { Allowance, nameOf } = allowance;

/** What a peer may do at once, and again every second, by what it is called when it does more. */
const ALLOWED = {
  RESETS: ["rapid_reset", 200, 50],
  PROVOKED: ["provoked_resets", 100, 10],
  REFUSED: ["refused_streams", 500, 100],
  SETTINGS_FRAMES: ["settings_flood", 32, 2],
  PINGS: ["ping_flood", 500, 50],
  UPDATES: ["window_update_flood", 1000, 200],
  EMPTY_DATA: ["empty_data_flood", 100, 10],
  IGNORED: ["ignored_frames", 200, 20],
  LATE: ["late_frames", 4096, 512],
} as const;

function takes(bucket: InstanceType<typeof Allowance>, kind: number): number {
  let taken = 0;
  while (bucket.take(kind)) taken++;
  bucket.credit(kind, 1);
  return taken;
}

describe("Allowance", () => {
  test("has a row here for every kind that it exports", () => {
    const kinds = Object.entries(allowance).flatMap(([name, value]) => (typeof value === "number" ? [name] : []));
    expect(kinds.sort()).toEqual(Object.keys(ALLOWED).sort());
  });

  const kinds: ReadonlyMap<string, unknown> = new Map(Object.entries(allowance));
  for (const [kind, [name, burst, perSecond]] of Object.entries(ALLOWED)) {
    test(`${name}: ${burst} at once, ${perSecond} more a second, never more than at once`, () => {
      const at = kinds.get(kind) as number;
      expect(nameOf(at)).toBe(name);
      const bucket = new Allowance(0);
      bucket.tick(1_000);
      expect(takes(bucket, at)).toBe(burst);
      bucket.tick(2_000);
      expect(takes(bucket, at)).toBe(perSecond);
      bucket.tick(1_000_000);
      expect(takes(bucket, at)).toBe(burst);
    });
  }

  test("what one kind takes, no other kind lacks; open streams may all be reset besides", () => {
    const bucket = new Allowance(1_024);
    expect(takes(bucket, allowance.RESETS)).toBe(200 + 1_024);
    expect(takes(bucket, allowance.PROVOKED)).toBe(100);
  });
});
