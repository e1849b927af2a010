import { expect, test } from "bun:test";
import { killRepeatedly } from "./kill9.ts";

test("kill -9 under load, with rotation and reload: every answer has its line and every log verifies", async () => {
  const report = await killRepeatedly(10);
  expect(report.problems).toEqual([]);
  expect(report.rounds).toBe(10);
  expect(report.files).toBeGreaterThan(1);
}, 120_000);
