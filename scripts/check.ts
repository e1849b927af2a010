/**
 * The one gate: what must hold before anything is merged, in the order of how soon it answers.
 *
 *   npm run check [step …]
 *
 * The tests are `npm test` itself, so the gate and the tests cannot come to differ.
 */
import { join } from "node:path";

const bin = (name: string): string => join("node_modules/.bin", name);

const STEPS: readonly (readonly [name: string, ...command: string[]])[] = [
  ["types of the core, which knows no runtime", bin("tsc"), "-p", "tsconfig.json"],
  ["types of the rest, under Bun", bin("tsc"), "-p", "tsconfig.runtime.json"],
  ["types under Deno", bin("deno"), "check", "src/main.ts", "test/conformance/run.ts"],
  ["lint and format", bin("biome"), "ci", "--error-on-warnings", "--colors=off"],
  ["guard: imports", bin("bun"), "scripts/guard-imports.ts"],
  ["guard: sizes", bin("bun"), "scripts/guard-sizes.ts"],
  ["guard: exports", bin("bun"), "scripts/guard-exports.ts"],
  ["guard: unused", bin("bun"), "scripts/guard-unused.ts"],
  ["guard: the manual is the schema's", bin("bun"), "scripts/config-doc.ts", "--check"],
  ["guard: the schema for editors is the policy's", bin("bun"), "scripts/policy-schema.ts", "--check"],
  ["guard: the API's document is the schemas'", bin("bun"), "scripts/openapi-doc.ts", "--check"],
  ["guard: the values of the chart are the settings'", bin("bun"), "scripts/chart-schema.ts", "--check"],
  ["tests: unit, conformance on Bun and Deno, end to end", "node", "scripts/test.mjs"],
];

const wanted = process.argv.slice(2);
const failed: string[] = [];
for (const [name, ...command] of STEPS) {
  if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
  const start = performance.now();
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const good = (await child.exited) === 0;
  console.log(`${good ? "ok    " : "FAILED"} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  const said = good
    ? `${out}${err}`.split("\n").filter((line) => /^look again|^SKIP |passed, \d+ failed$/.test(line))
    : [out, err];
  for (const line of new Set(said)) if (line !== "") console.log(`       ${line.trimEnd()}`);
  if (!good) failed.push(name);
}
console.log(failed.length === 0 ? "check passed" : `check failed: ${failed.join("; ")}`);
process.exit(failed.length === 0 ? 0 : 1);
