/** How long one inspection takes, per kilobyte of body; the machine is whatever it is, so only shapes are comparable. */
import { chatBody, inspect } from "./detector.ts";
import { quantile, table } from "./report.ts";
import type { Section } from "./section.ts";

const SIZES = [150, 1_000, 10_000, 100_000] as const;
const BODIES = 60;
const REPEATS = 7;

export const latency: Section = ({ material }) => {
  const texts = [...material.benign, ...material.attacks].map(({ row }) => row.text);
  const rows = SIZES.map((size) => {
    const bodies = Array.from({ length: BODIES }, (_, n) => {
      let text = "";
      for (let i = n * 37; text.length < size; i++) text += `${texts[i % material.benign.length]}\n`;
      return chatBody(text.slice(0, size));
    });
    for (const body of bodies) inspect(body);
    const times = bodies.map((body) => {
      const runs = Array.from({ length: REPEATS }, () => {
        const started = performance.now();
        inspect(body);
        return 1000 * (performance.now() - started);
      });
      return quantile(runs, 0.5);
    });
    const perKb = times.map((time, n) => (1000 * time) / (bodies[n]?.length ?? 1));
    const show = (value: number): string => value.toFixed(1);
    return [
      `${size}`,
      show(quantile(times, 0.5)),
      show(quantile(times, 0.99)),
      show(quantile(perKb, 0.5)),
      show(quantile(perKb, 0.99)),
    ];
  });
  return {
    markdown: table(["bytes of benign text", "p50 µs", "p99 µs", "p50 µs per kB", "p99 µs per kB"], rows),
    goals: [],
  };
};
