/**
 * Measures what the engine detects over the corpora and writes docs/detection.md.
 *
 *   SALLYPORT_CORPORA=… bun scripts/eval/run.ts [--quick] [--out FILE] [--only NAME,…]
 *
 * `--quick` makes no model anew: no folds, no source left out. Exit code 0: every goal is kept; 1: one is not; 2: no corpora.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { corporaFiles, corporaFolder } from "./corpora.ts";
import { destinations } from "./destinations.ts";
import { detection } from "./detection.ts";
import { invariance } from "./invariance.ts";
import { latency } from "./latency.ts";
import { leftOut } from "./left-out.ts";
import { material } from "./material.ts";
import { AFTERWORD, FOREWORD } from "./prose.ts";
import { table } from "./report.ts";
import { secrets } from "./secrets-section.ts";
import type { Goal, Section } from "./section.ts";

const SECTIONS: Readonly<Record<string, readonly [string, Section]>> = {
  detection: ["Detection, corpus by corpus", detection],
  invariance: ["Invariance", invariance],
  "left-out": ["A source left out", leftOut],
  latency: ["Latency", latency],
  secrets: ["Secrets", secrets],
  destinations: ["Destinations", destinations],
};

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    out: { type: "string" },
    only: { type: "string" },
  },
});

const { missing } = corporaFiles();
if (missing.length > 0) {
  console.error(`No corpora in ${corporaFolder()}: ${missing.length} files are missing, first ${missing[0]}.`);
  console.error("Set SALLYPORT_CORPORA to the folder that holds attacks/, benign/, encoded/ and wire/.");
  process.exit(2);
}

const only = options.only?.split(",");
const bench = { material: material(), quick: options.quick };
const parts: string[] = [];
const goals: Goal[] = [];
for (const [name, [title, section]] of Object.entries(SECTIONS)) {
  if (only !== undefined && !only.includes(name)) continue;
  const started = performance.now();
  const result = await section(bench);
  if (result === null) continue;
  parts.push(`## ${title}\n\n${result.markdown}`);
  goals.push(...result.goals);
  console.error(`${title}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

const kept = table(
  ["goal", "wanted", "measured", ""],
  goals.map(({ what, wanted, measured, kept: isKept }) => [what, wanted, measured, isKept ? "kept" : "**missed**"]),
);
const text = [FOREWORD, kept, ...parts, AFTERWORD].join("\n\n");
console.log([kept, ...parts].join("\n\n"));
// Half an evaluation must not pass for a whole one.
const target = options.out ?? (options.quick || only !== undefined ? null : "docs/detection.md");
if (target !== null) writeFileSync(target, `${text}\n`);
process.exit(goals.every((goal) => goal.kept) ? 0 : 1);
