/** Weights as `src/detect/classifier.ts` reads them. */
import { type Model, runNumber } from "./training.ts";

function packedRuns({ weights }: Model): { count: number; bytes: number[] } {
  const runs = [...weights]
    .map((weight, id) => ({ number: runNumber(id) >>> 0, weight }))
    .filter(({ weight }) => weight !== 0)
    .sort((a, b) => a.number - b.number);
  const bytes: number[] = [];
  let before = 0;
  for (const { number, weight } of runs) {
    let distance = number - before;
    for (; distance >= 0x80; distance = Math.floor(distance / 0x80)) bytes.push((distance % 0x80) | 0x80);
    bytes.push(distance, weight & 0xff);
    before = number;
  }
  return { count: runs.length, bytes };
}

/** The text of a module that holds the model. */
export function weightsModule(model: Model, threshold: number): string {
  const { count, bytes } = packedRuns(model);
  return `/** What every letter costs. */
export const TOLL = ${model.toll};
/** A stretch whose sum is above it is a match. */
export const THRESHOLD = ${threshold};
/** Runs there are. */
export const COUNT = ${count};
export const RUNS =
  "${Buffer.from(bytes).toString("base64")}";
`;
}
