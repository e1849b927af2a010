// Runs the tests with nothing but Node and npm on the machine, says what was skipped, and closes with one line.
// With SALLYPORT_NO_SKIP=1 a skipped test is a failed one. Arguments are handed to `bun test`.
// What failed is said once more before that line, with what was printed about it: of a long run only the end is read.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(import.meta.url), "../..");
const bun = join(root, "node_modules/.bin", process.platform === "win32" ? "bun.cmd" : "bun");
// No test is a timing: a machine under load may take its time, and what hangs is found all the same.
const child = spawn(bun, ["test", "--timeout=120000", ...process.argv.slice(2)], {
  cwd: root,
  // What Deno has made of the source is kept for all that start it (test/_preload.ts, which not every spawn would know of).
  env: { ...process.env, DENO_DIR: process.env.DENO_DIR ?? join(root, "node_modules/.cache/deno") },
  stdio: ["ignore", "pipe", "pipe"],
});

const skipped = new Set();
const counts = { pass: 0, fail: 0, skip: 0, error: 0 };

/** Lines kept of what a failed test printed, and failed tests that are told of so. */
const TELL_LINES = 40;
const TELL_TESTS = 20;
const told = [];
let file = "";

/** Hands the text on as it comes and reads it line by line. */
function follow(stream, out) {
  let rest = "";
  let since = [];
  stream.setEncoding("utf8");
  stream.on("data", (text) => {
    out.write(text);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const raw of lines) {
      const line = raw.replace(/\u001b\[[0-9;]*m/g, "");
      const skip = /^SKIP (.*)$/.exec(line);
      if (skip !== null) skipped.add(skip[1]);
      const heading = /^(\S+\.test\.ts):$/.exec(line);
      const verdict = /^\((pass|fail|skip)\) (.*)$/.exec(line);
      if (heading !== null) file = heading[1];
      if (verdict?.[1] === "fail") told.push({ file, name: verdict[2], lines: since });
      if (heading !== null || verdict !== null) since = [];
      else if (since.push(line) > TELL_LINES) since.shift();
      const count = /^\s*(\d+) (pass|fail|skip|errors?)$/.exec(line);
      if (count !== null) counts[count[2].replace("errors", "error")] = Number(count[1]);
    }
  });
}

follow(child.stdout, process.stdout);
follow(child.stderr, process.stderr);
child.on("error", (error) => {
  console.log(`bun cannot be started (${error.message}): run npm ci first`);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
});
child.on("close", (code) => {
  const strict = process.env.SALLYPORT_NO_SKIP === "1";
  if (skipped.size > 0) {
    console.log(`\n${skipped.size} skipped:`);
    for (const line of skipped) console.log(`SKIP ${line}`);
  }
  let failed = counts.fail + counts.error;
  // In a strict run a missing tool has already failed as a test; what bun itself skipped has not.
  if (strict) failed += counts.skip;
  if (failed === 0 && (code !== 0 || counts.pass === 0 || (strict && skipped.size > 0))) failed = 1;
  // Bun names every failed test a second time in its own recap, without what was printed.
  const seen = new Set();
  for (const one of told) {
    const key = one.name.replace(/ \[[\d.]+m?s\]$/, "");
    if (seen.has(key) || seen.size === TELL_TESTS) continue;
    seen.add(key);
    console.log(`\nFAILED ${one.file}: ${one.name}`);
    for (const line of one.lines) console.log(`  | ${line}`);
  }
  console.log(`${counts.pass} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
});
