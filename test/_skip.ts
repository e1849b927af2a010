/**
 * Tools that not every machine has. `npm test` runs wherever Node and npm do and says what it left out;
 * with SALLYPORT_NO_SKIP=1 (CI, which installs everything) a missing tool is a failure.
 */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";

/** Runs `body` as a test when `missing` is null; else prints why not. */
export function testUnless(
  missing: string | null,
  name: string,
  body: () => void | Promise<void>,
  timeout = 120_000,
): void {
  if (missing === null) {
    test(name, body, timeout);
    return;
  }
  console.log(`SKIP ${name}: ${missing}`);
  if (process.env.SALLYPORT_NO_SKIP === "1") {
    test(name, () => expect(`SKIP ${name}: ${missing}`).toBe("run"));
  }
}

/** Null when the program is on the PATH, else the reason to skip. */
export function tool(program: string): string | null {
  return Bun.which(program) === null ? `no ${program} on the PATH` : null;
}

/** A Python that can import the module, or why there is none. */
export function pythonWith(module: string): { python: string; missing: null } | { python: null; missing: string } {
  for (const python of ["python3", "/usr/bin/python3"]) {
    if (spawnSync(python, ["-c", `import ${module}`], { timeout: 60_000 }).status === 0)
      return { python, missing: null };
  }
  return { python: null, missing: `no python3 with ${module}` };
}
