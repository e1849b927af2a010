/**
 * What a file of src/ exports, another file names.
 *
 * Why: an export says that others stand on it, and whoever changes it looks for them. One that nobody names is either a
 * detail that was let out or what is left of code that is gone.
 */
import { readFileSync } from "node:fs";
import { Glob } from "bun";

const EXPORTED = /^export (?:async )?(?:const|let|function\*?|class|enum) (\w+)/gm;
const WORD = /[A-Za-z_$][\w$]*/g;

/** Path and text of every file; `unused: path: name` for each value that one in src/ exports and no other file has the word of. */
export function unused(files: ReadonlyMap<string, string>, entries: ReadonlySet<string>): string[] {
  const filesOf = new Map<string, number>();
  for (const text of files.values()) {
    for (const word of new Set(text.match(WORD))) filesOf.set(word, (filesOf.get(word) ?? 0) + 1);
  }
  const found: string[] = [];
  for (const [path, text] of files) {
    if (!path.startsWith("src/") || entries.has(path)) continue;
    for (const [, name = ""] of text.matchAll(EXPORTED))
      if (filesOf.get(name) === 1) found.push(`unused: ${path}: ${name}`);
  }
  return found;
}

if (import.meta.main) {
  const files = new Map<string, string>();
  for (const path of new Glob("{src,test,scripts}/**/*.{ts,mjs}").scanSync("."))
    files.set(path, readFileSync(path, "utf8"));
  const { exports } = JSON.parse(readFileSync("deno.json", "utf8")) as { exports: Record<string, string> };
  const problems = unused(files, new Set(Object.values(exports).map((path) => path.replace("./", ""))));
  for (const problem of problems) console.error(problem);
  console.log(`${problems.length} exports that nobody names`);
  process.exit(problems.length === 0 ? 0 : 1);
}
