/** The Deno adapter. */

import { createHash, hash } from "node:crypto";
import fs from "node:fs";
import type net from "node:net";
import { Fault } from "../errors.ts";
import { notStarted } from "./_capture.ts";
import { setLatin1Write } from "./_conn.ts";
import { type DatagramCalls, sendDatagram } from "./_datagram.ts";
import { setTlsRepair } from "./_dial.ts";
import { takeInherited } from "./_inherited.ts";
import { type SocketAsks, setSocketAsks } from "./_listen.ts";
import { LOOKUPS_AT_ONCE, lookups } from "./_lookups.ts";
import { type GetSockOpt, libcNames } from "./_original.ts";
import { appendFile, hmacOver, lockHeld, shared } from "./_shared.ts";
import { noSystemCalls, outOfReach, SYSTEM_CALL_ARGUMENTS } from "./_system-call.ts";
import { keepRootsInDefaultStore } from "./_trust.ts";
import type { Child, Runtime } from "./contract.ts";

const encoder = new TextEncoder();

// Seven times faster than Buffer's latin1Write, and the text is nearly always ASCII.
setLatin1Write((into, text) => {
  const { read, written } = encoder.encodeInto(text, into);
  if (written !== text.length || read !== text.length) into.write(text, 0, text.length, "latin1");
});

keepRootsInDefaultStore();

setSocketAsks(loadSocketAsks);

interface TlsHandle {
  emitEof?: () => void;
}

// Deno 2.9.6 loses the end of a TLS stream that arrives while the socket is paused: every byte comes after `resume`, the
// end never does. So an end that came then is said again once the socket has flowed dry; conformance has the checks.
setTlsRepair((socket) => {
  const handle = (socket as unknown as { _handle?: TlsHandle })._handle;
  const emit = handle?.emitEof;
  if (handle === undefined || emit === undefined) return;
  let lost = false;
  let delivered = -1;
  const say = (): void => {
    if (!lost || socket.destroyed || socket.readableEnded || socket.isPaused()) return;
    // One more turn for as long as bytes that came before the end are still being delivered.
    if (socket.readableLength > 0 || socket.bytesRead !== delivered) {
      delivered = socket.bytesRead;
      setImmediate(say);
      return;
    }
    lost = false;
    socket.push(null);
    socket.read(0);
  };
  handle.emitEof = () => {
    lost = socket.isPaused();
    emit.call(handle);
  };
  socket.on("resume", () => {
    if (lost) setImmediate(say);
  });
});

interface TcpHandle {
  fdForIpc?: () => number;
}

/** Deno 2.9.6 hands out a descriptor of node:net's sockets as a duplicate only, which is ours to close. */
function loadSocketAsks(): SocketAsks {
  const { getsockopt, close } = openedLibc(
    {
      getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
    },
    (cause) => outOfReach("ask where a redirected connection was going", cause),
  );
  return (socket: net.Socket) => {
    const { _handle: handle } = socket as unknown as { _handle?: TcpHandle };
    const fd = handle?.fdForIpc?.() ?? -1;
    return { get: getsockopt as unknown as GetSockOpt, fd, done: () => void (fd < 0 || close(fd)) };
  };
}

/** Needs --allow-ffi. `refusal`: what is thrown when libc is found under none of its names, or lacks one of these. */
function openedLibc<const Symbols extends Deno.ForeignLibraryInterface>(
  symbols: Symbols,
  refusal: (cause: unknown) => Fault,
): Deno.DynamicLibrary<Symbols>["symbols"] {
  let problem: unknown = null;
  for (const name of libcNames(Deno.build.os, Deno.build.arch)) {
    try {
      return Deno.dlopen(name, symbols).symbols;
    } catch (error) {
      problem = error;
    }
  }
  throw refusal(problem);
}

/** The flags this process was started with, so that a child has the same permissions and no more. */
function ownCommand(): string[] {
  if (Deno.build.standalone) return [];
  const script = Deno.mainModule.startsWith("file:")
    ? decodeURIComponent(new URL(Deno.mainModule).pathname)
    : Deno.mainModule;
  const flags: string[] = [];
  try {
    const line = fs.readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(1, -1);
    const before = line.slice(0, line.length - Deno.args.length - 1);
    if (before[0] === "run") return [...before, script];
  } catch {
    // Not Linux, or not allowed to look: ask for each permission below.
  }
  for (const name of ["read", "write", "net", "env", "run", "ffi", "sys"] as const) {
    if (Deno.permissions.querySync({ name }).state === "granted") flags.push(`--allow-${name}`);
  }
  return ["run", ...flags, script];
}

let calls: DatagramCalls | null = null;

/** Needs --allow-ffi: Deno's own datagrams to Unix sockets are behind --unstable-net. */
function loadDatagramCalls(): DatagramCalls {
  const { socket, sendto, close } = openedLibc(
    {
      socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
      sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
      close: { parameters: ["i32"], result: "i32" },
    },
    (cause) => outOfReach("send datagrams", cause),
  );
  return {
    socket,
    sendto: (fd, data, flags, address, length) =>
      Number(sendto(fd, new Uint8Array(data), BigInt(data.length), flags, new Uint8Array(address), length)),
    close,
  };
}

