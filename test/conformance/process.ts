/** The process: output, signals, faults nobody caught, and this program again. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Child, Runtime } from "../../src/runtime/contract.ts";
import { type Check, expect, faultOf, same, scratch, until } from "./kit.ts";

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

/**
 * In a process of Deno 2.9.6 that has done much else the next child with pipes of node:child_process has them read never, and
 * those behind it always. The runtime's own adapter starts none that way; the checks below do, so one is given up first.
 */
let givenUp: Promise<void> | null = null;
function giveOneUp(): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn("true", { stdio: "pipe" });
    child.stdout.resume();
    child.stderr.resume();
    child.on("close", () => resolve());
    setTimeout(resolve, 3_000);
  });
}

async function start(
  runtime: Runtime,
  role: readonly string[],
  act: (child: ReturnType<typeof spawn>) => void,
): Promise<Run> {
  const [command = "", ...args] = self(runtime);
  givenUp ??= giveOneUp();
  await givenUp;
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
  for (const name of ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR2"] as const) {
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

export const ownCommandStartsThisProgramAgain: Check = async (runtime) => {
  const path = join(scratch(), "report");
  const [program = "", ...args] = runtime.ownCommand();
  const child = await runtime.spawn([program, ...args, "role", "report", path, "again"], given(runtime));
  if (typeof child === "string") throw new Error(child);
  same((await child.exited).code, 3, "status");
  same((JSON.parse(readFileSync(path, "utf8")) as { name: string }).name, runtime.name, "runtime");
};

function given(runtime: Runtime): Record<string, string> {
  return Object.fromEntries(Object.entries(runtime.env).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

const CAPTURE = { input: "", maxBytes: 1 << 20, timeoutMs: 30_000 } as const;

export const captureGivesInputAndKeepsWhatIsSaid: Check = async (runtime) => {
  const script = 'cat; echo "$WORD" >&2; exit 3';
  const env = { PATH: runtime.env.PATH ?? "", WORD: "err" };
  const input = "ünïcode\n".repeat(50_000);
  const done = await runtime.capture(["sh", "-c", script], { ...CAPTURE, env, input });
  if (typeof done === "string") throw new Error(done);
  same(done.code, 3, "status");
  same(done.stdout === input, true, "what was given back");
  same(done.stderr, "err\n", "standard error");
};

/** sd_listen_fds(3): what is said of descriptors is for one process. */
export const childrenAreToldOfNoDescriptors: Check = async (runtime) => {
  const [own, child] = [join(scratch(), "own"), join(scratch(), "child")];
  const [command = "", ...args] = self(runtime);
  const told = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "proxy" };
  const started = spawn(command, [...args, "role", "heir", own, child], {
    stdio: "ignore",
    env: { ...process.env, ...told },
  });
  same(await new Promise((resolve) => started.on("close", resolve)), 0, "status");
  same(readFileSync(own, "utf8"), "LISTEN_FDNAMES LISTEN_FDS LISTEN_PID", "what it was told");
  same(readFileSync(child, "utf8"), "", "what its child was told");
};

export const captureIsBounded: Check = async (runtime) => {
  const env = { PATH: runtime.env.PATH ?? "" };
  const much = await runtime.capture(["sh", "-c", "head -c 3000000 /dev/zero; echo end >&2"], {
    ...CAPTURE,
    env,
    maxBytes: 1000,
  });
  if (typeof much === "string") throw new Error(much);
  same(`${much.code} ${much.stdout.length} ${much.stderr}`, "0 1000 end\n", "what was kept");
  const slow = await runtime.capture(["sleep", "60"], { ...CAPTURE, env, timeoutMs: 50 });
  if (typeof slow === "string") throw new Error(slow);
  same(slow.code, null, "status of what was killed");
  const deaf = await runtime.capture(["true"], { ...CAPTURE, env, input: "x".repeat(1_000_000) });
  same(typeof deaf === "string" ? deaf : deaf.code, 0, "one that reads nothing");
};

export const captureSaysWhatCannotBeStarted: Check = async (runtime) => {
  const env = { PATH: runtime.env.PATH ?? "" };
  same(await runtime.capture(["/nonexistent/program"], { ...CAPTURE, env }), "not_found", "none of that name");
  same(await runtime.capture(["/etc/passwd"], { ...CAPTURE, env }), "not_executable", "no program");
};

export const systemCallsAreAnsweredAsTheKernelDoes: Check = async (runtime) => {
  if (runtime.platform !== "linux" || (runtime.arch !== "x64" && runtime.arch !== "arm64")) return;
  const [socket, getsockname, close] = runtime.arch === "x64" ? [41, 51, 3] : [198, 204, 57];
  same(runtime.systemCall(socket, 99, 1, 0), -97, "a family that is none (EAFNOSUPPORT)");
  const fd = runtime.systemCall(socket, 2, 1, 0);
  expect(fd > 2, "a descriptor");
  const address = new Uint8Array(16).fill(0xff);
  const length = new Uint8Array([16, 0, 0, 0]);
  same(runtime.systemCall(getsockname, fd, address, length), 0, "getsockname");
  same([...address.subarray(0, 8)].join(" "), "2 0 0 0 0 0 0 0", "what the kernel wrote into the bytes");
  same(runtime.systemCall(close, fd), 0, "close");
  same(runtime.systemCall(close, fd), -9, "closed already (EBADF)");
};

/** What `sh` says of a command that it is given as its only argument. */
async function shell(runtime: Runtime, script: string, act: (child: Child) => void = () => {}): Promise<string> {
  const child = await runtime.spawn(["sh", "-c", script], { PATH: runtime.env.PATH ?? "" });
  if (typeof child === "string") throw new Error(child);
  act(child);
  const { code, signal } = await child.exited;
  return `${code} ${signal}`;
}

export const spawnTellsStatusAndSignal: Check = async (runtime) => {
  same(await shell(runtime, "exit 7"), "7 null", "exit");
  same(await shell(runtime, "kill -KILL $$"), "null SIGKILL", "killed");
  same(await shell(runtime, "kill -INT $$"), "null SIGINT", "interrupted");
  for (const name of ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const) {
    same(await shell(runtime, "ulimit -c 0; exec sleep 60", (child) => child.signal(name)), `null ${name}`, name);
  }
  const path = join(scratch(), "ready");
  const trap = `trap 'exit 9' TERM; : >${path}; while :; do sleep 0.02; done`;
  const told = shell(
    runtime,
    trap,
    (child) => void until(() => existsSync(path), "it").then(() => child.signal("SIGTERM")),
  );
  same(await told, "9 null", "a signal that is handled");
};

export const spawnGivesExactlyItsEnvironmentAndNoIgnoredSignals: Check = async (runtime) => {
  const path = join(scratch(), "env");
  const env = { PATH: runtime.env.PATH ?? "", OUT: path, TWO: "a b" };
  const child = await runtime.spawn(["sh", "-c", 'env >"$OUT"; grep -s SigIgn /proc/self/status >>"$OUT"; true'], env);
  if (typeof child === "string") throw new Error(child);
  same((await child.exited).code, 0, "status");
  const lines = readFileSync(path, "utf8").split("\n");
  expect(lines.includes("TWO=a b"), "its environment");
  expect(!lines.some((line) => line.startsWith("CONFORMANCE_SELF=")), "ours is not inherited");
  // Signals 32 and 33 are the C library's own.
  const ignored = BigInt(`0x${lines.find((line) => line.startsWith("SigIgn"))?.split("\t")[1] ?? "0"}`);
  same(ignored & 0x7fffffffn, 0n, "ignored signals");
};

export const spawnSaysWhatCannotBeStarted: Check = async (runtime) => {
  const text = join(scratch(), "text");
  writeFileSync(text, "no program", { mode: 0o644 });
  const env = { PATH: runtime.env.PATH ?? "" };
  same(await runtime.spawn(["sallyport-no-such-program"], env), "not_found", "a name");
  same(await runtime.spawn([join(scratch(), "none")], env), "not_found", "a path");
  same(await runtime.spawn([text], env), "not_executable", "a text");
  same(await runtime.spawn([scratch()], env), "not_executable", "a directory");
  const argument = "x".repeat(4_000_000);
  same(await faultOf(runtime.spawn(["true", argument], env)), "spawn_failed", "too long an argument");
};

export const signalNumbersAreThoseOfThisSystem: Check = async (runtime) => {
  same(runtime.signalNumber("SIGTERM"), 15, "SIGTERM");
  same(runtime.signalNumber("SIGINT"), 2, "SIGINT");
  same(runtime.signalNumber("SIGNONE"), null, "no signal");
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
      const name = rest[0] as "SIGTERM" | "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGUSR2";
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
    case "heir": {
      const [path = "", ...more] = rest;
      const told = Object.keys(runtime.env).filter((name) => name.startsWith("LISTEN_"));
      await runtime.writeNew(path, told.sort().join(" "), 0o600);
      if (more.length > 0) await runtime.spawnSelf(["role", "heir", ...more], {}).exited;
      return runtime.exit(0);
    }
  }
  throw new Error(`no role "${role}"`);
}

/** That one arrives is shown where there is somebody to read it: test/supervisor.test.ts. */
export const aDatagramThatNobodyTakesIsAFault: Check = async (runtime) => {
  for (const path of [join(scratch(), "nobody"), "@sallyport-conformance-nobody", "", "@", "x".repeat(108)]) {
    same(await faultOf(Promise.try(() => runtime.sendDatagram(path, "READY=1"))), "notify_failed", path);
  }
};
