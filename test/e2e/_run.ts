/** Runs a client program to its end without blocking this process, which is often the upstream it talks to. */
import { spawn } from "node:child_process";
import { leashed } from "../_at-the-end.ts";

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input: Uint8Array | string = "",
  cwd?: string,
): Promise<Ran> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH ?? "", HOME: "/nonexistent", LANG: "C.UTF-8", ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    leashed(child);
    const timer = setTimeout(() => child.kill("SIGKILL"), 110_000);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("latin1").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status: status ?? -1, stdout, stderr });
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
