/** A whole gateway whose plane allows, is remembered, goes away: every answer has a certificate that says how it came about. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderPrometheus } from "../../src/observe/prometheus.ts";
import { exchange } from "../e2e/_raw.ts";
import { type InProcess, startInProcess } from "./_in-process.ts";
import { get, ok, post, Upstream } from "./_rig.ts";

let folder: string;
let upstream: Upstream;
let plane: http.Server;
let inside: InProcess;
let questions: number;
let answer: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-plane-down-"));
  questions = 0;
  upstream = await Upstream.start();
  upstream.answers(() => ok("x"));
  plane = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      questions += 1;
      if (answer === "") request.socket.destroy();
      else response.writeHead(200, { "content-type": "application/json" }).end(answer);
    });
  });
  // Not on the address of the upstream: the plane is nobody's destination.
  await new Promise<void>((resolve) => plane.listen(0, "127.0.0.3", resolve));
  inside = await startInProcess({
    EVE_PROXY_AUDIT_PATH: join(folder, "events.jsonl"),
    EVE_PROXY_GOVERNANCE_URL: `http://127.0.0.3:${(plane.address() as AddressInfo).port}`,
    EVE_PROXY_DEGRADED: "reads",
  });
});
afterEach(async () => {
  await inside.stop();
  plane.closeAllConnections();
  plane.close();
  upstream.stop();
  rmSync(folder, { recursive: true });
});

const reads = async (path: string) => (await exchange(inside.port, get(upstream.at, path))).status;
const writes = async () => (await exchange(inside.port, post(upstream.at, "{}"))).status;
const metrics = () => renderPrometheus([inside.gateway.metrics.registry.snapshot()]);
const certificates = (): Record<string, unknown>[] =>
  readFileSync(join(folder, "events.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a remembered read is not asked about, and is certified as that; the kill switch makes it forgotten", async () => {
  answer = '{"decision":"allow","policy_version":"p1","rule":"r7","ttl_s":600,"reason":"reading is fine"}';
  await reads("/first");
  for (let i = 0; i < 4; i++) expect(await reads("/a")).toBe(200);
  expect(questions).toBe(2);
  const all = certificates();
  expect(all).toHaveLength(5);
  expect(all.slice(1).map(({ reason }) => reason)).toEqual([
    "reading is fine",
    ...Array.from({ length: 3 }, () => "from the decision cache: reading is fine"),
  ]);
  expect(new Set(all.map(({ certificate_id: id }) => id)).size).toBe(5);
  for (const each of all) expect(each).toMatchObject({ mode: "enforce", rule: "r7", policy_version: "p1" });
  expect(metrics()).toContain('sallyport_decision_cache_total{result="hit"} 3\n');
  inside.gateway.kill({ on: true, reason: "", since: null, sources: ["admin"] });
  expect(await reads("/a")).toBe(451);
  inside.gateway.kill({ on: false, reason: "", since: null, sources: [] });
  expect(await reads("/a")).toBe(200);
  expect(questions).toBe(3);
});

test("while it is down what it allowed passes and says so; everything else is a signed 503", async () => {
  answer = '{"decision":"allow","policy_version":"p1"}';
  expect(await reads("/items/1")).toBe(200);
  expect(await writes()).toBe(200);
  answer = "";
  for (let i = 0; i < 5; i++) expect(await writes()).toBe(503);
  expect(await writes()).toBe(503);
  expect(await reads("/items/2?page=3")).toBe(200);
  expect(await reads("/others/2")).toBe(503);
  const [passed, refused] = certificates().slice(-2);
  expect(passed).toMatchObject({ verdict: "allow", mode: "degraded", matched_pillar: null, policy_version: null });
  expect(refused).toMatchObject({ verdict: "fail_closed", matched_vector: "breaker_open", mode: "enforce" });
  expect(metrics()).toContain("sallyport_degraded_total 1\n");
});
