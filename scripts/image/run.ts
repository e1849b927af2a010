/** What the scripts of the image and of releases ask of other programs. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** Standard output as text. Throws with what the program complained about. */
export function output(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): string {
  const run = Bun.spawnSync([...command], {
    stdin: "ignore",
    stderr: "pipe",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, LC_ALL: "C", ...options.env },
  });
  if (run.exitCode !== 0) throw new Error(`${command.join(" ")} failed: ${run.stderr.toString().trim()}`);
  return run.stdout.toString();
}

/** Hex of the sha256. */
export function digestOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The program that is to be packed. Ends the process when there is none: without a build nothing else can be done. */
export function builtBinary(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    console.error(`no ${path}: npm run build -- host`);
    process.exit(1);
  }
}

/** Seconds since the epoch that every file of a build carries: SOURCE_DATE_EPOCH, else the time of the commit. */
export function sourceDate(): number {
  const given = process.env.SOURCE_DATE_EPOCH ?? output(["git", "log", "-1", "--format=%ct"]).trim();
  if (!/^\d{1,11}$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH is not a number of seconds: "${given}"`);
  return Number(given);
}
