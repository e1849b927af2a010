// Runs the tests with nothing but Node and npm on the machine, says what was skipped, and closes with one line.
// With SALLYPORT_NO_SKIP=1 a skipped test is a failed one. Arguments are handed to `bun test`.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(import.meta.url), "../..");
const bun = join(root, "node_modules/.bin", process.platform === "win32" ? "bun.cmd" : "bun");
// No test is a timing: a machine under load may take its time, and what hangs is found all the same.
const child = spawn(bun, ["test", "--timeout=60000", ...process.argv.slice(2)], {
  cwd: root,
  stdio: ["ignore", "pipe", "pipe"],
});

const skipped = new Set();
const counts = { pass: 0, fail: 0, skip: 0, error: 0 };

/** Hands the text on as it comes and reads it line by line. */
function follow(stream, out) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text) => {
    out.write(text);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const raw of lines) {
      const line = raw.replace(/\u001b\[[0-9;]*m/g, "");
      const skip = /^SKIP (.*)$/.exec(line);
      if (skip !== null) skipped.add(skip[1]);
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
  console.log(`${counts.pass} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
});
