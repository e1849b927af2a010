/**
 * Makes src/detect/weights.ts, the same bytes from the same corpora, seed and code (but for the date).
 *
 *   SALLYPORT_CORPORA=… bun scripts/eval/train.ts [--check]
 *
 * `--check` writes nothing and says whether the weights that are there would come out again; the project's own files are
 * learned from too, so they do only where those have not changed since. The threshold is taken where innocent rows that a
 * model has not learned from stay below it: five folds, each judged by a model made of the other four. Of whole documents,
 * long ones among them, the least are let through above it: they are what traffic is made of.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { corporaFiles, corporaFolder } from "./corpora.ts";
import { crossValidated, type Judged } from "./cross-validation.ts";
import { NO_FOLD, trainWithout } from "./folds.ts";
import { material, NEAR_MISSES, SEED } from "./material.ts";
import { NEVER } from "./own-benign.ts";
import { type Example, scoreOf } from "./training.ts";
import { weightsModule } from "./weights-file.ts";

const TARGET = "src/detect/weights.ts";
/** Shares of innocent rows that may be above the threshold, unseen. */
const MOST = { all: 0.0005, hard: 0.012, surroundings: 0.0015 } as const;

/**
 * Kinds of text that are in no fold score higher than those that are: licences, manuals, the libraries of a language. The
 * threshold stands so much above what the folds ask for; docs/detection.md says what it was chosen by.
 */
const MARGIN = 1.26;

function thresholdOf({ benign, hard, surroundings }: Judged): number {
  const reach = (scores: readonly number[], share: number): number =>
    [...scores].sort((a, b) => b - a)[Math.floor(scores.length * share)] ?? 0;
  return Math.max(reach(benign, MOST.all), reach(hard, MOST.hard), reach(surroundings, MOST.surroundings));
}

function sourcesOf(files: readonly string[]): string[] {
  return files.map((file) => {
    const digest = createHash("sha256")
      .update(readFileSync(join(corporaFolder(), file)))
      .digest("hex");
    return ` *   ${file} ${digest}`;
  });
}

const { files, missing } = corporaFiles();
if (missing.length > 0) {
  console.error(`No corpora in ${corporaFolder()}: ${missing.join(", ")}. Set SALLYPORT_CORPORA to their folder.`);
  process.exit(2);
}
const inputs = files.filter((file) => !file.startsWith("encoded/"));
const all = material();
const judged = crossValidated(all);
const model = trainWithout(all, () => false, NO_FOLD);
const known = new Map(
  all.own.filter(({ source }) => source === NEAR_MISSES).map((one, n) => [NEVER[n] as string, one]),
);
const never = NEVER.map((text) => scoreOf(model, known.get(text) as Example));
const threshold = Math.max(Math.round(MARGIN * thresholdOf(judged)), ...never);
const text = `/**
 * The weights of the linear judge, made by \`bun scripts/eval/train.ts\`: not to be edited. Base64 of the numbers of the runs
 * in their order, each as the distance to the one before, low groups of seven bits first, and one signed byte for its weight.
 *
 * Seed ${SEED}, ${new Date().toISOString().slice(0, 10)}. Learned from ${all.attacks.length} attack rows, ${all.benign.length} benign rows, ${all.surroundings.length} texts around them and ${all.own.length} of our own
 * (scripts/eval/own-*.ts), none of which can be read back from numbers of runs of letters. SHA-256 of the inputs:
${sourcesOf(inputs).join("\n")}
 */

${weightsModule(model, threshold)}`;

if (process.argv.includes("--check")) {
  const undated = (source: string): string => source.replace(/\d{4}-\d\d-\d\d/, "");
  const same = undated(readFileSync(TARGET, "utf8")) === undated(text);
  console.log(same ? "The weights come out again." : "Other weights come out.");
  process.exit(same ? 0 : 1);
}
writeFileSync(TARGET, text);
const share = (scores: readonly number[]): string =>
  `${scores.filter((score) => score > threshold).length}/${scores.length}`;
console.log(
  `threshold ${threshold}; above it, unseen: direct ${share(judged.direct)}, indirect ${share(judged.indirect)}, benign ${share(judged.benign)}, hard ${share(judged.hard)}, surroundings ${share(judged.surroundings)}`,
);