type SystemCall = Runtime["systemCall"];
let systemCall: SystemCall | null = null;

/** Needs --allow-ffi. */
function loadSystemCall(): SystemCall {
  if (Deno.build.os !== "linux") throw noSystemCalls(null);
  const symbols = openedLibc(
    {
      syscall: { parameters: ["i64", ...SYSTEM_CALL_ARGUMENTS], result: "i64" },
      __errno_location: { parameters: [], result: "pointer" },
    },
    noSystemCalls,
  );
  const call = symbols.syscall as (...all: bigint[]) => bigint;
  return (number, ...args) => {
    const given = SYSTEM_CALL_ARGUMENTS.map((_, at) => {
      const value = args[at] ?? 0;
      if (typeof value === "number") return BigInt(value);
      return Deno.UnsafePointer.value(Deno.UnsafePointer.of(value as Uint8Array<ArrayBuffer>));
    });
    const answer = Number(call(BigInt(number), ...given));
    const errno = symbols.__errno_location();
    return answer === -1 && errno !== null ? -new Deno.UnsafePointerView(errno).getInt32() : answer;
  };
}

export const runtime: Runtime = {
  ...shared,
  name: "deno",
  resolve: lookups(LOOKUPS_AT_ONCE),
  version: Deno.version.deno,
  args: Deno.args,

  sha256: (data) => hash("sha256", data, "hex"),
  hasher() {
    const running = createHash("sha256");
    return { update: (bytes) => void running.update(bytes), hex: () => running.digest("hex") };
  },
  hmacSha256: hmacOver({
    bytes: (data) => hash("sha256", data, "buffer"),
    hex: (data) => hash("sha256", data, "hex"),
  }),

  openAppend(path) {
    const file = Deno.openSync(path, { read: true, append: true, create: true, mode: 0o600 });
    if (!file.tryLockSync(true)) {
      file.close();
      throw lockHeld(path);
    }
    return appendFile({
      size: () => file.statSync().size,
      regular: () => file.statSync().isFile,
      write: (bytes) => file.writeSync(bytes),
      sync: () => file.syncData(),
      close: () => file.close(),
    });
  },

  async listen(options, accept) {
    if (options.fd !== undefined) takeInherited({ arch: shared.arch, systemCall: runtime.systemCall }, options.fd);
    return shared.listen(options, accept);
  },

  sendDatagram(path, text) {
    if (Deno.build.os !== "linux") throw new Fault("unsupported", `cannot send datagrams on ${Deno.build.os}`);
    calls ??= loadDatagramCalls();
    sendDatagram(calls, path, text);
  },

  systemCall(number, ...args) {
    systemCall ??= loadSystemCall();
    return systemCall(number, ...args);
  },

  ownCommand: () => [Deno.execPath(), ...ownCommand()],
  spawnSelf(args, env) {
    const command = new Deno.Command(Deno.execPath(), {
      args: [...ownCommand(), ...args],
      env: { ...env },
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    });
    return childOf(command.spawn());
  },
  async spawn([program, ...args], env) {
    const stdio = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
    try {
      return childOf(new Deno.Command(program, { args, env: { ...env }, clearEnv: true, ...stdio }).spawn());
    } catch (error) {
      return notStarted(program, error);
    }
  },
  /**
   * Not by node:child_process: of the pipe of a child Deno 2.9.6 at times reads nothing and tells of no end, in a process
   * that has done much else (strace shows that it is never polled).
   */
  async capture([program, ...args], { env, input, maxBytes, timeoutMs }) {
    const stdio = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(program, { args, env: { ...env }, clearEnv: true, ...stdio }).spawn();
    } catch (error) {
      return notStarted(program, error);
    }
    const { exited, signal } = childOf(child);
    const timer = setTimeout(() => signal("SIGKILL"), timeoutMs);
    const [{ code }, stdout, stderr] = await Promise.all([
      exited,
      beginning(child.stdout, maxBytes),
      beginning(child.stderr, maxBytes),
      given(child.stdin, input),
    ]);
    clearTimeout(timer);
    return { code, stdout, stderr };
  },
};

/** Read to its end, and kept up to a bound. */
async function beginning(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let room = maxBytes;
  for await (const bytes of stream) {
    if (room > 0) text += decoder.decode(bytes.subarray(0, room), { stream: true });
    room -= bytes.length;
  }
  return text + decoder.decode();
}

async function given(stream: WritableStream<Uint8Array>, input: string): Promise<void> {
  const writer = stream.getWriter();
  try {
    await writer.write(encoder.encode(input));
    await writer.close();
  } catch {
    // It ended before it had read everything.
  }
}

/** node:child_process reports a child that handled a signal and exited as killed by it; Deno.Command tells the truth. */
function childOf(child: Deno.ChildProcess): Child {
  return {
    pid: child.pid,
    exited: child.status.then(({ code, signal }) => ({ code: signal === null ? code : null, signal })),
    signal(name) {
      try {
        child.kill(name);
      } catch {
        // It has ended.
      }
    },
  };
}
