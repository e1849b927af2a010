import { expect, test } from "bun:test";
import { fuzz, TARGETS } from "./run.ts";

const COUNT = 20_000;

for (const target of Object.keys(TARGETS)) {
  test(`${target} reads any input without a throw and any split alike`, () => {
    const read = fuzz(target, COUNT, 0x5a11);
    // A generator that makes only rubbish, or none, would prove nothing.
    expect(read).toBeGreaterThan(COUNT / 20);
    expect(read).toBeLessThan(COUNT * 0.95);
  }, 60_000);
}
