/** The Bun adapter. */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import { Fault } from "../errors.ts";
import { dialNative, listenNative } from "./_bun-conn.ts";
import { loadDatagramCalls, loadFlock, loadSystemCall } from "./_bun-libc.ts";
import { resolveOnLoop } from "./_bun-names.ts";
import { capture, notStarted } from "./_capture.ts";
import { setLatin1Write } from "./_conn.ts";
import { type DatagramCalls, sendDatagram } from "./_datagram.ts";
import { bearable, lookups } from "./_lookups.ts";
import { appendFile, hmacOver, lockHeld, shared } from "./_shared.ts";
import type { Child, Runtime } from "./contract.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

setLatin1Write((into, text) => {
  (into as Buffer & { latin1Write(text: string, offset: number): number }).latin1Write(text, 0);
});

let calls: DatagramCalls | null = null;

/** Overwritten by each hash that is not wanted as text. */
const digest = new Uint8Array(32);

/** Inside a compiled binary the main module lies in a virtual file system, and the binary itself is the program. */
const compiled = Bun.main.startsWith("/$bunfs/") || /^[A-Z]:[\\/]~BUN[\\/]/.test(Bun.main);

export const runtime: Runtime = {
  ...shared,
  capture,
  name: "bun",
  version: Bun.version,
  args: process.argv.slice(2),

  listen: listenNative,
  dial(target, handler) {
    if ("path" in target || target.tls !== undefined) return shared.dial(target, handler);
    return dialNative(target.address, target.port, handler);
  },

  resolve: process.platform === "linux" ? resolveOnLoop : lookups(bearable(os.availableParallelism())),

  sha256: (data) => Bun.SHA256.hash(data, "hex"),
  hasher() {
    const hash = new Bun.CryptoHasher("sha256");
    return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
  },
  hmacSha256: hmacOver({
    bytes(data) {
      Bun.SHA256.hash(data, digest);
      return digest;
    },
    hex: (data) => Bun.SHA256.hash(data, "hex"),
  }),

  openAppend(path) {
    const lock = loadFlock();
    const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_APPEND | fs.constants.O_CREAT, 0o600);
    if (lock(fd, LOCK_EX | LOCK_NB) !== 0) {
      fs.closeSync(fd);
      throw lockHeld(path);
    }
    return appendFile({
      size: () => fs.fstatSync(fd).size,
      regular: () => fs.fstatSync(fd).isFile(),
      write: (bytes) => fs.writeSync(fd, bytes),
      sync: () => new Promise((done, reject) => fs.fdatasync(fd, (error) => (error ? reject(error) : done()))),
      close: () => fs.closeSync(fd),
    });
  },

  sendDatagram(path, text) {
    if (process.platform !== "linux") throw new Fault("unsupported", `cannot send datagrams on ${process.platform}`);
    calls ??= loadDatagramCalls();
    sendDatagram(calls, path, text);
  },
  systemCall: (number, ...args) => loadSystemCall()(number, ...args),

  ownCommand: own,
  spawnSelf(args, env) {
    const [program = "", ...before] = own();
    return childOf(
      spawn(program, [...before, ...args], {
        stdio: ["ignore", "inherit", "inherit"],
        env: { ...process.env, ...env },
      }),
    );
  },
  async spawn([program, ...args], env) {
    try {
      const process = spawn(program, args, { stdio: "inherit", env });
      const child = childOf(process);
      // Whether it runs is told by a later event; what a failed start rejects with is told here.
      child.exited.catch(() => {});
      await new Promise<void>((started, failed) => {
        process.once("spawn", started);
        process.once("error", failed);
      });
      return child;
    } catch (error) {
      return notStarted(program, error);
    }
  },
};

function own(): readonly string[] {
  return compiled ? [process.execPath] : [process.execPath, ...process.execArgv, Bun.main];
}

function childOf(child: ChildProcess): Child {
  return {
    pid: child.pid ?? 0,
    exited: new Promise((resolve, reject) => {
      // Also told when a signal could not be sent; then it still runs.
      child.on("error", (error) => {
        if (child.pid === undefined) reject(error);
      });
      child.on("exit", (code, signal) => resolve({ code, signal }));
    }),
    signal(name) {
      child.kill(name);
    },
  };
}
