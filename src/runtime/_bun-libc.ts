/** libc for what neither Bun nor node:* has, loaded when it is first asked for. */
import { dlopen, type FFIFunction, type Library, ptr, read } from "bun:ffi";
import type { Fault } from "../errors.ts";
import type { DatagramCalls } from "./_datagram.ts";
import { type GetSockOpt, libcNames } from "./_original.ts";
import { noSystemCalls, outOfReach, SYSTEM_CALL_ARGUMENTS } from "./_system-call.ts";
import type { Runtime } from "./contract.ts";

type Flock = (fd: number, operation: number) => number;

let flock: Flock | null = null;
let getSockOpt: GetSockOpt | null = null;
let systemCall: Runtime["systemCall"] | null = null;

/** flock(2). Throws Fault `unsupported`. */
export function loadFlock(): Flock {
  flock ??= load("flock", { args: ["i32", "i32"], returns: "i32" }, "lock files") as Flock;
  return flock;
}

/** Throws Fault `unsupported`. */
export function loadGetSockOpt(): GetSockOpt {
  getSockOpt ??= load(
    "getsockopt",
    { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    "ask where a redirected connection was going",
  ) as GetSockOpt;
  return getSockOpt;
}

/** syscall(2), and errno. Throws Fault `unsupported`. */
export function loadSystemCall(): Runtime["systemCall"] {
  systemCall ??= loadedSystemCall();
  return systemCall;
}

function loadedSystemCall(): Runtime["systemCall"] {
  if (process.platform !== "linux") throw noSystemCalls(null);
  const symbols = opened(
    {
      syscall: { args: ["i64", ...SYSTEM_CALL_ARGUMENTS], returns: "i64" },
      __errno_location: { args: [], returns: "ptr" },
    },
    noSystemCalls,
  );
  const call = symbols.syscall as (...all: number[]) => bigint;
  return (number, ...args) => {
    const given = SYSTEM_CALL_ARGUMENTS.map((_, at) => {
      const value = args[at] ?? 0;
      return typeof value === "number" ? value : ptr(value);
    });
    const answer = Number(call(number, ...given));
    const errno = symbols.__errno_location();
    return answer === -1 && errno !== null ? -read.i32(errno) : answer;
  };
}

function load(symbol: string, shape: FFIFunction, what: string): unknown {
  return opened({ [symbol]: shape }, (cause) => outOfReach(what, cause))[symbol];
}

/** `refusal`: what is thrown when libc is found under none of its names, or lacks one of these. */
function opened<Shapes extends Record<string, FFIFunction>>(
  shapes: Shapes,
  refusal: (cause: unknown) => Fault,
): Library<Shapes>["symbols"] {
  let problem: unknown = null;
  for (const name of libcNames(process.platform, process.arch)) {
    try {
      return dlopen(name, shapes).symbols;
    } catch (error) {
      problem = error;
    }
  }
  throw refusal(problem);
}

/** Throws Fault `unsupported`. */
export function loadDatagramCalls(): DatagramCalls {
  const what = "send datagrams";
  const sendto = load("sendto", { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" }, what) as (
    ...args: unknown[]
  ) => number | bigint;
  return {
    socket: load("socket", { args: ["i32", "i32", "i32"], returns: "i32" }, what) as DatagramCalls["socket"],
    sendto: (fd, data, flags, address, length) => Number(sendto(fd, data, data.length, flags, address, length)),
    close: load("close", { args: ["i32"], returns: "i32" }, what) as DatagramCalls["close"],
  };
}
