import type { FamilySnapshot, Merge, MetricsSnapshot, SeriesSnapshot } from "./metrics.ts";

export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

interface Merged {
  readonly about: FamilySnapshot;
  readonly series: Map<string, SeriesSnapshot>;
}

/** The text exposition of one process's metrics, or of several processes' taken together. */
export function renderPrometheus(snapshots: readonly MetricsSnapshot[]): string {
  const families = new Map<string, Merged>();
  for (const family of snapshots.flat()) {
    const merged = families.get(family.name) ?? { about: family, series: new Map<string, SeriesSnapshot>() };
    families.set(family.name, merged);
    for (const series of family.series) {
      const key = series.labels.join("\u0000");
      const known = merged.series.get(key);
      merged.series.set(key, known === undefined ? series : join(known, series, merged.about.merge));
    }
  }
  return [...families.values()].map(render).join("");
}

function join(a: SeriesSnapshot, b: SeriesSnapshot, merge: Merge): SeriesSnapshot {
  const value =
    merge === "sum" ? a.value + b.value : merge === "max" ? Math.max(a.value, b.value) : Math.min(a.value, b.value);
  const counts = a.counts === null ? null : a.counts.map((count, i) => count + (b.counts?.[i] ?? 0));
  return { labels: a.labels, value, counts };
}

function render({ about, series }: Merged): string {
  const { name, help, kind, labels, bounds } = about;
  let text = `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${kind}\n`;
  for (const { labels: values, value, counts } of series.values()) {
    const pairs = labels.map((label, i) => `${label}="${escaped(values[i] ?? "")}"`);
    if (counts === null) {
      text += `${name}${braces(pairs)} ${value}\n`;
      continue;
    }
    let total = 0;
    for (let i = 0; i < counts.length; i++) {
      total += counts[i] ?? 0;
      text += `${name}_bucket${braces([...pairs, `le="${bounds?.[i] ?? "+Inf"}"`])} ${total}\n`;
    }
    text += `${name}_sum${braces(pairs)} ${value}\n${name}_count${braces(pairs)} ${total}\n`;
  }
  return text;
}

function braces(pairs: readonly string[]): string {
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
