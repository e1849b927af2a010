/** A candidate policy in a running gateway: it is seen in status, metrics and its file, and in no answer. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderPrometheus } from "../../src/observe/prometheus.ts";
import { until } from "../e2e/_gateway.ts";
import { exchange } from "../e2e/_raw.ts";
import { startInProcess } from "./_in-process.ts";
import { get, ok, Upstream } from "./_rig.ts";

test("a candidate is counted and written, reloaded with the policy in force, and harms it in no state", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-candidate-"));
  const policy = join(folder, "policy.yaml");
  const candidate = join(folder, "candidate.yaml");
  writeFileSync(policy, "version: 1\ndefault: allow\n");
  writeFileSync(candidate, "this is no policy\n");
  const upstream = await Upstream.start();
  upstream.answers(() => ok("x"));
  const inside = await startInProcess({
    EVE_PROXY_AUDIT_PATH: join(folder, "log", "events.jsonl"),
    EVE_PROXY_POLICY: policy,
    EVE_PROXY_POLICY_CANDIDATE: candidate,
  });
  const asks = async () => (await exchange(inside.port, get(upstream.at))).status;
  const metrics = () => renderPrometheus([inside.gateway.metrics.registry.snapshot()]);
  try {
    expect(await asks()).toBe(200);
    expect(inside.gateway.status()).toMatchObject({
      candidate: { version: null, problem: expect.stringContaining("policy") },
    });
    expect(inside.gateway.status()).toMatchObject({ policyProblem: null, health: { policyStale: false } });
    writeFileSync(candidate, "version: 1\ndefault: deny\n");
    expect(await inside.gateway.reload()).toMatchObject({ ok: true });
    expect(await asks()).toBe(200);
    await until(
      () => metrics().includes('sallyport_candidate_differences_total{from="allow",to="block"} 1\n'),
      "counted",
    );
    writeFileSync(candidate, "version: 2\n");
    expect(await inside.gateway.reload()).toMatchObject({ ok: true, message: expect.stringContaining("candidate") });
    expect(inside.gateway.status()).toMatchObject({
      health: { policyStale: false },
      candidate: { problem: expect.any(String) },
    });
    expect(await asks()).toBe(200);
  } finally {
    await inside.stop();
    upstream.stop();
  }
  const lines = readFileSync(join(folder, "log", "candidate.jsonl"), "utf8")
    .trim()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { from: { verdict: "allow" }, to: { verdict: "block", rule: "default" } },
    { from: { verdict: "allow" }, to: { verdict: "block", rule: "default" } },
  ]);
  const ids = readFileSync(join(folder, "log", "events.jsonl"), "utf8");
  for (const line of lines) expect(ids).toContain(JSON.parse(line).certificate_id);
  rmSync(folder, { recursive: true });
});
