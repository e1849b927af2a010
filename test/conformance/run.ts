/** Runs the checks (or those whose name holds an argument) under whichever runtime started this file. */
import { runtime } from "#runtime";
import { checks, play } from "./body.ts";

const LIMIT_MS = 120_000;

async function main(): Promise<void> {
  const [first = "", role = "", ...rest] = runtime.args;
  if (first === "role") return play(runtime, role, rest);
  let failures = 0;
  for (const [name, check] of Object.entries(checks)) {
    if (!name.includes(first)) continue;
    const start = runtime.monotonic();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("took too long")), LIMIT_MS);
    });
    let line = `ok ${name}`;
    try {
      await Promise.race([check(runtime), limit]);
    } catch (error) {
      failures++;
      line = `not ok ${name}: ${String(error instanceof Error ? error.message : error).replaceAll("\n", " ")}`;
    }
    clearTimeout(timer);
    runtime.stdout(`${line} (${Math.round(runtime.monotonic() - start)} ms)\n`);
  }
  runtime.exit(failures === 0 ? 0 : 1);
}

await main();
