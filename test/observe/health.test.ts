import { expect, test } from "bun:test";
import { Health, liveness, readiness } from "../../src/observe/health.ts";

function health(change: Partial<Health>): Health {
  return Object.assign(new Health(), { phase: "ready" }, change);
}

test.each([
  ["starting", { phase: "starting" }],
  ["draining", { phase: "draining" }],
  ["evidence_unwritable", { evidenceDown: true }],
] as const)("readiness is 503 %s when one of several processes is", (status, change) => {
  const answer = readiness([health({}).snapshot(), health(change).snapshot()], false);
  expect(answer.status).toBe(503);
  expect(JSON.parse(answer.body).status).toBe(status);
});

test("readiness of no process at all is 503", () => {
  expect(readiness([], false).status).toBe(503);
});

test("readiness is 200 with a header when the policy is stale or the plane down", () => {
  const answer = readiness([health({ policyStale: true, planeDown: true, limitsDown: true }).snapshot()], false);
  expect(answer.status).toBe(200);
  expect(answer.headers.join(" ")).toContain("X-EVE-Degraded policy_stale, plane_down, limits_down");
});

test("readiness is 503 for the same when strict", () => {
  expect(readiness([health({ planeDown: true }).snapshot()], true).status).toBe(503);
  expect(readiness([health({ limitsDown: true }).snapshot()], true).status).toBe(503);
  expect(readiness([health({}).snapshot()], true).status).toBe(200);
});

test("Health starts unready", () => {
  expect(readiness([new Health().snapshot()], false).status).toBe(503);
  expect(liveness().status).toBe(200);
});
