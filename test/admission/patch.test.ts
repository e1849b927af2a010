import { expect, test } from "bun:test";
import { applyPatch } from "rfc6902";
import { difference } from "../../src/admission/patch.ts";

/** mulberry32: the same values every time. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const KEYS = ["a", "b", "a/b", "~", "~1", "", "0", "-", "sallyport.dev/inject"];

function value(next: () => number, depth: number): unknown {
  const kind = Math.floor(next() * (depth === 0 ? 4 : 6));
  if (kind === 0) return null;
  if (kind === 1) return next() < 0.5;
  if (kind === 2) return Math.floor(next() * 10);
  if (kind === 3) return KEYS[Math.floor(next() * KEYS.length)];
  const length = Math.floor(next() * 4);
  if (kind === 4) return Array.from({ length }, () => value(next, depth - 1));
  return Object.fromEntries(
    Array.from({ length }, () => [KEYS[Math.floor(next() * KEYS.length)], value(next, depth - 1)]),
  );
}

test("a difference, applied by another's library, makes the one of the other", () => {
  const next = random(20_26);
  for (let round = 0; round < 5_000; round++) {
    const before = { spec: value(next, 4) };
    const after = { spec: value(next, 4) };
    const patched = structuredClone(before);
    const patch = JSON.parse(JSON.stringify(difference(before, after)));
    expect(applyPatch(patched, patch).filter((problem) => problem !== null)).toEqual([]);
    expect(patched).toEqual(after);
    expect(difference(after, structuredClone(after))).toEqual([]);
  }
});
