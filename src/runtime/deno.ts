/** The Deno adapter. */
import { createHash, hash } from "node:crypto";
import fs from "node:fs";
import { setLatin1Write } from "./_conn.ts";
import { setTlsRepair } from "./_dial.ts";
import { appendFile, hmacOver, lockHeld, notStarted, shared } from "./_shared.ts";
import { keepRootsInDefaultStore } from "./_trust.ts";
import type { Child, Runtime } from "./contract.ts";

const encoder = new TextEncoder();

// Seven times faster than Buffer's latin1Write, and the text is nearly always ASCII.
setLatin1Write((into, text) => {
  const { read, written } = encoder.encodeInto(text, into);
  if (written !== text.length || read !== text.length) into.write(text, 0, text.length, "latin1");
});

keepRootsInDefaultStore();

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

export const runtime: Runtime = {
  ...shared,
  name: "deno",
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
};

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
