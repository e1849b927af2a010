/**
 * No file in src/ is over 400 lines; those over 300 are named.
 *
 * Why: a reviewer of a security gateway must be able to hold one file in mind. A file that has grown past that does two
 * things, and the second is where the bug is. Aim for 150; tests and scripts are exempt.
 */
import { readFileSync } from "node:fs";
import { Glob } from "bun";

export const LIMIT = 400;
export const LOOK_AGAIN = 300;

export function checkSizes(lines: ReadonlyMap<string, number>): { over: string[]; long: string[] } {
  const over: string[] = [];
  const long: string[] = [];
  for (const [path, count] of lines) {
    if (count > LIMIT) over.push(`${path}: ${count} lines, ${LIMIT} is the limit`);
    else if (count > LOOK_AGAIN) long.push(`${path}: ${count} lines`);
  }
  return { over, long };
}

export function countLines(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

if (import.meta.main) {
  const lines = new Map<string, number>();
  for (const path of new Glob("src/**/*.ts").scanSync(".")) lines.set(path, countLines(readFileSync(path, "utf8")));
  const { over, long } = checkSizes(lines);
  for (const line of long) console.log(`look again: ${line}`);
  for (const line of over) console.error(line);
  console.log(`${lines.size} files, ${over.length} over ${LIMIT} lines`);
  process.exit(over.length === 0 ? 0 : 1);
}
