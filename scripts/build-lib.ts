/**
 * The library for programs that do not read TypeScript: dist/lib, one .js and one .d.ts a module.
 *
 *   npm run build:lib [-- DIR]
 *
 * Modules, not bundles: FailClosedError must be the same class whichever entry it is imported from, and dependencies
 * stay imports, so that the installer of the package decides on their versions. Modules that only types lead to (the
 * runtime contract, the configuration) would be empty or unreachable code: of those the .js is not shipped.
 */
import { readFileSync, rmSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";
import { importsOf } from "./guard-imports.ts";

const out = process.argv[2] ?? "dist/lib";
rmSync(out, { recursive: true, force: true });
const tsc = Bun.spawn(["node_modules/.bin/tsc", "-p", "tsconfig.lib.json", "--outDir", out], {
  stdio: ["ignore", "inherit", "inherit"],
});
if ((await tsc.exited) !== 0) process.exit(1);

const reached = new Set<string>();
const queue = ["mod.js", "lib-enforce.js", "lib-verify.js"];
for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
  if (reached.has(path)) continue;
  reached.add(path);
  for (const target of importsOf(readFileSync(join(out, path), "utf8"))) {
    if (target.startsWith(".")) queue.push(normalize(join(dirname(path), target)));
  }
}
for (const path of new Glob("**/*.js").scanSync(out)) if (!reached.has(path)) rmSync(join(out, path));
console.log(`${out}: ${reached.size} modules`);
