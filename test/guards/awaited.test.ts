/**
 * An expectation of a promise that nobody awaits holds whatever the promise does: the test is over before it is looked at.
 * Types do not say so, as the runner's `toThrow` answers nothing.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dirname, "../..");

/** Lines of `text` with an `expect(…)` whose promise is neither awaited nor returned. */
function unawaited(text: string): number[] {
  const lines: number[] = [];
  for (const { index } of text.matchAll(/\)\s*\.(?:rejects|resolves)\b/g)) {
    let depth = 0;
    let at = index;
    for (; at >= 0; at--) {
      if (text[at] === ")") depth++;
      else if (text[at] === "(" && --depth === 0) break;
    }
    const before = text.slice(0, at);
    if (/\bexpect$/.test(before) && !/\b(?:await|return)\s+expect$/.test(before)) lines.push(before.split("\n").length);
  }
  return lines;
}

describe("an expectation of a promise", () => {
  test("that is not awaited is found", () => {
    expect(unawaited("x;\nexpect(ask(1)).rejects.toThrow();")).toEqual([2]);
    expect(unawaited("void expect(\n  ask(1),\n).resolves.toBe(1);")).toEqual([1]);
    expect(unawaited("await expect(ask((1), f())).rejects.toThrow(); return expect(a).resolves.toBe(1);")).toEqual([]);
    expect(unawaited("expect(told(1)).toBe(answer().resolves);")).toEqual([]);
  });

  test("is awaited in every test", () => {
    const found: string[] = [];
    for (const file of new Glob("test/**/*.ts").scanSync(ROOT)) {
      if (file.endsWith("guards/awaited.test.ts")) continue;
      for (const line of unawaited(readFileSync(join(ROOT, file), "utf8"))) found.push(`${file}:${line}`);
    }
    expect(found).toEqual([]);
  });
});
