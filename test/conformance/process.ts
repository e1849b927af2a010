/** The process: output, signals, faults nobody caught, and this program again. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Runtime } from "../../src/runtime/contract.ts";
import { type Check, expect, same, scratch, until } from "./kit.ts";

/** The command that started this program, handed over by whoever started it. */
function self(runtime: Runtime): string[] {
  return JSON.parse(runtime.env.CONFORMANCE_SELF ?? "[]") as string[];
}

interface Run {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: Buffer;
  readonly err: string;
}

function start(
  runtime: Runtime,
  role: readonly string[],
  act: (child: ReturnType<typeof spawn>) => void,
): Promise<Run> {
  const [command = "", ...args] = self(runtime);
  const child = spawn(command, [...args, "role", ...role], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env },
  });
  const out: Buffer[] = [];
  let err = "";
  child.stdout?.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => {
    err += bytes;
  });
  child.stdin?.on("error", () => {});
  act(child);
  return new Promise((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, out: Buffer.concat(out), err }));
  });
}

/** 8 MiB to a reader that starts late, then exit at once: a byte missing means that output was not synchronous. */
export const stdoutIsWithTheKernelBeforeExit: Check = async (runtime) => {
  const { code, out } = await start(runtime, ["print", "8388608"], (child) => {
    child.stdout?.pause();
    setTimeout(() => child.stdout?.resume(), 100);
  });
  same(code, 0, "status");
  same(out.length, 8_388_608, "bytes");
};

export const stdoutBrokenPipeEndsQuietly: Check = async (runtime) => {
  const { code, err } = await start(runtime, ["print", "8388608"], (child) => child.stdout?.destroy());
  expect(code !== 0 && code !== null, `status ${code}`);
  same(err, "", "noise");
};

export const stdinIsReadAsChunks: Check = async (runtime) => {
  const { out } = await start(runtime, ["digest"], (child) => child.stdin?.end(Buffer.alloc(3_000_000, "z")));
  same(out.toString(), runtime.sha256("z".repeat(3_000_000)), "digest of the input");
};

export const uncaughtFaultsReachTheHandler: Check = async (runtime) => {
  const { code, out } = await start(runtime, ["uncaught"], () => {});
  same(out.toString(), "thrown in a timer|rejected and dropped|", "what the handler saw");
  same(code, 0, "status");
};

export const exitGivesItsStatus: Check = async (runtime) => {
  same((await start(runtime, ["exit", "64"], () => {})).code, 64, "status");
};

export const signalsRunTheirHandler: Check = async (runtime) => {
  for (const name of ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR2"] as const) {
    const { code, out } = await start(runtime, ["signal", name], (child) => {
      child.stdout?.once("data", () => process.kill(child.pid ?? 0, name));
    });
    same(out.toString(), `ready|${name}|`, "output");
    same(code, 7, "status");
  }
};

export const spawnSelfPassesArgumentsEnvironmentAndStatus: Check = async (runtime) => {
  const path = join(scratch(), "report");
  const child = runtime.spawnSelf(["role", "report", path, "two words", "--flag"], { CONFORMANCE_EXTRA: "extra" });
  expect(child.pid > 0 && child.pid !== runtime.pid, "pid");
  same((await child.exited).code, 3, "status");
  const report = JSON.parse(readFileSync(path, "utf8")) as {
    name: string;
    args: string[];
    extra: string;
    pid: number;
    self: string;
  };
  same(report.name, runtime.name, "runtime");
  same(report.args.join("|"), `role|report|${path}|two words|--flag`, "args");
  same(report.extra, "extra", "environment");
  same(report.self, runtime.env.CONFORMANCE_SELF ?? "", "inherited environment");
  same(report.pid, child.pid, "pid");
};

export const spawnSelfSignals: Check = async (runtime) => {
  for (const name of ["SIGTERM", "SIGHUP"] as const) {
    const path = join(scratch(), "ready");
    const child = runtime.spawnSelf(["role", "signal-quietly", name, path], {});
    await until(() => existsSync(path), "the child");
    child.signal(name);
    same((await child.exited).code, 7, `status after ${name}`);
  }
};

export const processFacts: Check = async (runtime) => {
  same(runtime.pid, process.pid, "pid");
  expect(/^\d+\.\d+\.\d+/.test(runtime.version), "version");
  same(runtime.platform, process.platform, "platform");
  same(runtime.arch, process.arch, "arch");
  same(runtime.stdoutIsTerminal, false, "stdoutIsTerminal");
};

/** Parts played by a second process of this program. */
export async function play(runtime: Runtime, role: string, rest: readonly string[]): Promise<void> {
  switch (role) {
    case "hold-lock": {
      const file = runtime.openAppend(rest[0] ?? "");
      file.append("held\n");
      setInterval(() => file.size, 1000);
      return;
    }
    case "print": {
      const block = "x".repeat(1 << 20);
      for (let left = Number(rest[0]); left > 0; left -= block.length) runtime.stdout(block);
      return runtime.exit(0);
    }
    case "digest": {
      const hasher = runtime.hasher();
      for await (const chunk of runtime.stdin()) hasher.update(chunk);
      runtime.stdout(hasher.hex());
      return runtime.exit(0);
    }
    case "uncaught": {
      let seen = 0;
      runtime.onUncaught((thrown) => {
        runtime.stdout(`${(thrown as Error).message}|`);
        seen++;
        if (seen === 1) void Promise.reject(new Error("rejected and dropped"));
        else runtime.exit(0);
      });
      setTimeout(() => {
        throw new Error("thrown in a timer");
      }, 1);
      return;
    }
    case "exit":
      return runtime.exit(Number(rest[0]));
    case "signal":
    case "signal-quietly": {
      const name = rest[0] as "SIGTERM" | "SIGHUP" | "SIGINT" | "SIGUSR2";
      runtime.onSignal(name, () => {
        if (role === "signal") runtime.stdout(`${name}|`);
        runtime.exit(7);
      });
      setInterval(() => {}, 1000);
      if (role === "signal") runtime.stdout("ready|");
      else await runtime.writeNew(rest[1] ?? "", "", 0o600);
      return;
    }
    case "report": {
      const report = {
        name: runtime.name,
        args: runtime.args,
        extra: runtime.env.CONFORMANCE_EXTRA,
        self: runtime.env.CONFORMANCE_SELF,
        pid: runtime.pid,
      };
      await runtime.writeNew(rest[0] ?? "", JSON.stringify(report), 0o600);
      return runtime.exit(3);
    }
  }
  throw new Error(`no role "${role}"`);
}
