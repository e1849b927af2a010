/**
 * package.json and deno.json export the same entries, each of which exists, under one version.
 *
 * Why: the two lists are read by different programs and nobody sees both at once. An entry present in one only is a
 * library that works on the author's runtime and is missing on the other.
 */
import { existsSync, readFileSync } from "node:fs";

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

/** Conditions that lead into dist/lib: a stranger's compiler must not be made to check our source. */
const BUILT = [
  ["types", ".d.ts"],
  ["default", ".js"],
] as const;

function builtOf(source: string | undefined, ending: string): string | undefined {
  return source?.replace(/^\.\/src\//, "./dist/lib/").replace(/\.ts$/, ending);
}

/** The source file an entry names: the entry itself, or what the runtime that reads TypeScript in packages is given. */
function sourceOf(entry: string | Readonly<Record<string, string>> | undefined): string | undefined {
  return typeof entry === "string" || entry === undefined ? entry : entry.bun;
}

export function checkExports(npm: Manifest, deno: Manifest, exists: (path: string) => boolean): string[] {
  const problems: string[] = [];
  if (npm.version !== deno.version)
    problems.push(`version ${npm.version} in package.json, ${deno.version} in deno.json`);
  for (const name of new Set([...Object.keys(npm.exports), ...Object.keys(deno.exports)])) {
    const [here, there] = [sourceOf(npm.exports[name]), sourceOf(deno.exports[name])];
    if (here !== there)
      problems.push(`"${name}" is ${here ?? "missing"} in package.json, ${there ?? "missing"} in deno.json`);
    const entry = npm.exports[name];
    if (typeof entry === "object") {
      for (const [condition, ending] of BUILT) {
        if (entry[condition] !== builtOf(here, ending)) problems.push(`"${name}" has another ${condition} file`);
      }
      // Deno refuses TypeScript under node_modules: from npm it takes what is built, from JSR the source.
      if ("deno" in entry) problems.push(`"${name}" must not have a deno condition`);
    }
    for (const path of new Set([here, there])) {
      if (path !== undefined && !exists(path)) problems.push(`"${name}" names ${path}, which does not exist`);
    }
  }
  return problems;
}

if (import.meta.main) {
  const read = (path: string): Manifest => JSON.parse(readFileSync(path, "utf8"));
  const problems = checkExports(read("package.json"), read("deno.json"), existsSync);
  for (const problem of problems) console.error(problem);
  console.log(`${problems.length} differences between package.json and deno.json`);
  process.exit(problems.length === 0 ? 0 : 1);
}
