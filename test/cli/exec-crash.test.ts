/** A gateway that fails takes its command with it. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runExec } from "../../src/cli/exec.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { emptyDirectory } from "./_program.ts";

test("a fault nobody caught ends the command, says so, and is an exit code of its own", async () => {
  const folder = await emptyDirectory();
  let fault: (thrown: unknown) => void = () => {};
  let said = "";
  const watched: Runtime = {
    ...runtime,
    env: { PATH: process.env.PATH, HOME: folder },
    onSignal() {},
    onUncaught(run) {
      fault = run;
    },
    stderr(text) {
      said += text;
    },
    async spawn(command, env) {
      const child = await runtime.spawn(command, env);
      // It runs; then the gateway fails, twice.
      fault(new Error("a defect"));
      fault(new Error("another"));
      return child;
    },
  };
  const script = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
  expect(await runExec(watched, ["--evidence", join(folder, "e"), "--", "sh", "-c", script])).toBe(70);
  expect(said).toContain('the gateway failed, so "sh" is ended: a defect\n');
  expect(said).not.toContain("another");
  expect(readFileSync(join(folder, "e/gateway.log"), "utf8")).toContain("uncaught fault");
  expect(readdirSync(folder)).toContain("e");
  rmSync(folder, { recursive: true });
}, 30_000);
