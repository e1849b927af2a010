import type { Problem } from "../config/config.ts";

/** "2 problems" and a line for each, with its hint under it; neighbours with one hint share it. */
export function problemList(problems: readonly Problem[]): string {
  const lines = problems.map(({ variable, problem, hint }, i) => {
    const shared = problems[i + 1]?.variable === variable && problems[i + 1]?.hint === hint;
    return `  ${variable} ${problem}\n${shared ? "" : `    ${hint}\n`}`;
  });
  return `${problems.length} problem${problems.length === 1 ? "" : "s"}\n${lines.join("")}`;
}
