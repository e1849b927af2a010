import { expect, test } from "bun:test";
import { gatewayMetrics } from "../../src/observe/gateway-metrics.ts";
import { Metrics } from "../../src/observe/metrics.ts";
import { renderPrometheus } from "../../src/observe/prometheus.ts";

test("Family.with stays bounded when label values come from strangers", () => {
  const metrics = new Metrics();
  const family = metrics.counter("hits", "Hits.", { labels: ["code"], maxSeries: 3 });
  for (let i = 0; i < 1000; i++) family.with(`code-${i}`).inc();
  family.with("x".repeat(10_000)).inc();
  const series = family.snapshot();
  expect(series.map((s) => s.labels[0])).toEqual(["code-0", "code-1", "code-2", "other"]);
  expect(series.at(-1)?.value).toBe(998);
});

test("Family.with refuses the wrong number of labels", () => {
  const family = new Metrics().counter("hits", "Hits.", { labels: ["a", "b"] });
  expect(() => family.with("one")).toThrow("expected 2 label values");
});

test("Metrics refuses a name twice", () => {
  const metrics = new Metrics();
  metrics.counter("hits", "Hits.");
  expect(() => metrics.gauge("hits", "Hits.", "sum")).toThrow('"hits" is registered twice');
});

test("renderPrometheus escapes label values", () => {
  const metrics = new Metrics();
  metrics
    .counter("hits", "Hits.", { labels: ["code"] })
    .with('a"b\\c\nd')
    .inc();
  expect(renderPrometheus([metrics.snapshot()])).toContain('hits{code="a\\"b\\\\c\\nd"} 1\n');
});

test("Histogram puts a bound's own value into its bucket", () => {
  const metrics = new Metrics();
  const histogram = metrics.histogram("took", "Took.", [0.125, 1]).with();
  for (const value of [0.0625, 0.125, 0.25, 1, 7]) histogram.observe(value);
  expect(renderPrometheus([metrics.snapshot()])).toBe(
    "# HELP took Took.\n# TYPE took histogram\n" +
      'took_bucket{le="0.125"} 2\ntook_bucket{le="1"} 4\ntook_bucket{le="+Inf"} 5\n' +
      "took_sum 8.4375\ntook_count 5\n",
  );
});

test("renderPrometheus takes workers together, each metric by its own rule", () => {
  const [one, two] = [gatewayMetrics(), gatewayMetrics()];
  for (const m of [one, two]) {
    m.decisions.with("allow", "", "").inc();
    m.evidenceWritable.set(1);
    m.requestSeconds.observe(0.2);
    m.connections.add(2);
  }
  two.decisions.with("block", "CoreGuard", "blocked_host").add(3);
  two.evidenceWritable.set(0);
  one.policyStale.set(1);
  // Workers hand their snapshots over as JSON.
  const sent = JSON.parse(JSON.stringify([one.registry.snapshot(), two.registry.snapshot()]));
  const text = renderPrometheus(sent);
  expect(text).toContain('sallyport_decisions_total{verdict="allow",pillar="",vector=""} 2\n');
  expect(text).toContain('sallyport_decisions_total{verdict="block",pillar="CoreGuard",vector="blocked_host"} 3\n');
  expect(text).toContain("sallyport_evidence_writable 0\n");
  expect(text).toContain("sallyport_policy_stale 1\n");
  expect(text).toContain("sallyport_connections 4\n");
  expect(text).toContain("sallyport_request_seconds_count 2\n");
  expect(text.match(/# TYPE sallyport_connections /g)).toHaveLength(1);
});

test("Metrics.collect sets gauges just before they are read", () => {
  const m = gatewayMetrics();
  let memory = 1;
  m.registry.collect(() => m.memoryBytes.set(memory));
  memory = 4096;
  expect(renderPrometheus([m.registry.snapshot()])).toContain("process_resident_memory_bytes 4096\n");
});
