/** Before and after all tests of a run (bunfig.toml). */
import { afterAll } from "bun:test";
import { join } from "node:path";
import { endAll } from "./_at-the-end.ts";

// Deno keeps what it has made of the source in its folder, below the HOME of whoever starts it. Every test has a HOME of its
// own, so each start would translate everything anew: seconds, on a busy machine. Who may not write there does without.
process.env.DENO_DIR ??= join(import.meta.dir, "../node_modules/.cache/deno");

afterAll(endAll);
