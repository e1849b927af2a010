/** A gateway that fails takes its command with it. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runExec } from "../../src/cli/exec.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Runtime } from "../../src/runtime/contract.ts";
import { testUnless, tool } from "../_skip.ts";
import { emptyDirectory } from "./_program.ts";

const namespaces =
  process.platform === "linux" &&
  spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]).status === 0
    ? null
    : "user namespaces cannot be made here";

testUnless(
  namespaces ?? tool("setpriv") ?? tool("ip"),
  "in a sandbox too, where a command that does not obey is killed",
  async () => {
    const folder = await emptyDirectory();
    const pidFile = join(folder, "pid");
    let fault: (thrown: unknown) => void = () => {};
    const watched: Runtime = {
      ...runtime,
      env: { PATH: process.env.PATH, HOME: folder },
      ownCommand: () => [process.execPath, join(import.meta.dir, "../../src/main.ts")],
      onSignal() {},
      onUncaught(run) {
        fault = run;
      },
      stderr() {},
    };
    const script = `trap '' TERM; echo $$ >${pidFile}.new; mv ${pidFile}.new ${pidFile}; while :; do sleep 0.05; done`;
    const ended = runExec(watched, ["--sandbox", "--evidence", join(folder, "e"), "--", "sh", "-c", script]);
    while (!existsSync(pidFile)) await new Promise((resolve) => setTimeout(resolve, 5));
    const pid = Number(readFileSync(pidFile, "utf8"));
    process.kill(pid, 0);
    fault(new Error("a defect"));
    expect(await ended).toBe(70);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    rmSync(folder, { recursive: true });
  },
  120_000,
);

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
}, 120_000);
