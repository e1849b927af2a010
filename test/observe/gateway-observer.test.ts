import { expect, test } from "bun:test";
import type { CertificateDraft } from "../../src/model/certificate.ts";
import { gatewayMetrics } from "../../src/observe/gateway-metrics.ts";
import { gatewayObserver } from "../../src/observe/gateway-observer.ts";
import { Log } from "../../src/observe/log.ts";
import { renderPrometheus } from "../../src/observe/prometheus.ts";
import { runtime } from "../../src/runtime/bun.ts";

const DRAFT: CertificateDraft = {
  verdict: "allow",
  would: null,
  mode: "enforce",
  reason: "no rule against it",
  matched_pillar: null,
  matched_vector: null,
  caller: "sidecar.forward_proxy.egress",
  latency_ms: 0.25,
  content_hash: null,
  content_bytes: 12,
  forwarded_hash: null,
  phase: "request",
  parent: null,
  rule: null,
  policy_version: null,
  attestation_hash: null,
  agent: null,
  addresses: ["127.0.0.1"],
  request: { door: "forward", method: "GET", scheme: "http", host: "a.test", port: 80, path: "/", target_hash: "0" },
};

test("gatewayObserver writes one line a decision and counts what happened", () => {
  const writes: string[] = [];
  const log = new Log(
    { ...runtime, stderr: (text) => void writes.push(text) },
    { level: "error", format: "json", decisions: true },
  );
  const metrics = gatewayMetrics();
  const observer = gatewayObserver(log, metrics);
  observer.fault("pipeline_crashed", new Error("boom"));
  observer.noticed(431, "head_too_large", "192.0.2.1");
  const veto = { ...DRAFT, verdict: "block" as const, matched_pillar: "128", matched_vector: "706" };
  observer.decided(veto);
  observer.concluded(veto, "cert_1", "192.0.2.1", { answered: 451, bytesUp: 0, bytesDown: 0, error: null }, 1);
  observer.decided(DRAFT);
  observer.concluded(DRAFT, "cert_2", "192.0.2.2", { answered: 200, bytesUp: 12, bytesDown: 34, error: null }, 3);
  observer.decided(DRAFT);
  observer.concluded(
    DRAFT,
    "cert_3",
    "192.0.2.2",
    { answered: 502, bytesUp: 0, bytesDown: 0, error: "dial_failed" },
    3,
  );
  const inside = { ...DRAFT, phase: "response" as const, verdict: "block" as const, matched_vector: "dlp_secret" };
  for (let i = 0; i < 3; i++) observer.decidedInside(inside, `cert_4${i}`, "192.0.2.2");
  log.flush();
  const lines = writes
    .join("")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map((line) => [line.verdict ?? null, line.error ?? line.code ?? null])).toEqual([
    [null, "pipeline_crashed"],
    [null, "head_too_large"],
    ["block", null],
    ["allow", null],
    ["allow", "dial_failed"],
    ["block", null],
    ["block", null],
    ["block", null],
  ]);
  const text = renderPrometheus([metrics.registry.snapshot()]);
  for (const expected of [
    'sallyport_decisions_total{verdict="block",pillar="128",vector="706"} 1',
    'sallyport_decisions_total{verdict="allow",pillar="",vector=""} 2',
    // Of what is decided inside an exchange, its decisions are counted; the exchange is one.
    'sallyport_decisions_total{verdict="block",pillar="",vector="dlp_secret"} 3',
    "sallyport_decision_seconds_count 6",
    "sallyport_request_seconds_count 3",
    'sallyport_answers_total{status="200"} 1',
    'sallyport_answers_total{status="451"} 1',
    'sallyport_answers_total{status="502"} 1',
    'sallyport_answers_total{status="431"} 1',
    'sallyport_rejected_total{code="head_too_large"} 1',
    'sallyport_upstream_errors_total{code="dial_failed"} 1',
    'sallyport_faults_total{code="pipeline_crashed"} 1',
    'sallyport_bytes_total{direction="down"} 34',
  ]) {
    expect(text).toContain(`${expected}\n`);
  }
});

test("gatewayObserver counts what shadow let go", () => {
  const metrics = gatewayMetrics();
  const quiet = new Log({ ...runtime, stderr: () => {} }, { level: "error", format: "json", decisions: false });
  const observer = gatewayObserver(quiet, metrics);
  observer.decided({ ...DRAFT, mode: "shadow", would: "block", matched_vector: "dlp_pii" });
  observer.decided({ ...DRAFT, mode: "shadow", would: "block", matched_vector: "dlp_pii" });
  expect(renderPrometheus([metrics.registry.snapshot()])).toContain(
    'sallyport_shadow_total{would="block",vector="dlp_pii"} 2\n',
  );
});
